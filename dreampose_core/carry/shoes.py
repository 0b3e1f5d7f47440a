"""Shoes: which pixels of a foot are one, and what its sides and its heel look like, which a photo does not show.

Works on the analysis grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dreampose_core.carry.fill import grow, shrink
from pose_tools.body.figure import BONES

_UNLIKE = 18.0  # Lab levels between a shoe and the leg above it
_SOLE = 0.28  # of a shoe's height in the picture
_CLOSED = 0.6  # of the foot: from there on a shoe is closed
_LOW = 0.45  # of an open shoe's foot: the part that is bare at the heel
_LEAST = 6  # pixels that tell a shoe


@dataclass(frozen=True)
class Shoe:
    """foot and shod (h,w) bool: pixels of the foot, and those of them that show the shoe; plain (h,w,2) f32: for each
    pixel of the foot where, (x, y) in pixels, the shoe shows its colour at that height without laces or straps."""

    foot: np.ndarray
    shod: np.ndarray
    plain: np.ndarray


def find_shoe(
    colours: np.ndarray, own: np.ndarray, skin: np.ndarray, weights: np.ndarray, side: str
) -> Shoe | None:
    """The shoe of a leg that is seen at `own` (h,w) bool; None on a bare foot, and where none can be told.

    colours (h,w,3) uint8; skin (h,w) bool: of the face's colour; weights (h,w,B); side: "L" or "R".
    """
    share = weights[..., BONES.index(f"foot.{side}")]
    foot = own & (share > 0.5)
    rows = np.flatnonzero(foot.any(1))
    if foot.sum() < 4 * _LEAST:
        return None
    y = np.arange(len(own))[:, None]
    above = own & (share < 0.35) & (y > rows[0] - 1.2 * len(rows)) & (y < rows[0] + len(rows))
    if above.sum() < 2 * _LEAST:
        return None
    lab = cv2.cvtColor(colours, cv2.COLOR_RGB2LAB).astype(np.float32)
    inner = shrink(foot, 1)
    unlike = (np.linalg.norm(lab - np.median(lab[above], 0), axis=-1) > _UNLIKE) & ~skin
    shod = inner & unlike
    if shod.sum() < _LEAST:
        return None
    top, bottom = np.flatnonzero(shod.any(1))[[0, -1]]
    sole = bottom - _SOLE * (bottom - top)
    plain = np.zeros((*own.shape, 2), np.float32)
    for band in (y <= sole, y > sole):
        among = shod & band
        if among.sum() < max(_LEAST, _CLOSED * (inner & band).sum()):  # open there: its colour is that of the rest
            among = shod
        spot = np.argwhere(among)[_most_usual(lab[among])]
        plain[np.broadcast_to(band, own.shape)] = spot[::-1] + 0.5
    if shod.sum() < _CLOSED * inner.sum():  # a low shoe is as high at the heel as at the sides
        foot = foot & (y > rows[0] + _LOW * len(rows))
    return Shoe(foot, grow(shod, 1) & foot & (unlike | ~inner), plain)


def _most_usual(lab: np.ndarray) -> int:
    """The row of the colours (N,3) that has most of the others near it."""
    apart = np.linalg.norm(lab[:, None] - lab, axis=-1)
    return int((apart < _UNLIKE).sum(1).argmax())


def dress_back(back: np.ndarray, front: np.ndarray, shoe: Shoe) -> None:
    """Paints, in place, the back (H,W,4) uint8 of a leg where its foot is: the shoe as its front (H,W,4) shows it."""
    height, width = back.shape[:2]
    cell = height / len(shoe.foot)
    x, y = (np.clip((shoe.plain[..., i] * cell).astype(int), 0, (width, height)[i] - 1) for i in (0, 1))
    colours = front[y, x, :3].astype(np.float32)
    share = cv2.resize(grow(shoe.foot, 2).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    colours = cv2.resize(colours, (width, height), interpolation=cv2.INTER_LINEAR)
    share = cv2.GaussianBlur(share, (0, 0), 0.7 * cell)[..., None]
    back[..., :3] = back[..., :3] * (1 - share) + colours * share + 0.5
