"""The head unrolled about its axis: where its places lie in the texture that is painted for it.

The texture's columns go around the head at rest, from the back over its right ear (the left one in the picture), the
face and the left ear to the back again; its rows go down from the crown.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_tools.body.figure import BONES, load_figure

EAR_HEIGHT = 0.45  # of the way from the chin up to the crown
EDGE = 3  # texture columns that are repeated beyond the seam at the back
_FIELDS = ("height", "upper", "lower", "fall", "radius", "density")


@dataclass(frozen=True)
class Around:
    """How places of the head at rest, in metres, become places in the texture, in pixels.

    height: where the dome of the skull begins; upper and lower: depths of the axis there and `fall` further down;
    radius: distance from the axis at which the texture has `density` pixels a metre.
    """

    height: float
    upper: float
    lower: float
    fall: float
    radius: float
    density: float

    @property
    def width(self) -> int:
        """Columns of the texture, without those that are repeated beyond its seam."""
        return max(8, round(2 * np.pi * self.radius * self.density))

    def degrees(self) -> np.ndarray:
        """(w,) of the texture's columns: from the middle of the face, positive towards the left ear."""
        return ((np.arange(self.width) + 0.5) / self.width - 0.5) * 360

    def rho(self, points: np.ndarray) -> np.ndarray:
        """(K,) distances from the axis of points (K,3)."""
        return np.hypot(points[:, 0], points[:, 1] - self._axis(points[:, 2]))

    def angle(self, points: np.ndarray) -> np.ndarray:
        """(K,) radians from the middle of the face, positive towards the left ear."""
        return np.arctan2(points[:, 0], self._axis(points[:, 2]) - points[:, 1])

    def place(self, points: np.ndarray) -> np.ndarray:
        """(K,2) column and row of points (K,3) at rest."""
        up = points[:, 2] - self.height
        polar = np.arctan2(self.rho(points), np.maximum(up, 0))  # a quarter turn from the dome's foot downward
        column = (self.angle(points) / (2 * np.pi) + 0.5) * self.width + EDGE
        row = self.radius * polar + np.maximum(-up, 0)
        return np.stack([column, row * self.density], -1).astype(np.float32)

    def row(self, height: np.ndarray, rho: float) -> np.ndarray:
        """Rows of places at these heights (metres at rest) at a distance from the axis."""
        up = np.asarray(height) - self.height
        return (self.radius * np.arctan2(rho, np.maximum(up, 0)) + np.maximum(-up, 0)) * self.density

    def _axis(self, height: np.ndarray) -> np.ndarray:
        down = np.clip((self.height - height) / self.fall, 0, 1.5)
        return self.upper + (self.lower - self.upper) * down

    def to_array(self) -> np.ndarray:
        """(6,) f64."""
        return np.array([getattr(self, name) for name in _FIELDS])

    @classmethod
    def from_array(cls, values: np.ndarray) -> Around:
        """The inverse of to_array."""
        return cls(*map(float, values))


@dataclass(frozen=True)
class Skull:
    """Of the figure's head at rest: heights of chin and crown in metres, its vertices (V,3), and faces (F,3) of head
    and neck."""

    chin: float
    crown: float
    points: np.ndarray
    faces: np.ndarray

    def height(self, share: np.ndarray) -> np.ndarray:
        """Metres at rest of heights that are given from chin (0) to crown (1)."""
        return self.chin + (self.crown - self.chin) * np.asarray(share)


def measure_skull(shape: np.ndarray) -> Skull:
    """The figure's head with that body shape (S,)."""
    figure = load_figure()
    points = figure.rest_vertices(shape)
    weight = figure.weights[:, BONES.index("head")]
    head = points[weight > 0.94]
    upper = figure.weights[:, [BONES.index(bone) for bone in ("head", "neck01", "spine02")]].sum(1) > 0.5
    return Skull(float(head[:, 2].min()), float(head[:, 2].max()), points, figure.faces[upper[figure.faces].all(1)])


def lay_around(skull: Skull, points: np.ndarray, density: float) -> Around:
    """The map for head and hair with these points (K,3) at rest."""
    tall = skull.crown - skull.chin
    head = skull.points[np.unique(skull.faces)]
    upper = head[np.abs(head[:, 2] - skull.chin - 0.7 * tall) < 0.15 * tall, 1]
    lower = head[np.abs(head[:, 2] - skull.chin + 0.15 * tall) < 0.06 * tall, 1]
    middle = [float(values.min() + values.max()) / 2 if len(values) else 0.0 for values in (upper, lower)]
    map_ = Around(float(skull.height(EAR_HEIGHT)), *middle, 0.6 * tall, 0.1, density)
    radius = float(np.clip(np.quantile(map_.rho(points), 0.8), 0.3 * tall, tall)) if len(points) else 0.1
    return Around(map_.height, *middle, map_.fall, radius, density)
