"""Draws triangle meshes with a z-buffer in numpy, all triangles at once.

Knows nothing of bodies but for draw_iuv, which draws a figure's charts.
"""
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

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
        return self.mixing(faces, len(values)) @ values

    def mixing(self, faces: np.ndarray, count: int) -> csr_array:
        """(K, count): the weight of each of so many vertices at each hit; it takes values per vertex to the hits."""
        ends = np.arange(0, 3 * len(self.pixel) + 1, 3)
        return csr_array((self.barycentric.ravel(), faces[self.face].ravel(), ends), (len(self.pixel), count))


def raster(points: np.ndarray, faces: np.ndarray, width: int, height: int) -> Hits:
    """Nearest triangle at every covered pixel centre (x + 0.5, y + 0.5).

    points (N, 3): px x, px y, depth, smaller is nearer. faces (F, 3). Both sides of a triangle are drawn;
    triangles may leave the picture. A pixel is covered where all three edge functions agree in sign (Pineda,
    A parallel algorithm for polygon rasterization, 1988).
    """
    x, y, z = np.asarray(points, np.float32).T.copy()[:, faces.T]  # each (3, F)
    left, top = (np.ceil(at.min(0) - 0.5).clip(0).astype(np.int32) for at in (x, y))
    right, bottom = (
        np.floor(at.max(0) - 0.5).clip(-1, side - 1).astype(np.int32) for at, side in ((x, width), (y, height))
    )
    area = (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])
    shown = np.flatnonzero((right >= left) & (bottom >= top) & (np.abs(area) > 1e-9))
    left, top, right, bottom, area = (part[shown] for part in (left, top, right, bottom, area))
    x = x[:, shown] - (left.astype(np.float32) + 0.5)
    y = y[:, shown] - (top.astype(np.float32) + 0.5)
    # the first two corners' weights at the first pixel of a triangle's bounding box, and their steps along x and y
    weight_a, weight_b = (
        np.stack([x[i] * y[j] - y[i] * x[j], y[i] - y[j], x[j] - x[i]]) / area for i, j in ((1, 2), (2, 0))
    )
    # one entry for every row of every bounding box, then one for every pixel of these rows
    face, down = _counted(bottom - top + 1)
    row_start = (top[face] + down) * np.int32(width) + left[face]
    step = down.astype(np.float32)
    row_a, row_b = (start[face] + along_y[face] * step for start, _, along_y in (weight_a, weight_b))
    row, across = _counted((right - left + 1)[face])
    face, step = face[row], across.astype(np.float32)
    a = row_a[row] + weight_a[1][face] * step
    b = row_b[row] + weight_b[1][face] * step
    inside = np.flatnonzero(np.minimum(np.minimum(a, b), 1 - a - b) >= -1e-5)
    a, b, face, pixel = a[inside], b[inside], shown[face[inside]], row_start[row[inside]] + across[inside]
    depth = a * z[0][face] + b * z[1][face] + (1 - a - b) * z[2][face]
    least = np.full(width * height, np.inf, np.float32)
    np.minimum.at(least, pixel, depth)
    front = np.flatnonzero(depth == least[pixel])
    nearest = np.full(width * height, -1, np.int32)
    nearest[pixel[front]] = front
    pixel = np.flatnonzero(nearest >= 0)
    chosen = nearest[pixel]
    a, b = a[chosen], b[chosen]
    return Hits(pixel, face[chosen], np.stack([a, b, 1 - a - b], 1), depth[chosen])


def _counted(count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every index of count (K,) as often as it says there, and each one's number among its like; both int32."""
    index = np.repeat(np.arange(len(count), dtype=np.int32), count)
    first = np.cumsum(count, dtype=np.int32) - count
    return index, np.arange(len(index), dtype=np.int32) - first[index]


def areas(points: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,) twice the signed area of each face in the picture, positive where it turns clockwise."""
    x, y = points[:, :2].T.copy()[:, faces.T]
    return (x[1] - x[0]) * (y[2] - y[0]) - (y[1] - y[0]) * (x[2] - x[0])


def draw_iuv(figure: Figure, shape: np.ndarray, pose: Pose, camera: Camera) -> np.ndarray:
    """The charts of the body as the camera sees them: uint8 (H, W, 3), part I 0..24 and U, V 0..255."""
    return draw_charts(figure, pose_vertices(figure, shape, pose), camera)


def draw_charts(figure: Figure, vertices: np.ndarray, camera: Camera) -> np.ndarray:
    """The same of a body whose vertices (V, 3) are known, metres."""
    points = camera.with_depth(vertices)
    # the body is closed: what turns away from the camera is always behind something
    front = areas(points, figure.faces) < 0
    hits = raster(points, figure.faces[front], camera.width, camera.height)
    return paint_charts(hits, figure.part[front], figure.uv[front], camera.width, camera.height)


def paint_charts(hits: Hits, part: np.ndarray, uv: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 (H, W, 3) I, U, V of the hit faces; part (F,) and per-corner uv (F, 3, 2) 0..1."""
    out = np.zeros((height * width, 3), np.uint8)
    value = np.einsum("kc,kcv->kv", hits.barycentric, uv[hits.face])
    out[hits.pixel, 0] = part[hits.face]
    out[hits.pixel, 1:] = np.clip(value * 255 + 0.5, 0, 255)
    return out.reshape(height, width, 3)
