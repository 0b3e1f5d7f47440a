"""Plain backdrops: a studio's wall and floor without the shadow and the reflection of who stands there, which otherwise
stay behind when the person moves; and a shadow at the feet that goes with them.

Radii in pixels are meant for a picture of 320 rows and grow with its height (unit: pixels for one of those).
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from dreampose_core.carry.fill import grow, local_mean, smooth_fill, touching

_ROUNDS = 12
_SCALE = 5.0  # levels: what differs by more is not the backdrop
_PLAIN = 0.8  # of the known pixels that a plain backdrop has within that of its model
_TINY = 1e-2  # pixels: keeps rows solvable in which nothing is known
_FAINT = 1.5  # levels by which a shadow or a reflection differs at least
_STRONG = 150.0  # and at most: things in the room differ by more
_SHADOW = 0.55  # how much darker the ground is right under a sole
_FOOT = 0.05  # of the person's height, in which the ground still feels a sole


def plain_backdrop(photo: np.ndarray, known: np.ndarray, unit: float) -> np.ndarray | None:
    """(H,W,3) f32: the backdrop of photo (H,W,3) uint8 without the person and without shadow and reflection; None where
    it is not plain. known (H,W) bool: where nobody stands.

    Walls and floors change from top to bottom as they like, and across slowly: in each row a parabola, fitted by least
    squares that are weighted anew by what they leave (Holland and Welsch 1977, Tukey's biweight), and even over rows.
    What differs from that about the person is shadow or reflection, what differs elsewhere belongs to the room.
    """
    image = photo.astype(np.float32)
    model = _parabolas(image, known, unit)
    rest = image - model
    off = np.abs(rest).max(-1)
    if (off[known] < _SCALE).mean() < _PLAIN:
        return None
    tone = local_mean(rest, known, 1.5 * unit)
    depth = np.abs(tone).max(-1)
    differs = (depth > _FAINT) & (off < _STRONG) & known
    room = known & ~grow(touching(differs, grow(~known, 3 * unit), neighbours=8), 2 * unit)
    even = smooth_fill(rest, room, 30)
    share = (cv2.GaussianBlur(room.astype(np.float32), (0, 0), 1.5 * unit) * room)[..., None]
    # in a faint shadow the photo keeps its grain, a deep one and its edges go whole
    clear = np.where(known, np.clip((depth - 4) / 6, 0, 1), 1)[..., None]
    return image + (1 - share) * (even - tone + clear * (tone - rest))


def shade_at_feet(photo: np.ndarray, background: np.ndarray, alpha: np.ndarray) -> float:
    """How dark the shadow about the feet is in photo (H,W,3) uint8, as a part of what contact_shadow draws, 0 to 1.
    background (H,W,3) uint8: the same without it; alpha (H,W) f32: the person."""
    standing = _standing(alpha)
    if standing is None:
        return 0.0
    lowest, near = standing
    soles = (alpha > 0.5) & (np.arange(len(alpha))[:, None] > lowest - near)
    ground = grow(soles, 2 * near) & (alpha < 0.02)
    light = [picture[ground].astype(np.float32).sum(-1) + 1 for picture in (photo, background)]
    # light comes from one side, so that only a part of the ground lies in the shadow
    return float(np.clip(np.quantile(1 - light[0] / light[1], 0.9) / _SHADOW, 0, 1)) if ground.any() else 0.0


def contact_shadow(alpha: np.ndarray) -> np.ndarray:
    """(H,W) f32: what the ground's light is multiplied with, for a person of coverage (H,W) who stands on it."""
    standing = _standing(alpha)
    if standing is None:
        return np.ones_like(alpha)
    lowest, near = standing
    # a Gaussian ends after four deviations; above and below that there is no shadow
    far = int(np.ceil(4 * 0.35 * near))
    part = slice(max(0, lowest - int(near) - far - 1), lowest + far + 2)
    below = np.arange(len(alpha))[part, None] - lowest
    soles = alpha[part] * np.clip(1 + below / near, 0, 1)
    narrow = cv2.GaussianBlur(soles, (0, 0), sigmaX=0.25 * near, sigmaY=0.12 * near)
    wide = cv2.GaussianBlur(soles, (0, 0), sigmaX=1.2 * near, sigmaY=0.35 * near)
    light = np.ones(alpha.shape, np.float32)
    light[part] = 1 - _SHADOW * np.clip(0.8 * narrow + 0.9 * wide, 0, 1)
    return light


def _standing(alpha: np.ndarray) -> tuple[int, float] | None:
    """The lowest row of the person of coverage (H,W), and over how many pixels the ground feels a sole; None where
    there is nobody."""
    rows = np.flatnonzero((alpha > 0.5).any(1))
    return (int(rows[-1]), max(1.0, _FOOT * (rows[-1] + 1 - rows[0]))) if len(rows) else None


def _parabolas(image: np.ndarray, known: np.ndarray, unit: float) -> np.ndarray:
    """(H,W,3) f32: a parabola across each row of image (H,W,3), over the known pixels (H,W) bool."""
    height, width = known.shape
    x = np.linspace(-1, 1, width, dtype=np.float32)
    basis = np.stack([np.ones_like(x), x, x**2])  # (3,W)
    products = (basis[:, None] * basis).reshape(9, width)
    weight = known.astype(np.float32)
    sigma = 4 * unit
    model = image
    for round_ in range(_ROUNDS):
        system = gaussian_filter1d(weight @ products.T, sigma, 0).reshape(height, 3, 3)
        right = gaussian_filter1d(np.einsum("hw,kw,hwc->hkc", weight, basis, image), sigma, 0)
        model = np.einsum("hkc,kw->hwc", np.linalg.solve(system + _TINY * np.eye(3), right), basis)
        scale = _SCALE * max(1.0, 8 * 0.5**round_)
        left = np.abs(image - model).max(-1) / scale
        weight = (known * np.clip(1 - left**2, 0, 1) ** 2).astype(np.float32)
    return model.astype(np.float32)
