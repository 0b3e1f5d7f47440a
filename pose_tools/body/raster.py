"""Draws triangle meshes with a z-buffer in numpy, all triangles at once.

Knows nothing of bodies but for draw_iuv, which draws a figure's charts.
"""
from typing import NamedTuple

import numpy as np

from pose_tools.body.camera import Camera
from pose_tools.body.figure import Figure, Pose, pose_vertices


class Hits(NamedTuple):
    """The pixels that a mesh covers, each with the nearest triangle there; pixels in rising order."""

    pixel: np.ndarray        # (K,) int64, y * width + x
    face: np.ndarray         # (K,) int64
    barycentric: np.ndarray  # (K, 3) f32, weights of the face's corners at the pixel centre
    depth: np.ndarray        # (K,) f32

    def take(self, faces: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Values (N, C) given per vertex, interpolated at the hits: (K, C)."""
        return np.einsum("kc,kcv->kv", self.barycentric, values[faces[self.face]])


def raster(points: np.ndarray, faces: np.ndarray, width: int, height: int) -> Hits:
    """Nearest triangle at every covered pixel centre (x + 0.5, y + 0.5).

    points (N, 3): px x, px y, depth, smaller is nearer. faces (F, 3). Both sides of a triangle are drawn;
    triangles may leave the picture. A pixel is covered where all three edge functions agree in sign (Pineda,
    A parallel algorithm for polygon rasterization, 1988).
    """
    corners = np.asarray(points, np.float32)[faces]
    a, b, c = (np.ascontiguousarray(corners[:, i, :2]) for i in range(3))
    # a reduction over three corners is much slower than these
    low = np.ceil(np.minimum(np.minimum(a, b), c) - 0.5).clip(0).astype(np.int32)
    high = np.floor(np.maximum(np.maximum(a, b), c) - 0.5).clip(-1, [width - 1, height - 1]).astype(np.int32)
    size = high - low + 1
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    shown = np.flatnonzero((size > 0).all(1) & (np.abs(area) > 1e-9))
    # one row for every pixel in the bounding box of every triangle
    wide = size[shown, 0]
    count = wide * size[shown, 1]
    row = np.repeat(np.arange(len(shown)), count)
    step = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    face = shown[row]
    down, across = np.divmod(step, wide[row])
    x = low[face, 0] + across
    y = low[face, 1] + down
    qx, qy = x + np.float32(0.5), y + np.float32(0.5)
    fa, fb, fc = a[face], b[face], c[face]
    inverse = 1 / area[face]
    wa = ((fb[:, 0] - qx) * (fc[:, 1] - qy) - (fb[:, 1] - qy) * (fc[:, 0] - qx)) * inverse
    wb = ((fc[:, 0] - qx) * (fa[:, 1] - qy) - (fc[:, 1] - qy) * (fa[:, 0] - qx)) * inverse
    wc = 1 - wa - wb
    inside = np.flatnonzero((wa >= -1e-5) & (wb >= -1e-5) & (wc >= -1e-5))
    weights = np.stack([wa[inside], wb[inside], wc[inside]], 1)
    face = face[inside]
    depth = np.einsum("kc,kc->k", weights, corners[face, :, 2])
    pixel = y[inside].astype(np.int64) * width + x[inside]
    least = np.full(width * height, np.inf, depth.dtype)
    np.minimum.at(least, pixel, depth)
    front = np.flatnonzero(depth == least[pixel])
    nearest = np.full(width * height, -1, np.int64)
    nearest[pixel[front]] = front
    pixel = np.flatnonzero(nearest >= 0)
    chosen = nearest[pixel]
    return Hits(pixel, face[chosen], weights[chosen], depth[chosen])


def draw_iuv(figure: Figure, shape: np.ndarray, pose: Pose, camera: Camera) -> np.ndarray:
    """The charts of the body as the camera sees them: uint8 (H, W, 3), part I 0..24 and U, V 0..255."""
    points = camera.with_depth(pose_vertices(figure, shape, pose))
    hits = raster(points, figure.faces, camera.width, camera.height)
    return paint_charts(hits, figure.part, figure.uv, camera.width, camera.height)


def paint_charts(hits: Hits, part: np.ndarray, uv: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 (H, W, 3) I, U, V of the hit faces; part (F,) and per-corner uv (F, 3, 2) 0..1."""
    out = np.zeros((height * width, 3), np.uint8)
    value = np.einsum("kc,kcv->kv", hits.barycentric, uv[hits.face])
    out[hits.pixel, 0] = part[hits.face]
    out[hits.pixel, 1:] = np.clip(value * 255 + 0.5, 0, 255)
    return out.reshape(height, width, 3)
