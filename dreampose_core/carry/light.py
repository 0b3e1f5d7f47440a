"""The light of a photo, read from the shading of the person, so that what turns is lit as the photo is.

One light, wrapped about the body, and as much from everywhere: a surface with normal n (x to the right, y away from
the camera, z up) reflects 1 + max(0, n b + w |b|) / (1 + w) times its colour in linear light, where b points to the
light and is as long as that is strong. What is brighter or darker is taken for shading where the colour is the same:
skin is skin on either side, cloth is cloth. Works on the analysis grid.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.optimize import least_squares

from dreampose_core.carry.fill import distance, local_mean, smooth
from dreampose_core.carry.relief import Relief

_WRAP = 0.3  # w: how far the light reaches around
_USUAL = np.array([0.0, -0.6, 0.7])  # b where nothing is known: from the front and from above
_SPREAD = 0.6  # of b about that
_STRONGEST = 2.5  # |b|
_ALIKE = 100  # neighbouring pixels that are wrong together: folds and prints
_CHROMA = 10  # of Lab's a and b: how far the hues of one cloth lie apart
_STEP, _NEAR = 0.5, 0.45  # of log brightness: what between neighbours, and what between parts, is no shading
_LEAST = 40  # pixels of a colour that tell of light
_CLIPPED = 4, 251  # levels at and beyond which a photo tells nothing
_DARK = 1e-3  # of white: darker tells little
_GAMMA = 2.2
_RIM = 6.0  # pixels from the outline in which front and back turn into each other
_SOFT = 2.0  # pixels over which normals are averaged


def normals(relief: Relief, where: np.ndarray, outline: np.ndarray, scale: float) -> np.ndarray:
    """(2,h,w,3) f32: outward unit normals of a layer's front and back where it is (h,w) bool; they meet at the outline,
    that of the mask (h,w) bool. scale: pixels a metre."""
    out = []
    for depth, outward in ((relief.front, -1), (relief.back, 1)):
        down, right = np.gradient(depth * np.float32(scale))
        steep = np.stack([-right, np.ones_like(depth), down], -1) * outward
        out.append(local_mean(_unit(steep).astype(np.float32), where, _SOFT))
    front, back = _unit(np.stack(out))
    # steps of a pixel are too coarse for how steep a rounded surface gets there
    rim = (1 - smooth(distance(~outline), 0.5, _RIM))[..., None] / 2
    return _unit(np.stack([front + rim * (back - front), back + rim * (front - back)]))


def brightness(normal: np.ndarray, light: np.ndarray) -> np.ndarray:
    """(...,) f32, 1 and more: by how much colours as pictures have them are brighter for the light b (3,) on surfaces
    with normals (...,3), which need not be of length 1."""
    strength = float(np.linalg.norm(light))
    lit = np.maximum(_unit(normal) @ light + _WRAP * strength, 0) / (1 + _WRAP)
    return ((1 + lit) ** (1 / _GAMMA)).astype(np.float32)


def read_light(colours: np.ndarray, where: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(3,) f64, b: the likeliest light of a photo with colours (h,w,3) uint8, of those pixels (h,w) bool whose normals
    (h,w,3) are known. The usual one where nothing can be told."""
    where = where & (colours.max(-1) < _CLIPPED[1]) & (colours.max(-1) > _CLIPPED[0])
    colours = cv2.GaussianBlur(colours.astype(np.float32) / 255, (0, 0), 1.0)
    bright = np.log((colours**_GAMMA).mean(-1) + _DARK)
    kind = _cloths(colours, bright, where)
    told = kind >= 0
    if not told.any():
        return _USUAL.copy()
    _, kind, count = np.unique(kind[told], return_inverse=True, return_counts=True)
    bright, facing = bright[told], normal[told]
    spread = np.sqrt(np.bincount(kind, (bright - (np.bincount(kind, bright) / count)[kind]) ** 2) / count) + 0.1
    sure = 1 / (spread[kind] * np.sqrt(_ALIKE))

    def errors(light: np.ndarray) -> np.ndarray:
        left = bright - _GAMMA * np.log(brightness(facing, light))
        left -= (np.bincount(kind, left) / count)[kind]
        return np.append(left * sure, (light - _USUAL) / _SPREAD)

    light = least_squares(errors, _USUAL, x_scale=_SPREAD, diff_step=1e-3).x
    return light * min(1, _STRONGEST / max(float(np.linalg.norm(light)), 1e-9))


def _cloths(colours: np.ndarray, bright: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(h,w) int: which of the person's colours each pixel (h,w) bool has, -1 for none that is seen enough of.

    Light changes slowly over a surface. What has a step at its border is another cloth, unless it is nearly as bright
    and of the same hue: skin on either side of a coat.
    """
    square = np.ones((3, 3), np.uint8)
    even = where & (cv2.dilate(bright, square) - cv2.erode(bright, square) < _STEP)
    hues = np.floor(cv2.cvtColor(colours, cv2.COLOR_RGB2LAB)[..., 1:] / _CHROMA).astype(int)
    out, kinds = np.full(where.shape, -1), 0
    for hue in np.unique(hues[even], axis=0):
        mine = even & (hues == hue).all(-1)
        count, part, stats, _ = cv2.connectedComponentsWithStats(mine.astype(np.uint8), connectivity=4)
        large = [i for i in range(1, count) if stats[i, cv2.CC_STAT_AREA] >= _LEAST]
        levels = np.array([np.median(bright[part == i]) for i in large])
        order = np.argsort(levels)
        for step, i in enumerate(order):
            kinds += step == 0 or levels[i] - levels[order[step - 1]] > _NEAR
            out[part == large[i]] = kinds
    return out


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9)
