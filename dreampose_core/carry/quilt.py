"""More of a texture than a photo shows: small pieces of it, laid so that they go on from what lies there already.

For hair, and for the little cloth and hair behind a neck; cloth/weave.py has the sides of garments.
"""

from __future__ import annotations

import cv2
import numpy as np

_PIECES = (25, 21, 17, 13, 11, 9, 7, 5)  # pixels along a side, the largest of which there are enough
_ENOUGH = 60
_MOST = 700  # pieces to choose from
_ALIKE = 1.15  # of the least difference: pieces that go on nearly as well as the best


def quilt(
    image: np.ndarray,
    known: np.ndarray,
    wanted: np.ndarray,
    source: np.ndarray,
    usable: np.ndarray,
    guide: np.ndarray | None = None,
) -> np.ndarray:
    """image (H,W,3) uint8 whose `wanted` pixels (H,W) bool are laid with pieces of source (h,w,3) uint8 that lie
    wholly in usable (h,w) bool, going on from the known pixels (H,W) bool.

    After Efros and Freeman, Image Quilting (2001): piece by piece along the border of what is there, each one of
    those that differ least where they overlap; overlaps pass over softly. guide (H,W,3): colours that pieces should
    have in the mean, and get by half. The same for equal input. Without any whole piece the image comes back as it is.
    """
    pieces, size = _pieces(source, usable)
    if not len(pieces) or not wanted.any():
        return image.copy()
    margin = size
    out = cv2.copyMakeBorder(image, *[margin] * 4, cv2.BORDER_REPLICATE).astype(np.float32)
    there, open_ = (np.pad(mask, margin) for mask in (known & ~wanted, wanted))
    aim = None if guide is None else cv2.copyMakeBorder(guide.astype(np.float32), *[margin] * 4, cv2.BORDER_REPLICATE)
    flat = pieces.reshape(len(pieces), -1)
    squares, means = flat**2, pieces.mean((1, 2))
    draw = np.random.default_rng(len(pieces))
    step = size - max(2, size // 4)
    inner = _towards_middle(size)
    for top, left in _order(there, open_, size, step):
        at = slice(top, top + size), slice(left, left + size)
        fresh = open_[at] & ~there[at]
        if not fresh.any():
            continue
        target, laid = out[at], there[at]
        mask = np.repeat(laid[..., None], 3, -1).ravel().astype(np.float32)
        cost = (squares @ mask - 2 * flat @ (mask * target.ravel())) / 3 + (mask * target.ravel() ** 2).sum() / 3
        middle = None if aim is None else aim[at].mean((0, 1))
        if middle is not None:
            cost = cost + 0.3 * size**2 * ((means - middle) ** 2).mean(1)
        good = np.flatnonzero(cost <= max(cost.min(), 0) * _ALIKE + 1)
        chosen = int(draw.choice(good))
        piece = pieces[chosen]
        if middle is not None:
            piece = piece + 0.5 * (middle - means[chosen])
        share = np.where(laid, np.where(open_[at], inner, 0), 1)[..., None]
        out[at] = np.where((fresh | laid)[..., None], target * (1 - share) + piece * share, target)
        there[at] |= fresh
    inside = slice(margin, -margin), slice(margin, -margin)
    return np.where(wanted[..., None], np.clip(out[inside] + 0.5, 0, 255), image).astype(np.uint8)


def largest_piece(usable: np.ndarray) -> int:
    """Pixels along a side of the pieces that quilt would take from the mask (h,w) bool; 0 for none."""
    return next((size for size in _PIECES if (_corners(usable, size)[0].size >= _ENOUGH)), 0)


def _corners(usable: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the corners of all squares of that size that lie in the mask."""
    if min(usable.shape) < size:
        return np.empty(0, int), np.empty(0, int)
    total = cv2.integral(usable.astype(np.uint8))
    whole = total[size:, size:] - total[:-size, size:] - total[size:, :-size] + total[:-size, :-size]
    return np.nonzero(whole == size * size)


def _pieces(source: np.ndarray, usable: np.ndarray) -> tuple[np.ndarray, int]:
    """(N,s,s,3) f32 pieces of the source and their mirror images, and s."""
    for size in _PIECES:
        rows, columns = _corners(usable, size)
        if len(rows) >= _ENOUGH or (size == _PIECES[-1] and len(rows)):
            every = slice(None, None, -(-2 * len(rows) // _MOST))
            cut = np.lib.stride_tricks.sliding_window_view(source, (size, size), (0, 1))
            found = cut[rows[every], columns[every]].transpose(0, 2, 3, 1).astype(np.float32)
            return np.concatenate([found, found[:, :, ::-1]]), size
    return np.empty((0, 1, 1, 3), np.float32), 1


def _order(there: np.ndarray, wanted: np.ndarray, size: int, step: int) -> list[tuple[int, int]]:
    """Corners of the pieces on a grid of that step, those nearest to what is there first, so that it goes on."""
    away = cv2.distanceTransform((~there).astype(np.uint8), cv2.DIST_L2, 5) if there.any() else None
    corners = []
    for top in range(0, wanted.shape[0] - size + 1, step):
        for left in range(0, wanted.shape[1] - size + 1, step):
            part = wanted[top : top + size, left : left + size]
            if part.any():
                near = 0.0 if away is None else float(away[top : top + size, left : left + size][part].min())
                corners.append((near, top, left))
    return [corner[1:] for corner in sorted(corners)]


def _towards_middle(size: int) -> np.ndarray:
    """(size,size) f32: 0 at a piece's border, 1 from the middle of an overlap on; between them it is short."""
    inside = np.minimum(np.arange(size), np.arange(size)[::-1]) + 0.5
    inside = np.clip((inside - size / 8) / 2 + 0.5, 0, 1)
    return np.minimum(inside[:, None], inside[None]).astype(np.float32)
