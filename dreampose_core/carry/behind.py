"""The side of the trunk that the photo does not show: its front's texture, without face and neckline."""

from __future__ import annotations

import cv2
import numpy as np

from dreampose_core.carry.fill import bleed, grow, shrink
from dreampose_core.carry.layers import skin_like
from dreampose_core.carry.views import HEAD_PARTS, BodyView
from pose_tools.body.figure import BONES


def back_colours(
    colours: np.ndarray, label_trunk: np.ndarray, weights: np.ndarray, view: BodyView, unit: float
) -> tuple[np.ndarray, np.ndarray]:
    """(H,W,3) uint8 colours of the trunk's back, and (H,W) f32 how much of them is invented.

    colours (H,W,3) uint8 of the trunk's front; label_trunk (h,w) bool, weights (h,w,B) and view on the analysis
    grid; unit: photo pixels for one of 320 rows. Hair runs over the face, cloth over the skin of the neckline.
    """
    height, width = label_trunk.shape
    small = cv2.resize(colours, (width, height), interpolation=cv2.INTER_AREA)
    skin = skin_like(cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32), label_trunk, view)
    head = weights[..., BONES.index("head")] > 0.5
    chest = (
        sum(weights[..., BONES.index(b)] for b in ("root", "spine04", "spine02", "clavicle.L", "clavicle.R"))
        > 0.5
    )
    out, invented = colours, np.zeros((height, width), np.float32)
    hair = _hair(small, label_trunk & head, skin, view)
    if hair.sum() > 12:
        zone = head & grow(label_trunk, 2) & ~hair
        # pixels at the hair's border are mixed with the face
        pure = shrink(hair, 1)
        out = _spread(out, pure if pure.sum() > 12 else hair, zone, unit, 1.5)
        invented[zone] = 1
    neckline = grow(_reached(skin & label_trunk, head) & chest, 1.5) & chest
    cloth = label_trunk & chest & ~grow(skin, 2)
    if cloth.sum() > 40:
        out = _spread(out, cloth, neckline, unit, 0.8)
        invented[neckline] = 0.5
    invented = cv2.resize(invented, colours.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return out, invented


def _reached(skin: np.ndarray, head: np.ndarray) -> np.ndarray:
    """(h,w) bool: the skin that joins the head; flowers of its colour on a dress do not."""
    _, part = cv2.connectedComponents(skin.astype(np.uint8), connectivity=4)
    return skin & np.isin(part, np.unique(part[skin & head]))


def _hair(small: np.ndarray, head: np.ndarray, skin: np.ndarray, view: BodyView) -> np.ndarray:
    """(h,w) bool: pixels of the head that show hair: around the face or high on it, not of its colour, and alike."""
    skull = np.isin(view.part, HEAD_PARTS)
    rows = np.flatnonzero(skull.any(1))
    if not len(rows):
        return np.zeros_like(head)
    high = np.arange(len(head))[:, None] < rows[0] + 0.3 * (rows[-1] - rows[0])
    found = shrink(head, 1) & ~skin & (high | ~shrink(skull, 2))
    if not found.any():
        return found
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    return found & (
        np.linalg.norm(lab - np.median(lab[found & high] if (found & high).any() else lab[found], 0), axis=-1)
        < 32
    )


def _spread(
    colours: np.ndarray, source: np.ndarray, target: np.ndarray, unit: float, soft: float
) -> np.ndarray:
    """colours (H,W,3) with the pixels of `target` taken from the nearest of `source` (masks on the small grid),
    blurred by `soft` pixels."""
    size = colours.shape[1::-1]
    source = cv2.resize(source.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    share = cv2.resize(target.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    near = bleed(colours, source)
    # a little blur across the streaks that nearest pixels make
    near = cv2.GaussianBlur(near, (0, 0), soft * unit)
    share = cv2.GaussianBlur(share, (0, 0), 0.7 * unit)[..., None]
    return (colours * (1 - share) + near * share + 0.5).astype(np.uint8)
