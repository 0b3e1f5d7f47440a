"""More of a cloth than a photo shows: large pieces of it, cut along seams where they differ least.

After Kwatra et al., Graphcut textures (2003), with watersheds of the difference (Cousty et al., Watershed cuts, 2009)
in place of least cuts. A fine grain is laid over a smooth fill; what varies more, a print, is taken as it is.
quilt.py lays small soft pieces, as hair and the cloth behind a neck need them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.ndimage import watershed_ift

from dreampose_core.carry.fill import bleed, local_mean, smooth, smooth_fill

_PLAIN = 3.0  # levels by which cloth varies about its local mean so little that a smooth fill does
_PRINT = (8.0, 14.0)  # from grain to print
_NEAR = 4.0  # what is local, in pixels of 320 rows
_SIZE = 18  # of a piece, in pixels of 320 rows
_LEAST = 5
_ENOUGH = 60  # pieces to choose from
_MOST = 2500
_BAND = 4  # pixels of what is known that a piece may cover, of 320 rows
# What a choice costs beside the difference where pieces overlap, in parts of the cloth's own variance:
_AGAIN = 0.5  # to use a piece once more
_FAR = 0.5  # to take it from higher or lower
_RAISED = 12.0  # pixels of 320 rows from which on that costs no more
_GARMENT = 60.0  # pixels of 320 rows from which on it is another garment's, shorts below a top
_FEW = 20  # pieces with which one makes do
# and in parts of the squared difference
_ALIKE = 1.0  # of its mean colour to that of the cloth about it
_BUSY = 12.0  # of how much it varies


@dataclass(frozen=True, eq=False)
class Cloth:
    """N pieces of a garment. image (H,W,3) f32, low (H,W,3) f32 its local mean, and usable (H,W) bool; corner (N,2) of
    each piece, (x, y); size, even, pixels; flat and grain (N,K) f32: their colours at half that resolution, less 128
    and less their local mean; means (N,3); busy (N,): levels by which they vary about the local mean."""

    image: np.ndarray
    low: np.ndarray
    usable: np.ndarray
    corner: np.ndarray
    size: int
    flat: np.ndarray
    grain: np.ndarray
    means: np.ndarray
    busy: np.ndarray


def cut_cloth(image: np.ndarray, usable: list[np.ndarray], unit: float) -> Cloth | None:
    """Pieces of image (H,W,3) uint8, each wholly within one of the masks (H,W) bool; None where there are too few.
    unit: pixels for one of 320 rows."""
    whole = np.logical_or.reduce(usable)
    for size in (_SIZE, 2 * _SIZE // 3, _SIZE // 2, _SIZE // 3, _LEAST):
        size = 2 * max(2, round(size * unit / 2))
        square = np.ones((size, size), np.uint8)
        fits = [cv2.erode(np.pad(one, 1).astype(np.uint8), square, anchor=(0, 0)) for one in usable]
        rows, columns = np.nonzero(np.maximum.reduce(fits)[1:-1:2, 1:-1:2])
        inside = (2 * rows <= len(image) - size) & (2 * columns <= image.shape[1] - size)
        rows, columns = rows[inside], columns[inside]
        if len(rows) >= _ENOUGH:
            break
    else:
        return None
    every = slice(None, None, -(-len(rows) // _MOST))
    rows, columns = rows[every], columns[every]
    image = image.astype(np.float32)
    low = local_mean(image, whole, _NEAR * unit)
    half = size // 2

    def cut(picture: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(_halved(picture), (half, half), (0, 1))
        return windows[rows, columns].transpose(0, 2, 3, 1).reshape(len(rows), -1)

    flat, grain = cut(image) - 128, cut(image - low)
    means = flat.reshape(len(flat), -1, 3).mean(1) + 128
    corner = np.stack([2 * columns, 2 * rows], -1)
    return Cloth(image, low, whole, corner, size, flat, grain, means, np.sqrt((grain**2).mean(1)))


def cut_patterned(image: np.ndarray, usable: list[np.ndarray], unit: float) -> Cloth | None:
    """As cut_cloth, of nothing but the masks; None also for cloth so plain that a smooth fill does, or where there is
    none."""
    whole = np.logical_or.reduce(usable)
    if not whole.any() or np.median(variation(image, whole, unit)[whole]) <= _PLAIN:
        return None
    return cut_cloth(bleed(image, whole), usable, unit)


def variation(image: np.ndarray, where: np.ndarray, unit: float) -> np.ndarray:
    """(H,W) f32: levels by which the image (H,W,3) differs from its local mean about each pixel of the mask (H,W) bool;
    beyond it as at its nearest pixel."""
    if not where.any():
        return np.zeros(where.shape, np.float32)
    apart = (image - local_mean(image.astype(np.float32), where, _NEAR * unit)) ** 2
    return bleed(np.sqrt(local_mean(apart.mean(-1, keepdims=True), where, 1.5 * _NEAR * unit)[..., 0]), where)


def weave(
    image: np.ndarray, known: np.ndarray, wanted: np.ndarray, cloth: Cloth, rows: np.ndarray, unit: float
) -> np.ndarray:
    """image (H,W,3) uint8 with its `wanted` pixels (H,W) bool as cloth that goes on from the known pixels (H,W) bool.

    rows (H,W) f32: the row of the cloth's picture at the height of each pixel; pieces come from about there, so that
    stripes and a waist go on. Along the border some known pixels are covered, too. Equal for equal input.
    """
    size = cloth.size
    margin = size
    guide = smooth_fill(image.astype(np.float32), known)
    busy = variation(image, known, unit)
    coarse = local_mean(image.astype(np.float32), known, _NEAR * unit)
    # what one may expect there in the mean: not the known pixels themselves, but their local mean
    guide = np.where(known[..., None], coarse, guide)
    padded = (cv2.copyMakeBorder(one, *[margin] * 4, cv2.BORDER_REPLICATE) for one in (image, guide, busy, rows))
    out, guide, busy, rows = (one.astype(np.float32) for one in padded)
    wanted, there = np.pad(wanted, margin), np.pad(known & ~wanted, margin)
    reach = max(1, round(_BAND * unit))
    free = cv2.dilate(wanted.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0
    printed = smooth(cv2.GaussianBlur(busy, (0, 0), 3 * unit), *_PRINT)[..., None]
    used = np.zeros(len(cloth.corner), np.float32)
    flat, grain = ((pieces, pieces**2) for pieces in (cloth.flat, cloth.grain))
    for y, x in _places(wanted, there, size):
        at = slice(y, y + size), slice(x, x + size)
        laid, open_ = there[at], wanted[at]
        if not (open_ & ~laid).any():
            continue
        plain = printed[at][open_].mean() < 0.5
        (pieces, squares), ground = (grain, guide[at]) if plain else (flat, np.float32(128))
        share = _halved(laid.astype(np.float32))
        goal = (_halved((out[at] - ground) * laid[..., None]) / np.maximum(share, 1e-3)[..., None]).ravel()
        weight = np.repeat(share.ravel() > 0.5, 3).astype(np.float32)
        cost = squares @ weight - 2 * (pieces @ (weight * goal)) + weight @ goal**2
        cost /= max(weight.sum() / 3, 1)
        level = busy[at][open_].mean()
        away = np.abs(cloth.corner[:, 1] + np.nonzero(open_)[0].mean() - rows[at][open_].mean()) / unit
        cost += 3 * level**2 * (_AGAIN * used + _FAR * np.minimum(away / _RAISED, 1))
        if (away < _GARMENT).sum() > _FEW:
            cost[away >= _GARMENT] = np.inf
        cost += _ALIKE * ((cloth.means - guide[at][open_].mean(0)) ** 2).sum(1) + _BUSY * (cloth.busy - level) ** 2
        best = int(cost.argmin())
        used += np.exp(-((cloth.corner - cloth.corner[best]) ** 2).sum(1) / (2 * (0.35 * size) ** 2))
        piece = _fitted(cloth, cloth.corner[best], out[at], guide[at], printed[at], laid)
        new = _seam(out[at], piece, laid, open_, free[at])
        share = cv2.GaussianBlur(new.astype(np.float32), (0, 0), 0.7)
        share = np.where(laid, share * free[at], open_)[..., None]
        out[at] = out[at] * (1 - share) + piece * share
        there[at] |= open_
    inside = slice(margin, -margin), slice(margin, -margin)
    return np.clip(out[inside] + 0.5, 0, 255).astype(np.uint8)


def _halved(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)


def _places(wanted: np.ndarray, there: np.ndarray, size: int) -> list[tuple[int, int]]:
    """Corners (y, x) of the pieces that cover what is wanted, from what is there inward."""
    step = max(1, round(0.6 * size))
    away = cv2.distanceTransform((~there).astype(np.uint8), cv2.DIST_L2, 5)
    found = []
    for y in range(0, wanted.shape[0] - size + 1, step):
        for x in range(0, wanted.shape[1] - size + 1, step):
            part = wanted[y : y + size, x : x + size]
            if part.any():
                near = away[y : y + size, x : x + size][part].min()
                found.append((round(float(near) / step), y, x))
    return [place[1:] for place in sorted(found)]


def _fitted(
    cloth: Cloth, corner: np.ndarray, target: np.ndarray, guide: np.ndarray, printed: np.ndarray, laid: np.ndarray
) -> np.ndarray:
    """The piece at that corner, or up to 2 pixels off it, which differs least from the target where that is laid."""
    size = cloth.size
    best, least = None, np.inf
    for dy, dx in sorted(np.ndindex(5, 5), key=lambda step: abs(step[0] - 2) + abs(step[1] - 2)):
        x, y = corner[0] + dx - 2, corner[1] + dy - 2
        if x < 0 or y < 0 or x + size > cloth.image.shape[1] or y + size > cloth.image.shape[0]:
            continue
        at = slice(y, y + size), slice(x, x + size)
        if best is not None and not cloth.usable[at][::2, ::2].all():
            continue
        piece = cloth.image[at] + (1 - printed) * (guide - cloth.low[at])
        apart = (((piece - target) ** 2).sum(-1) * laid).sum()
        if apart < least:
            best, least = piece, apart
    return best


def _seam(old: np.ndarray, new: np.ndarray, laid: np.ndarray, wanted: np.ndarray, free: np.ndarray) -> np.ndarray:
    """(s,s) bool: where the new piece is to be seen; laid: what is there; free: what it may cover of that."""
    apart = np.sqrt(((old - new) ** 2).sum(-1))
    height = 255 - np.clip(cv2.GaussianBlur(apart, (0, 0), 0.8), 0, 254).astype(np.uint8)
    marks = np.zeros(laid.shape, np.int16)
    border = np.ones_like(laid)
    border[1:-1, 1:-1] = False
    marks[laid & (border | ~free)] = 1
    marks[wanted & ~laid] = 2
    marks[~laid & ~wanted] = -1
    if not (marks == 1).any():
        return ~laid
    return watershed_ift(height, marks) == 2
