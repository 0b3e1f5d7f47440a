"""An orthographic camera that looks along +y: where a point of the world falls in the picture."""
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Camera:
    """px x = scale * X + cx, px y = -scale * Z + cy; smaller Y is nearer. Pixel centres lie at +0.5.

    scale: pixels a metre; cx, cy: where the world's origin falls, in pixels; width, height: picture in pixels.
    """

    scale: float
    cx: float
    cy: float
    width: int
    height: int

    def project(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) in metres to picture points (..., 2) in pixels."""
        return np.stack([self.scale * points[..., 0] + self.cx, self.cy - self.scale * points[..., 2]], -1)

    def with_depth(self, points: np.ndarray) -> np.ndarray:
        """World points (..., 3) to (px x, px y, depth in metres), which is what the rasteriser takes."""
        return np.concatenate([self.project(points), points[..., 1:2]], -1)

    def scaled(self, factor: float) -> "Camera":
        """The same view in a picture `factor` times as large (sizes rounded to whole pixels)."""
        return Camera(self.scale * factor, self.cx * factor, self.cy * factor,
                      round(self.width * factor), round(self.height * factor))

    def to_dict(self) -> dict:
        """Plain numbers for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> "Camera":
        """The inverse of to_dict."""
        return cls(**data)
