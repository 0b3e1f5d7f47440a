"""Surfaces that are built, and not taken from the photo, on their way into a picture: several samples a pixel, and of
each the nearest surface."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pose_tools.body.camera import Camera

_SAMPLES = 2  # along each axis of a pixel


class Fragments(NamedTuple):
    """Pixels (K,) of a picture, colour (K,3), alpha, depth and visibility (K,) f32."""

    pixel: np.ndarray
    colour: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    visibility: np.ndarray


class Samples(NamedTuple):
    """Samples (K,) of a window, colour (K,3), alpha and depth (K,) f32."""

    sample: np.ndarray
    colour: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray


def window_about(at: np.ndarray, view: Camera) -> tuple[Camera | None, np.ndarray]:
    """The part of the view that shows the points (N,2), in samples, and its corner (x, y) in the view's pixels; None
    where the view shows none of them."""
    size = np.array([view.width, view.height])
    low = np.clip(np.floor(at.min(0)).astype(int), 0, size)
    high = np.clip(np.ceil(at.max(0)).astype(int) + 1, 0, size)
    if (high <= low).any():
        return None, low
    width, height = high - low
    part = Camera(view.scale, view.cx - low[0], view.cy - low[1], int(width), int(height))
    return part.scaled(_SAMPLES), low


def to_pixels(parts: list[Samples], window: Camera, corner: np.ndarray, width: int, seen: float) -> Fragments:
    """The surfaces' samples as pixels of a view so wide: of a pixel's samples the nearest each, and of those the mean.
    seen: the fragments' visibility."""
    sample, colour, alpha, depth = (np.concatenate(values) for values in zip(*parts, strict=True))
    order = np.lexsort((depth, sample))
    first = order[np.flatnonzero(np.diff(sample[order], prepend=-1))]
    y, x = np.divmod(sample[first], window.width)
    pixel, of = np.unique((y // _SAMPLES + corner[1]) * width + x // _SAMPLES + corner[0], return_inverse=True)
    weight = alpha[first].astype(np.float64)
    total = np.maximum(np.bincount(of, weight), 1e-6)
    *rgb, depth = (
        (np.bincount(of, weight * values[first]) / total).astype(np.float32) for values in (*colour.T, depth)
    )
    alpha = (np.bincount(of, weight) / _SAMPLES**2).astype(np.float32)
    return Fragments(pixel, np.stack(rgb, -1), alpha, depth, np.full(len(pixel), seen, np.float32))


def vertex_normals(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(N,3) unit normals of a closed surface's points (N,3), outward or inward."""
    a, b, c = (points[faces[:, i]] for i in range(3))
    flat = np.cross(b - a, c - a)
    out = np.zeros_like(points)
    for i in range(3):
        for axis in range(3):
            out[:, axis] += np.bincount(faces[:, i], flat[:, axis], len(points))
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
