"""An open jacket or coat: what shows between its two sides is on the front alone, and its back is of its own cloth."""

from __future__ import annotations

import cv2
import numpy as np

from dreampose_core.carry.cloth.weave import cut_patterned, weave
from dreampose_core.carry.colours import log_ratio
from dreampose_core.carry.fill import between, grow, shrink, smooth_fill

_FLANK, _MIDDLE = 0.2, 0.2  # of the trunk's width: at each side surely the coat, about the middle surely what is open
_CHEST = 0.6  # of the way from the neckline to the crotch, where colours are learnt: any jacket reaches that far
_LEAST, _APART = 0.1, 1.2  # mean log ratio of each part by the colours of the others, and how far above the middle's
_SMOOTH = 2.5  # pixels over which colours are judged
_BELT = 8  # rows that a belt may take
_ROWS = 0.7  # of the chest's rows that must show the opening


def find_opening(lab: np.ndarray, trunk: np.ndarray, sleeves: np.ndarray, neck: int, crotch: int) -> np.ndarray:
    """(h,w) bool: the trunk's cloth that shows between the two sides of an open coat; nowhere without one.

    lab (h,w,3) f32; trunk, sleeves (h,w) bool: where the trunk's and the arms' cloth is seen, without skin and hair;
    neck, crotch: rows. A coat is there where both flanks and the sleeves are of the same colours and the middle is of
    others, from the neckline down; it ends where its flanks do.
    """
    nowhere = np.zeros(trunk.shape, bool)
    rows = np.arange(len(trunk))[:, None]
    across = _across(trunk)
    inner = shrink(trunk, 1)
    chest = inner & (rows >= neck) & (rows < neck + _CHEST * (crotch - neck))
    middle = chest & (np.abs(across - 0.5) < _MIDDLE / 2)
    flanks = across < _FLANK, across > 1 - _FLANK
    parts = [*(chest & flank for flank in flanks), shrink(sleeves, 1)]
    if min(part.sum() for part in (middle, *parts)) < 40:
        return nowhere
    for i, part in enumerate(parts):
        ratio = log_ratio(lab, np.logical_or.reduce(parts[:i] + parts[i + 1 :]), middle)
        if ratio[part].mean() < max(_LEAST, ratio[middle].mean() + _APART):
            return nowhere
    share = cv2.GaussianBlur(trunk.astype(np.float32), (0, 0), _SMOOTH)
    ratio = np.where(trunk, log_ratio(lab, np.logical_or.reduce(parts), middle), 0).astype(np.float32)
    ratio = cv2.GaussianBlur(ratio, (0, 0), _SMOOTH) / np.maximum(share, 1e-3)
    coat = np.minimum(*(_share_of_rows(ratio > 0, trunk & flank) for flank in flanks)) > 0.5
    coat = np.flatnonzero(coat[neck:]) + neck
    ends = np.flatnonzero(np.diff(coat, append=len(trunk) + _BELT) > _BELT)
    open_ = trunk & (ratio < 0) & between(trunk & (ratio > 0)) & (rows >= neck)
    open_ &= rows <= (coat[ends[0]] if len(coat) else neck)
    shown = middle.any(1)
    return open_ if (open_ & middle).any(1)[shown].mean() > _ROWS else nowhere


def close_opening(colours: np.ndarray, opening: np.ndarray, cloth: np.ndarray, unit: float) -> np.ndarray:
    """colours (H,W,3) uint8 of a trunk as if the coat went on over its opening (H,W) bool. cloth (H,W) bool: where it
    is seen; unit: pixels for one of 320 rows."""
    opening = grow(opening, 2 * unit)
    rows = np.flatnonzero(opening.any(1))
    coat = shrink(cloth, unit) & ~opening
    coat[: rows[0]] = coat[rows[-1] :] = False
    if not coat.any():
        return colours
    pieces = cut_patterned(colours, [coat], unit)
    if pieces is None:
        filled = np.clip(smooth_fill(colours.astype(np.float32), coat) + 0.5, 0, 255)
        return np.where(opening[..., None], filled, colours).astype(np.uint8)
    level = np.broadcast_to(np.arange(len(colours), dtype=np.float32)[:, None], opening.shape)
    woven = weave(colours, coat, opening, pieces, level, unit)
    return np.where((opening | coat)[..., None], woven, colours)


def _across(mask: np.ndarray) -> np.ndarray:
    """(h,w) f32: 0 at the first of a row's pixels and 1 at its last."""
    first, last = mask.argmax(1), mask.shape[1] - 1 - mask[:, ::-1].argmax(1)
    return (np.arange(mask.shape[1])[None] - first[:, None]) / np.maximum(last - first, 1)[:, None]


def _share_of_rows(mask: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(h,): which part of the pixels `where` (h,w) bool of each row, and those about it, is in the mask (h,w) bool."""
    kernel = np.ones(_BELT)
    return np.convolve((mask & where).sum(1), kernel, "same") / np.convolve(where.sum(1), kernel, "same").clip(1)
