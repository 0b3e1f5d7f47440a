"""Charts as pictures for people: each part in its colour, shaded by U and V, alone or over the photo."""

from __future__ import annotations

import cv2
import numpy as np

BACKGROUND = (24, 26, 33)
# One hue a limb; the person's left lighter and warmer than the right, backs darker than fronts.
COLOURS = {
    1: (44, 102, 140), 2: (74, 158, 196),  # torso back, front
    3: (226, 92, 98), 4: (246, 142, 120),  # hands right, left
    5: (240, 176, 84), 6: (212, 132, 62),  # feet left, right
    7: (58, 74, 150), 8: (92, 130, 192),  # upper legs, back half: right, left
    9: (88, 106, 206), 10: (128, 158, 236),  # front half
    11: (92, 58, 138), 12: (142, 96, 172),  # lower legs, back half: right, left
    13: (128, 92, 206), 14: (170, 138, 232),  # front half
    15: (98, 196, 160), 16: (60, 162, 132),  # upper arms, inner half: left, right
    17: (70, 172, 116), 18: (40, 130, 100),  # outer half
    19: (186, 208, 104), 20: (148, 176, 74),  # lower arms: left, right
    21: (166, 180, 62), 22: (120, 148, 50),
    23: (236, 196, 176), 24: (248, 212, 190),  # head right, left
}  # fmt: skip
PALETTE = np.array([BACKGROUND] + [COLOURS[i] for i in range(1, 25)], np.float32)


def colour_iuv(iuv: np.ndarray, background: tuple[int, int, int] = BACKGROUND) -> np.ndarray:
    """uint8 (H, W, 3) IUV (I 0..24, U and V 0..255) -> uint8 (H, W, 3) RGB.

    Brightness runs with U, tint with V, and thin lines mark every eighth of U and V, so that turning and
    sliding of the charts can be seen.
    """
    part = iuv[..., 0]
    u, v = iuv[..., 1].astype(np.float32) / 255, iuv[..., 2].astype(np.float32) / 255
    shade = 0.86 + 0.2 * u
    tint = (v - 0.5)[..., None] * np.array([20, 0, -20], np.float32)
    lines = 1 - 0.1 * np.maximum(_ridge(u * 8), _ridge(v * 8))
    colour = (PALETTE[part] + tint) * (shade * lines)[..., None]
    colour = np.clip(colour, 0, 255)
    colour[part == 0] = background
    return colour.astype(np.uint8)


def _ridge(x: np.ndarray) -> np.ndarray:
    """1 on whole numbers, falling to 0 within a quarter."""
    return np.clip(1 - 4 * np.abs(x - np.round(x)), 0, 1)


def enlarged(drawn: np.ndarray, width: int, height: int) -> np.ndarray:
    """Drawn charts, uint8 (h, w, 3), at another size: enlarged without the steps of their pixels."""
    if drawn.shape[0] >= height:
        return cv2.resize(drawn, (width, height), interpolation=cv2.INTER_AREA)
    large = cv2.resize(drawn, None, fx=3, fy=3, interpolation=cv2.INTER_NEAREST)
    return cv2.resize(cv2.medianBlur(large, 5), (width, height), interpolation=cv2.INTER_AREA)


def overlay(photo: np.ndarray, iuv: np.ndarray, strength: float = 0.55) -> np.ndarray:
    """The charts over a photo (h, w, 3) of the same aspect, drawn at the photo's size; strength 0..1."""
    height, width = photo.shape[:2]
    iuv = cv2.resize(iuv, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    alpha = strength * (iuv[..., :1] > 0)
    mixed = photo * (1 - alpha) + colour_iuv(iuv) * alpha
    return np.round(mixed).astype(np.uint8)
