"""Colours of a film matched to the photo: what the refiner dulls on cloth that it has not met is given back.

Where the photo saw the cloth well, the carried picture has its true colours. Over wide areas of the person the film
takes these; what is small (folds, edges, what was mended) stays as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from dreampose_core.carry import Carried

SEEN = (0.3, 0.9)  # visibility from which on colours count, and at which they count in full
WIDE = 0.05  # of the picture's height: standard deviation of the area that is compared
MOST = 0.15  # of the range: a colour is moved by at most so much
TRUST = 0.02  # where less of the area was seen than this, it counts for less and less


def match_colours(picture: np.ndarray, carried: Carried) -> np.ndarray:
    """A film's frame (H, W, 3), float in 0…1, with the carried picture's colours over wide areas of the person."""
    seen = np.clip((carried.visibility - SEEN[0]) / (SEEN[1] - SEEN[0]), 0, 1) * carried.alpha
    wrong = (carried.picture.astype(np.float32) / 255 - picture) * seen[..., None]
    # so wide a mean has nothing that every second pixel would not show
    height, width = seen.shape
    half = max(1, width // 2), max(1, height // 2)
    sigma = WIDE * half[1]
    small = (cv2.resize(plane, half, interpolation=cv2.INTER_AREA) for plane in (wrong, seen))
    wrong, seen = (cv2.GaussianBlur(plane, (0, 0), sigma) for plane in small)
    wide = cv2.resize(wrong / (seen[..., None] + TRUST), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.clip(picture + carried.alpha[..., None] * np.clip(wide, -MOST, MOST), 0, 1)
