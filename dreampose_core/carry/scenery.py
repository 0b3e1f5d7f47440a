"""What is behind a person where the backdrop is not plain: a room, a street, a garden.

First each row from both its sides up to a seam, at which a door may end or a house begin; then, from coarse to fine,
every patch from those elsewhere in the picture that are most like it (Wexler, Shechtman and Irani, Space-time
completion of video, PAMI 2007).
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.spatial import cKDTree

from dreampose_core.carry.fill import distance, smooth_fill

_PIXELS = (64 * 80, 128 * 160)  # of the pictures that are worked on one after the other
_ROUNDS = (5, 3)  # of search at each, with a vote between two
_BESIDE = 6  # pixels beside the person from which a row's colour comes
_ALIKE = 22  # levels by which the two sides of one wall may differ
_BEND, _BENT = 60, 6  # levels that a seam costs for each pixel aside, and pixels from which on it may go anywhere
_EDGE = 120  # levels, of three channels: a step from row to row that is as sure as any larger one
_PATCH = 3  # pixels from a patch's middle to its border
_ABOUT = np.mgrid[-_PATCH : _PATCH + 1, -_PATCH : _PATCH + 1].reshape(2, -1).T  # its pixels
_AXES = 16  # principal components by which patches are compared
_BELOW, _ASIDE = 105, 32  # levels of a patch for the picture's height below or beside: floors stay down, walls upright
_LEAST = 50  # patches to choose from
_INWARD = 8  # pixels over which what is near the border is surer


def complete_scene(photo: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(H,W,3) f32: photo (H,W,3) uint8 with what is not known (H,W) bool filled in; something must be known."""
    sources = None
    for pixels, rounds in zip(_PIXELS, _ROUNDS, strict=True):
        image, there = _reduced(photo, known, pixels)
        filled = _up_to_seam(image, there) if sources is None else _taken(image, there, sources, 1)
        found = _like_patches(filled, there, rounds)
        if found is None:
            break
        sources = found
    if sources is None:
        guess = cv2.resize(filled, known.shape[::-1], interpolation=cv2.INTER_LINEAR)
        return np.where(known[..., None], photo, guess).astype(np.float32)
    return _taken(photo.astype(np.float32), known, sources, 2)


