"""Hands and feet that are built, and not taken from the photo: how a sheet keeps what it knows of them, and how their
surfaces come into a picture: several samples a pixel, and of each the nearest surface."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import NamedTuple, Self

import numpy as np

from pose_tools.body.camera import Camera

SIDES = "LR"
_SAMPLES = 2  # along each axis of a pixel
_NUMBERS = {"bool": bool, "int": int, "float": float}


class Extremity:
    """A frozen dataclass about one hand or foot, of numbers and of arrays (3,), which a sheet keeps as a row."""

    def to_row(self) -> np.ndarray:
        """(C,) f32: the fields one after the other."""
        return np.concatenate([np.atleast_1d(getattr(self, f.name)) for f in fields(self)]).astype(np.float32)

    @classmethod
    def from_row(cls, row: np.ndarray) -> Self:
        """The inverse of to_row."""
        values, out = iter(row), []
        for field in fields(cls):
            number = _NUMBERS.get(field.type)
            out.append(number(next(values)) if number else np.array([next(values) for _ in range(3)]))
        return cls(*out)

    @classmethod
    def each(cls, table: np.ndarray) -> Iterator[tuple[str, Self]]:
        """Side and what is kept of it, of the rows (2,C) of a sheet."""
        return zip(SIDES, map(cls.from_row, table), strict=True)


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
