"""Masks and what lies about them; and fills of unknown pixels: smooth (pull-push), nearest (bleed) and textured
(mirrored at the border)."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt

# of a picture (H,W): each pixel and the next one in its row, each and the next one in its column
NEIGHBOURS = (
    ((slice(None), slice(None, -1)), (slice(None), slice(1, None))),
    ((slice(None, -1), slice(None)), (slice(1, None), slice(None))),
)


def disc(radius: float) -> np.ndarray:
    """A round structuring element of that radius in pixels."""
    size = 2 * max(0, int(round(radius))) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))


def grow(mask: np.ndarray, radius: float) -> np.ndarray:
    """The bool mask dilated by a disc."""
    return cv2.dilate(mask.astype(np.uint8), disc(radius)) > 0


def shrink(mask: np.ndarray, radius: float) -> np.ndarray:
    """The bool mask eroded by a disc; what lies beyond the picture counts as inside."""
    return cv2.erode(mask.astype(np.uint8), disc(radius)) > 0


def bounds(mask: np.ndarray, margin: float = 0) -> tuple[slice, slice]:
    """Rows and columns of the True pixels of the bool mask (H,W), with a margin; the first ones where there is none."""
    sides = [np.flatnonzero(mask.any(axis)) for axis in (1, 0)]
    if not len(sides[0]):
        return slice(0, 1), slice(0, 1)
    rows, columns = (slice(max(0, at[0] - int(margin)), at[-1] + int(margin) + 1) for at in sides)
    return rows, columns


def distance(mask: np.ndarray) -> np.ndarray:
    """(H,W) f32: pixels from each pixel to the nearest True of the bool mask; large where there is none."""
    if not mask.any():
        return np.full(mask.shape, 1e4, np.float32)
    away = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # OpenCV's last bit depends on its threads and on where the memory lies; the squares are whole numbers
    return np.sqrt(np.rint(away * away))


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """(H,W) f32: distance to the mask's outline in pixels, negative inside."""
    return distance(mask) - distance(~mask)


def touching(mask: np.ndarray, start: np.ndarray, neighbours: int = 4) -> np.ndarray:
    """(H,W) bool: the connected parts of the mask that have a pixel of `start`; neighbours: of a pixel, 4 or 8."""
    _, part = cv2.connectedComponents(mask.astype(np.uint8), connectivity=neighbours)
    return mask & np.isin(part, np.unique(part[mask & start]))


def between(mask: np.ndarray) -> np.ndarray:
    """(H,W) bool: from the first to the last of each row's pixels of the bool mask (H,W)."""
    return np.maximum.accumulate(mask, 1) & np.maximum.accumulate(mask[:, ::-1], 1)[:, ::-1]


def smooth(value: np.ndarray | float, low: np.ndarray | float = 0, high: np.ndarray | float = 1) -> np.ndarray:
    """0 up to low, 1 from high on, and level at both (smoothstep)."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def local_mean(values: np.ndarray, weight: np.ndarray, sigma: float) -> np.ndarray:
    """(H,W,C) f32: the mean about each pixel of values (H,W,C) with weight (H,W), bool or f32; 0 far from all of it."""
    weight = weight.astype(np.float32)
    near = np.maximum(cv2.GaussianBlur(weight, (0, 0), sigma), 1e-3)[..., None]
    return cv2.GaussianBlur(values * weight[..., None], (0, 0), sigma).reshape(values.shape) / near


def nearest(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel the (row, column) of the nearest known one."""
    _, (rows, columns) = distance_transform_edt(~known, return_indices=True)
    return rows, columns


def bleed(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """values (H,W,...) with every unknown pixel taken from the nearest known one."""
    return values[nearest(known)] if known.any() else values.copy()


def smooth_fill(values: np.ndarray, known: np.ndarray, rounds: int = 30) -> np.ndarray:
    """values (H,W) or (H,W,C) f32 with unknown pixels filled smoothly; known ones stay.

    Pull-push (Gortler et al., The Lumigraph, 1996): known pixels are averaged down a pyramid, and holes filled
    from the coarser level; some rounds of a 3x3 mean then take the steps of the pyramid out of the filled part.
    """
    flat = values.ndim == 2
    values = np.atleast_3d(values).astype(np.float32)
    weight = known.astype(np.float32)
    levels = [(values * weight[..., None], weight)]
    while min(levels[-1][1].shape) > 2:
        colour, weight = levels[-1]
        size = ((weight.shape[1] + 1) // 2, (weight.shape[0] + 1) // 2)
        colour, weight = (
            _resize(colour, size, cv2.INTER_AREA),
            cv2.resize(weight, size, interpolation=cv2.INTER_AREA),
        )
        gain = np.minimum(4 * weight, 1) / (weight + 1e-9)
        levels.append((colour * gain[..., None], weight * gain))
    colour, weight = levels[-1]
    mean = colour.sum((0, 1)) / (weight.sum() + 1e-9)
    filled = colour + (1 - weight[..., None]) * mean
    for colour, weight in levels[-2::-1]:
        filled = colour + (1 - weight[..., None]) * _resize(filled, weight.shape[::-1], cv2.INTER_LINEAR)
    keep = np.repeat(known[..., None], values.shape[2], 2)  # numpy copies much faster by a mask of the same shape
    for size in (9, 5, 3):
        for _ in range(rounds // 3):
            filled = _blur(filled, size)
            np.copyto(filled, values, where=keep)
    return filled[..., 0] if flat else filled


def mirror_fill(image: np.ndarray, known: np.ndarray, reach: float) -> np.ndarray:
    """image (H,W,3) with unknown pixels taken from the known side, mirrored at the border, so texture goes on.

    A mirrored place that is itself unknown, or farther than reach pixels, falls back to the nearest known pixel.
    """
    if not known.any():
        return image.copy()
    height, width = known.shape
    # mirrored at the border's course rather than at single pixels, which would tear the texture into streaks
    row, column = nearest(known)
    own_row, own_column = np.mgrid[:height, :width].astype(np.float32)
    offset = np.stack([column - own_column, row - own_row], -1).astype(np.float32)
    soft = cv2.GaussianBlur(offset, (0, 0), 1.5)
    x, y = own_column + 2 * soft[..., 0], own_row + 2 * soft[..., 1]
    mirrored = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
    usable = cv2.remap(known.astype(np.float32), x, y, cv2.INTER_LINEAR) > 0.99
    usable &= np.hypot(offset[..., 0], offset[..., 1]) < reach
    usable |= known
    mirrored[known] = image[known]
    return bleed(mirrored, usable)


def _resize(image: np.ndarray, size: tuple[int, int], how: int) -> np.ndarray:
    # cv2 resizes at most four channels at once
    parts = [
        np.atleast_3d(cv2.resize(image[..., i : i + 4], size, interpolation=how))
        for i in range(0, image.shape[2], 4)
    ]
    return np.concatenate(parts, -1)


def _blur(image: np.ndarray, size: int) -> np.ndarray:
    return np.atleast_3d(cv2.blur(image, (size, size), borderType=cv2.BORDER_REPLICATE))
