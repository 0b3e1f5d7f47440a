"""Charts of a clip steadied over time: lone flickers mended, short gaps filled, without smearing fast limbs.

Works on three neighbouring frames at a time, so that memory does not grow with a clip. Nothing here averages parts:
a pixel's part is always one that was seen there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

LONE = 0.004  # of the person's pixels: a patch that differs from both neighbours is a flicker up to this size
NEAR = 24  # levels of 255 within which U and V of neighbouring frames are of the same place


def steady_frame(before: np.ndarray, now: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The middle one of three frames of charts, uint8 (H, W, 3), steadied.

    Small patches whose part differs from what both neighbours agree on take the neighbours' charts; a limb that
    sweeps past is no small patch and stays. U and V become the median of the three where the part is the same and
    the values are near each other.
    """
    agreed = (before[..., 0] == after[..., 0]) & (now[..., 0] != before[..., 0])
    out = now.copy()
    lone = _small_patches(agreed, LONE * max((now[..., 0] > 0).sum(), 1))
    out[lone] = before[lone]
    same = (before[..., 0] == now[..., 0]) & (after[..., 0] == now[..., 0]) & (now[..., 0] > 0)
    three = np.stack([before[same, 1:], now[same, 1:], after[same, 1:]])
    near = np.ptp(three.astype(np.int16), axis=0) <= NEAR
    out[same, 1:] = np.where(near, np.median(three, axis=0).astype(np.uint8), three[1])
    return out


def _small_patches(mask: np.ndarray, most: float) -> np.ndarray:
    """The connected pieces of a bool mask (H, W) that have at most so many pixels."""
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    small = facts[:, cv2.CC_STAT_AREA] <= most
    small[0] = False
    return small[pieces] if count > 1 else np.zeros_like(mask)


def steady(iuv: np.ndarray, frames: Sequence[int]) -> Iterator[np.ndarray]:
    """The frames of charts, uint8 (T, H, W, 3), that are named, one by one and steadied.

    Each is made from its unsteadied neighbours in `frames`; the first and last stay as they are.
    """
    for k, now in enumerate(frames):
        if 0 < k < len(frames) - 1:
            yield steady_frame(iuv[frames[k - 1]], iuv[now], iuv[frames[k + 1]])
        else:
            yield np.array(iuv[now])


@dataclass(frozen=True, eq=False)
class Kept:
    """What is left of a clip in which the person is out of sight now and then.

    frames: int (T',), the clip's frames that are kept; shown: int (T',), for each of them the frame whose charts it
    shows, another one where a short gap is filled; filled, cut: the gaps as (first frame, frames).
    """

    frames: np.ndarray
    shown: np.ndarray
    filled: tuple[tuple[int, int], ...]
    cut: tuple[tuple[int, int], ...]


def keep_and_fill(seen: np.ndarray, longest: int) -> Kept:
    """Fill gaps of up to `longest` frames from their nearer side; cut longer ones and those at the ends.

    seen: bool (T,).
    """
    last = len(seen) - 1
    filled, cut, shown = [], [], np.where(seen, np.arange(len(seen)), -1)
    for first, length in _runs(~seen):
        after = first + length
        if first == 0 or after > last or length > longest:
            cut.append((first, length))
            continue
        filled.append((first, length))
        middle = first + (length + 1) // 2
        shown[first:middle], shown[middle:after] = first - 1, after
    frames = np.flatnonzero(shown >= 0)
    return Kept(frames, shown[frames], tuple(filled), tuple(cut))


def _runs(flags: np.ndarray) -> list[tuple[int, int]]:
    """Where a bool (T,) is set: (first, length) of each run."""
    edges = np.diff(np.concatenate([[0], flags.astype(int), [0]]))
    begins, ends = np.flatnonzero(edges > 0), np.flatnonzero(edges < 0)
    return [(int(a), int(b - a)) for a, b in zip(begins, ends, strict=True)]
