"""What is kept of a person seen in one frame: landmarks of one or two looks, and the mask in bits.

A sighting is a few kilobytes, so that a whole clip of them can be weighed together once its frames are gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pose_tools.body.evidence import working_factor
from pose_tools.landmarks import Landmarks

BORDER = 14  # working pixels of the frame that are kept around the person
MOST_SIDE = 420  # working pixels: nobody is larger than this, and a mask that is stays small in memory


@dataclass(frozen=True, eq=False)
class Sighting:
    """A person in a frame of W x H pixels, seen in N looks (the picture as it is, the mirrored picture).

    points (N, 33, 2) px of the window; visibility (N, 33); world (N, 33, 3), all as in Landmarks; bits: the mask of
    the window, packed; window (h, w): its size in working pixels; origin (2,): where the frame has the window's
    corner; factor: window pixels a frame pixel.
    """

    points: np.ndarray
    visibility: np.ndarray
    world: np.ndarray
    bits: np.ndarray
    window: tuple[int, int]
    origin: np.ndarray
    factor: float

    @staticmethod
    def of(looks: Sequence[Landmarks]) -> Sighting:
        """From landmarks of the same frame; the mask is where the looks' mean is above a half."""
        mask = np.mean([look.mask for look in looks], 0, dtype=np.float32)
        height, width = mask.shape
        factor = working_factor(looks[0])
        points = np.stack([look.points for look in looks])
        seen = points[np.stack([look.visibility for look in looks]) > 0.3]
        rows, columns = (np.flatnonzero((mask > 0.5).any(axis)) for axis in (1, 0))
        places = [seen] + ([[[columns[0], rows[0]], [columns[-1], rows[-1]]]] if len(rows) else [])
        places = np.concatenate([np.reshape(place, (-1, 2)) for place in places] or [points[0]])
        border = BORDER / factor
        low = np.floor(np.clip(places.min(0) - border, 0, [width - 2, height - 2])).astype(int)
        high = np.ceil(np.clip(places.max(0) + border, low + 2, [width, height])).astype(int)
        factor = min(factor, MOST_SIDE / max(high - low))
        size = np.maximum(2, np.round((high - low) * factor)).astype(int)
        part = mask[low[1]:high[1], low[0]:high[0]]
        shrink = cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR
        inside = cv2.resize(part, tuple(int(v) for v in size), interpolation=shrink) > 0.5
        return Sighting(
            ((points - low) * factor).astype(np.float32),
            np.stack([look.visibility for look in looks]).astype(np.float32),
            np.stack([look.world for look in looks]).astype(np.float32),
            np.packbits(inside), (int(size[1]), int(size[0])), low, float(factor),
        )

    @property
    def mask(self) -> np.ndarray:
        """(h, w) bool, the person in the window."""
        height, width = self.window
        return np.unpackbits(self.bits, count=height * width).reshape(height, width).astype(bool)

    def to_frame(self, scale: float, x: float, y: float) -> tuple[float, float, float]:
        """A scale and a place of the window as those of the frame."""
        return scale / self.factor, x / self.factor + self.origin[0], y / self.factor + self.origin[1]

    def from_frame(self, scale: float, x: float, y: float) -> tuple[float, float, float]:
        """The inverse of to_frame."""
        return scale * self.factor, (x - self.origin[0]) * self.factor, (y - self.origin[1]) * self.factor
