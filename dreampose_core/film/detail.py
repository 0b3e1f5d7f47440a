"""A frame at a multiple of the model's size: the photo's own detail laid over what the model made.

The carried picture of a finer photo has what is smaller than the model's pixels (eyes, weave, seams, the teeth of a
comb); the frame, enlarged, has all that is larger. So the frame keeps its own picture, and takes from the carried one
what is lost when that is made as small as the frame (a Laplacian pyramid's finest level, Burt and Adelson 1983),
wherever the two show the same thing. Where the model mended the carried picture, its detail would be of another thing.
"""

from __future__ import annotations

import cv2
import numpy as np

from dreampose_core.carry import Carried

APART = 0.05  # of the range: a frame that differs so much from the carried picture takes 1/e of its detail


def lay_detail(frame: np.ndarray, carried: Carried) -> np.ndarray:
    """A frame uint8 (h, w, 3) with the detail of the carried picture (H, W, 3), uint8 (H, W, 3); H and W are multiples
    of h and w."""
    height, width = frame.shape[:2]
    fine = carried.picture.shape[1], carried.picture.shape[0]
    small = cv2.resize(carried.picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32)
    made = frame.astype(np.float32)
    apart = cv2.GaussianBlur(np.maximum.reduce(cv2.split(np.abs(made - small))), (0, 0), 1) / 255
    same = cv2.resize(np.exp(-((apart / APART) ** 2)), fine, interpolation=cv2.INTER_LINEAR)
    laid = carried.picture - cv2.resize(small, fine, interpolation=cv2.INTER_CUBIC)
    laid *= cv2.merge([same] * 3)  # numpy takes much longer for one value a pixel
    laid += cv2.resize(made, fine, interpolation=cv2.INTER_CUBIC)
    return np.clip(laid + 0.5, 0, 255).astype(np.uint8)
