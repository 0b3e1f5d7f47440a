"""What every pose estimator answers, and what it is asked: one small protocol for all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import numpy as np

from pose_tools.errors import BadInput


class Unavailable(BadInput):
    """An estimator whose packages or weights are not here; the sentence says how to get them."""


@dataclass(frozen=True, eq=False)
class Found:
    """One person found in a frame of H x W pixels.

    iuv: uint8 (H, W, 3), the person's charts, zero elsewhere; confidence: 0..1; box: float (4,) x0, y0, x1, y1 in
    pixels.
    """

    iuv: np.ndarray
    confidence: float
    box: np.ndarray


def batches(frames: Iterable[np.ndarray], size: int) -> Iterator[list[np.ndarray]]:
    """Frames in lists of `size`, the last one maybe shorter."""
    frames = iter(frames)
    while batch := list(islice(frames, size)):
        yield batch


class Estimator(Protocol):
    """Finds people and their charts. name: as on the command line; batch: frames worth handing over at once."""

    name: str
    batch: int

    def find(self, frames: Sequence[np.ndarray]) -> list[list[Found]]:
        """RGB frames uint8 (H, W, 3) -> for each frame its people, the largest first."""
