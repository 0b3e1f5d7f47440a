"""What a refiner is compared with: true frames, moved onto the carried pictures, before other backgrounds.

A fitted body is a few pixels off the true one. Compared with the true frame as it is, the safest answer to that is a
blurred outline and a blurred print; compared with the true frame moved by those few pixels, it is a sharp one.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter

MOST = 7.0  # pixels that a true frame is moved
SMOOTH = 2.5  # pixels: the movement varies slowly, so that it cannot undo what is wrong in the carried picture
OUTLINE = 120  # levels by which the person stands out where the flow is searched


def move_onto(
    carried: np.ndarray, alpha: np.ndarray, true: np.ndarray, mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The true picture, uint8 (H, W, 3), and its mask, uint8 (H, W), moved onto the carried ones.

    Along a smooth optical flow (Kroeger et al. 2016) of brightness and outline; alpha: the carried person's mask.
    """
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(_seen(carried, alpha), _seen(true, mask), None)
    size = np.linalg.norm(flow, axis=-1, keepdims=True)
    flow = cv2.GaussianBlur(flow * np.minimum(1, MOST / np.maximum(size, 1e-6)), (0, 0), SMOOTH)
    height, width = alpha.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    where = x + flow[..., 0], y + flow[..., 1]
    return (
        cv2.remap(true, *where, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
        cv2.remap(mask, *where, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
    )


def background_of(pictures: np.ndarray, alphas: np.ndarray) -> np.ndarray:
    """One subject's background, float32 (H, W, 3): the mean of pictures (T, H, W, 3) where nobody is in them, alphas
    uint8 (T, H, W); beyond that what is near."""
    free = (alphas < 3)[..., None].astype(np.float32)
    total, count = (pictures * free).sum(0), free.sum(0)
    known = count[..., 0] > 0
    total = np.where(known[..., None], total / np.maximum(count, 1), 0)
    near = [gaussian_filter(plane, 12.0) for plane in np.moveaxis(total, -1, 0)]
    weight = gaussian_filter(known.astype(np.float32), 12.0)[..., None]
    filled = np.stack(near, -1) / np.maximum(weight, 1e-4)
    return np.where(known[..., None], total, filled).astype(np.float32)


def draw_background(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """A studio's, float32 (H, W, 3) in 0…255: white as often as not, or a colour that changes a little from top to
    bottom."""
    if rng.random() < 0.5:
        return np.full((height, width, 3), rng.uniform(246, 255), np.float32)
    colour = rng.uniform(40, 250) + rng.normal(0, 12, 3)
    slope = np.linspace(-1, 1, height)[:, None, None] * rng.normal(0, 15)
    return np.clip(np.broadcast_to(colour + slope, (height, width, 3)), 0, 255).astype(np.float32)


def exchange_background(picture: np.ndarray, alpha: np.ndarray, old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) with the old background exchanged for the new one, both float32, where alpha, uint8 (H, W), lets
    it through."""
    through = 1 - alpha[..., None].astype(np.float32) / 255
    return np.clip(picture + through * (new - old) + 0.5, 0, 255).astype(np.uint8)


def _seen(picture: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """uint8 (H, W): brightness, with the person brighter than anything else."""
    share = OUTLINE / 255
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    return cv2.addWeighted(grey, 1 - share, alpha, share, 0)
