"""From DensePose charts back to the body: which point of the figure's skin a part, U and V name.

Knows nothing of poses, cameras or fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import distance_transform_edt

from pose_tools.body.figure import load_figure
from pose_tools.body.raster import raster

TILE = 128  # places a side of a part's chart
PARTS = 24


@dataclass(frozen=True)
class Skin:
    """Points of the figure's skin. N points.

    corners (N, 3) int: vertices of the face that each lies on; shares (N, 3) f64: their weights; bone (N,) int:
    the one that carries most of it; normal (N, 3) f64: outward at rest in the template, unit length.
    """

    corners: np.ndarray
    shares: np.ndarray
    bone: np.ndarray
    normal: np.ndarray

    def mix(self, values: np.ndarray) -> np.ndarray:
        """Values (V, ...) of the vertices, at the points: (N, ...) float64."""
        at = values[self.corners]
        return np.einsum("nc,nc...->n...", self.shares, at, dtype=float)


def find_skin(iuv: np.ndarray) -> Skin:
    """The skin that charts (N, 3) uint8 name: I 1..24, U and V 0..255.

    Where no face has just this U and V, the nearest of the part is taken; where two have, the outer one.
    """
    faces, shares = _atlas()
    part = iuv[:, 0].astype(int) - 1
    column, row = (iuv[:, k].astype(int) * (TILE - 1) // 255 for k in (1, 2))
    face = faces[part, row, column]
    figure = load_figure()
    bone, normal = _faces()
    return Skin(figure.faces[face], shares[part, row, column].astype(float), bone[face], normal[face])


@lru_cache(maxsize=1)
def _faces() -> tuple[np.ndarray, np.ndarray]:
    """Strongest bone (F,) and outward normal (F, 3) of each face at rest."""
    figure = load_figure()
    corners = figure.template[figure.faces].astype(float)
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    return figure.weights[figure.faces].sum(1).argmax(1), normal / np.maximum(length, 1e-12)


@lru_cache(maxsize=1)
def _atlas() -> tuple[np.ndarray, np.ndarray]:
    """Face (24, TILE, TILE) and its corners' weights (24, TILE, TILE, 3) at every place (part, V, U)."""
    figure = load_figure()
    middle = np.stack([figure.template[figure.faces[figure.part == p]].mean((0, 1)) for p in range(1, PARTS + 1)])
    tile = figure.part.astype(int) - 1
    out = np.linalg.norm(figure.template[figure.faces] - middle[tile][:, None], axis=2)
    column = tile[:, None] * TILE + figure.uv[..., 0] * (TILE - 1) + 0.5
    # a face across a tile's edge would paint on its neighbour; charts end half a place before it
    points = np.stack([column, figure.uv[..., 1] * (TILE - 1) + 0.5, -out], -1).reshape(-1, 3)
    hits = raster(points, np.arange(len(points)).reshape(-1, 3), PARTS * TILE, TILE)
    faces, shares = np.full(TILE * PARTS * TILE, -1, np.int32), np.zeros((TILE * PARTS * TILE, 3), np.float32)
    faces[hits.pixel], shares[hits.pixel] = hits.face, np.clip(hits.barycentric, 0, 1)
    faces = faces.reshape(TILE, PARTS, TILE).transpose(1, 0, 2)
    shares = shares.reshape(TILE, PARTS, TILE, 3).transpose(1, 0, 2, 3)
    filled = [distance_transform_edt(tile < 0, return_distances=False, return_indices=True) for tile in faces]
    faces = np.stack([tile[tuple(at)] for tile, at in zip(faces, filled, strict=True)])
    shares = np.stack([tile[tuple(at)] for tile, at in zip(shares, filled, strict=True)])
    shares /= shares.sum(-1, keepdims=True)
    return faces, shares