def _reduced(photo: np.ndarray, known: np.ndarray, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Photo (h,w,3) f32 of about so many pixels, its unknown ones filled smoothly, and which are known (h,w) bool."""
    times = np.sqrt(pixels / known.size)
    size = tuple(max(4 * _PATCH, round(side * times)) for side in known.shape[::-1])
    share = cv2.resize(known.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    image = cv2.resize(photo * known[..., None].astype(np.float32), size, interpolation=cv2.INTER_AREA)
    there = share > (0.999 if share.max() > 0.999 else 0)
    return smooth_fill(image / np.maximum(share, 1e-3)[..., None], there), there


def _up_to_seam(image: np.ndarray, known: np.ndarray) -> np.ndarray:
    """image (h,w,3) f32 with what is not known filled from the left up to a seam, and from the right beyond it.

    Of all seams the one is taken with which the rows change least from each to the next, by dynamic programming.
    """
    out = image.copy()
    rows = np.flatnonzero((~known).any(1) & known.any(1))
    ways = [_ways(image[y], known[y]) for y in rows]
    columns = np.arange(known.shape[1] + 1)
    bend = _BEND * np.minimum(np.abs(columns[:, None] - columns), _BENT)
    came: list[np.ndarray] = []
    cost = np.zeros(len(columns))
    for at, y in enumerate(rows):
        if at and rows[at - 1] == y - 1:
            total = cost[:, None] + bend + np.stack([_steps(ways[at], one) for one in ways[at - 1]])
            came.append(total.argmin(0))
            cost = total.min(0)
        else:
            came.append(np.full(len(columns), cost.argmin()))
            cost = cost.min() + (_steps(ways[at], image[y - 1]) if y else np.zeros(len(columns)))
        if y + 1 < len(known) and known[y + 1].all():
            cost = cost + _steps(ways[at], image[y + 1])
    seam = int(cost.argmin())
    for at in reversed(range(len(rows))):
        out[rows[at]] = ways[at][seam]
        seam = came[at][seam]
    return out


def _ways(row: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(w+1,w,3) f32: a row (w,3) with each seam; one wall goes on across, whatever the seam."""
    width = len(row)
    first, last = np.flatnonzero(~known)[[0, -1]]
    sides = [
        np.median(row[part][known[part]], 0) if known[part].any() else None
        for part in (slice(max(0, first - _BESIDE), first), slice(last + 1, last + 1 + _BESIDE))
    ]
    left, right = (side if side is not None else other for side, other in zip(sides, sides[::-1], strict=True))
    if left is None:
        return np.tile(row, (width + 1, 1, 1))
    x = np.arange(width)
    if np.linalg.norm(left - right) < _ALIKE:
        share = np.clip((x - first + 1) / (last - first + 2), 0, 1)[:, None]
        out = np.tile(left * (1 - share) + right * share, (width + 1, 1, 1))
    else:
        out = np.where((x < np.arange(width + 1)[:, None])[..., None], left, right)
    out[:, known] = row[known]
    return out.astype(np.float32)


def _steps(ways: np.ndarray, row: np.ndarray) -> np.ndarray:
    """(w+1,): how far each of the ways (w+1,w,3) differs from the row (w,3) next to it."""
    return np.minimum(np.abs(ways - row).sum(-1), _EDGE).sum(-1)


def _like_patches(image: np.ndarray, known: np.ndarray, rounds: int) -> np.ndarray | None:
    """(h,w,2): for each pixel, y and x of the middle of the known patch that is most like what is there in image
    (h,w,3) f32, in which what is not known is made of these from round to round; None where there are too few."""
    height, width = known.shape
    whole = cv2.erode(known.astype(np.uint8), np.ones((2 * _PATCH + 1,) * 2), borderType=cv2.BORDER_REPLICATE) > 0
    wanted = ~whole
    choice, places = np.argwhere(whole), np.argwhere(wanted)
    if len(choice) < _LEAST:
        return None
    lie = np.array([_BELOW, _ASIDE]) / height
    patches = _patches(image, choice)
    mean = patches.mean(0)
    apart = patches - mean
    axes = np.linalg.eigh(apart.T.astype(np.float64) @ apart)[1][:, -_AXES:]
    tree = cKDTree(np.concatenate([apart @ axes, choice * lie], 1))
    surer = np.exp(-distance(known)[wanted] / _INWARD)

    def most_like(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return tree.query(np.concatenate([(_patches(image, places) - mean) @ axes, places * lie], 1), eps=0.5)

    far, nearest = most_like(image)
    for _ in range(rounds - 1):
        usual = 2 * np.quantile(far, 0.75) ** 2 + 1e-6
        image = _vote(image, ~known, places, choice[nearest], surer * np.exp(-(far**2) / usual), _PATCH)
        far, nearest = most_like(image)
    sources = np.stack(np.mgrid[:height, :width], -1)
    sources[wanted] = choice[nearest]
    return sources


def _patches(image: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(N,C) f32: the patches of image (h,w,3) f32 about the pixels at (N,2), in Lab."""
    lab = cv2.cvtColor(np.clip(image / np.float32(255), 0, 1), cv2.COLOR_RGB2LAB)
    padded = np.pad(lab, ((_PATCH, _PATCH), (_PATCH, _PATCH), (0, 0)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * _PATCH + 1,) * 2, (0, 1))
    return windows[at[:, 0], at[:, 1]].reshape(len(at), -1)


def _vote(
    image: np.ndarray, hole: np.ndarray, to: np.ndarray, origin: np.ndarray, weight: np.ndarray, reach: int
) -> np.ndarray:
    """image (h,w,3) f32, in the hole (h,w) bool the weighted mean of the patches that are brought to the pixels `to`
    (N,2) from those at origin (N,2), so many pixels about each."""
    size = np.array(hole.shape)
    total = np.zeros((hole.size, 4))
    for shift in _ABOUT[np.abs(_ABOUT).max(1) <= reach]:
        there, here = to + shift, origin + shift
        fits = ((there >= 0) & (there < size) & (here >= 0) & (here < size)).all(1)
        fits[fits] = hole[tuple(there[fits].T)]
        pixel = np.ravel_multi_index(there[fits].T, hole.shape)
        share = weight[fits]
        for channel, values in enumerate((*image[tuple(here[fits].T)].T, 1)):
            total[:, channel] += np.bincount(pixel, share * values, hole.size)
    out = image.copy()
    told = hole & (total[:, 3] > 1e-9).reshape(hole.shape)
    out[told] = (total[:, :3] / np.maximum(total[:, 3:], 1e-9)).reshape(image.shape)[told]
    return out


def _taken(image: np.ndarray, known: np.ndarray, sources: np.ndarray, reach: int) -> np.ndarray:
    """image (H,W,3) f32 with what is not known taken from where a smaller picture took it, sources (h,w,2), mixed over
    so many pixels."""
    size, small = np.array(known.shape), np.array(sources.shape[:2])
    to = np.argwhere(~known)
    at = np.minimum((to * small / size).astype(int), small - 1)
    origin = np.clip(np.rint(to + (sources[tuple(at.T)] - at) * size / small), 0, size - 1).astype(int)
    return _vote(image, ~known, to, origin, known[tuple(origin.T)] + 1e-6, reach)
