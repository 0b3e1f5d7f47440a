"""The volume of head and hair, which a cushion on the outline does not give. Works on the grid, as relief.py does."""

from __future__ import annotations

import cv2
import numpy as np

from dreampose_core.carry.fill import distance, grow, shrink
from dreampose_core.carry.views import Tube
from pose_tools.body.figure import BONES

_FALLS = 0.3  # of the skull's width: hair that stands out so far at the sides falls as far behind


def head_volume(
    where: np.ndarray, weights: np.ndarray, body: Tube, middle: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Depths (h,w) f32 of a layer's middle, and from there to the front and to the back of its head, in metres; 0 where
    nothing is known.

    where (h,w) bool: the layer; weights (h,w,B); middle (h,w): its depth so far. From the ears upward cross-sections
    are ellipses that narrow as the outline does. Hair that stands out at the sides of the skull stands out as far
    behind it, and falls there as far down as at the sides.
    """
    front, back = np.zeros(where.shape, np.float32), np.zeros(where.shape, np.float32)
    head = weights[..., BONES.index("head")] > 0.5
    neck = weights[..., [BONES.index("head"), BONES.index("neck01")]].sum(-1) > 0.5
    skull = body.closed & head
    rows = np.flatnonzero((head & where).any(1))
    if skull.sum() < 20 or len(rows) < 6:
        return middle, front, back
    thick = np.where(skull, body.back - body.front, 0)
    ears = int(cv2.GaussianBlur(thick.max(1)[:, None], (1, 5), 1.0)[:, 0].argmax())
    depth = thick[ears].max() / 2
    centre_depth = (body.front + body.back)[ears][skull[ears]].mean() / 2
    centre, half = _soft_span(where & neck)
    own = np.where(skull.any(1), _soft_span(skull)[1], 0)
    wide, width = half[ears], max(own[ears], 1.0)
    beyond = max(0.0, wide - width) * depth / width
    # a lock that stands out at a single height does not fall
    out = cv2.erode((half - own).astype(np.float32)[:, None], np.ones((2 * (len(rows) // 12) + 1, 1), np.uint8))[:, 0]
    falls = np.clip(out / (_FALLS * width), 0, 1)
    falls[: ears + 1] = 1
    falls = np.minimum.accumulate(falls)
    last = rows[-1] + max(2, len(rows) // 4)
    falls[last:] = 0
    y = np.arange(len(where))
    low = np.flatnonzero(falls > 0.1)[-1]
    down = np.clip((y - ears) / max(low - ears + 1, 1) - 0.4, 0, None) / 0.6
    taper = np.sqrt(np.clip(1 - 0.9 * down**2, 0, 1))
    falls = falls * (1 + (taper - 1) * np.clip((wide / width - 1.2) / 0.4, 0, 1))
    narrow = np.minimum(half / max(wide, 1), 1)
    inside = where & neck
    round_ = _ellipse(centre, half, where.shape[1]) * inside
    crown = np.flatnonzero(skull.any(1))[0]
    over = np.clip((ears - y) / max(ears - crown, 1), 0, 1)
    # seen from the side hair is a dome, too, about its own middle; the face keeps its own front
    ahead, behind = depth + 0.3 * beyond, depth + beyond
    radius, shift = (behind + ahead) / 2, (behind - ahead) / 2
    high = np.where(y <= ears, 1 - narrow, 0)
    to_front = (radius * narrow - shift) * over + shift * high
    to_back = np.where(y <= ears, radius * narrow + shift - shift * high, behind * narrow * falls)
    front, back = (np.clip(part, 0, None)[:, None] * round_ for part in (to_front, to_back))
    share = cv2.GaussianBlur(np.where(y <= ears, 1, falls).astype(np.float32)[:, None], (1, 9), 2.0)
    share = share * cv2.GaussianBlur((where & neck).astype(np.float32), (0, 0), 1.5)
    centre_depth = centre_depth + (shift * high)[:, None]
    return middle * (1 - share) + centre_depth * share, front.astype(np.float32), back.astype(np.float32)


def own_face(
    halves: tuple[np.ndarray, np.ndarray],
    middle: np.ndarray,
    where: np.ndarray,
    weights: np.ndarray,
    body: Tube,
    hair: np.ndarray,
    turned: float,
) -> tuple[np.ndarray, np.ndarray]:
    """halves, the depths (h,w) f32 from the middle (h,w) to the front and to the back, with the body's own face, which
    has nose, lips and chin; before it is only hair (h,w) bool.

    turned: 0..1, how far the face looks aside: its far half then lies near the outline, and behind it.
    """
    face = body.closed & where & (weights[..., BONES.index("head")] > 0.5)
    # front and back still meet at the outline
    inner = np.clip(distance(~where) / (2 - turned) - 0.5, 0, 1)
    share = cv2.GaussianBlur(shrink(face, 1).astype(np.float32), (0, 0), 0.7) * inner
    out = []
    for half, depth, part in zip(halves, (middle - body.front, body.back - middle), (1, turned), strict=True):
        own = cv2.GaussianBlur(np.where(face, depth, half).astype(np.float32), (0, 0), 0.5)
        own = np.where(hair, np.maximum(own, half), own.clip(0))
        out.append(half + (own - half) * share * part)
    return out[0], out[1]


def below_chin(where: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(h,w) f32 pixels further down at which the texture of a neck's sides is to be taken: the chin's shadow on its
    front, and the line of the jaw, do not go round it."""
    neck = where & (weights[..., BONES.index("neck01")] > 0.4) & (weights[..., BONES.index("head")] < 0.5)
    rows = np.flatnonzero(neck.any(1))
    if len(rows) < 4:
        return np.zeros(where.shape, np.float32)
    y = np.arange(len(where))[:, None]
    down = np.clip(rows[0] + 0.65 * len(rows) - y, 0, 0.65 * len(rows)) * grow(neck, 1)
    return cv2.GaussianBlur(down.astype(np.float32), (0, 0), 0.7)


def _ellipse(centre: np.ndarray, half: np.ndarray, width: int) -> np.ndarray:
    """(h,width) f32: 1 in the middle of each row's span, falling to 0 at its ends as an ellipse does."""
    across = (np.arange(width, dtype=np.float32)[None] - centre[:, None]) / np.maximum(half[:, None], 1)
    return np.sqrt(np.clip(1 - across**2, 0, 1))


def _soft_span(where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(h,) f32 centre and half the width of the mask (h,w) in each row, a little smoothed; half is 0 in empty rows."""
    first, last = where.argmax(1), where.shape[1] - 1 - where[:, ::-1].argmax(1)
    some = where.any(1)
    out = []
    for values in ((first + last) / 2, (last - first + 1) / 2):
        known = np.where(some, values, 0).astype(np.float32)[:, None]
        share = cv2.GaussianBlur(some.astype(np.float32)[:, None], (1, 7), 1.2)
        out.append(np.where(some, (cv2.GaussianBlur(known, (1, 7), 1.2) / np.maximum(share, 1e-3))[:, 0], 0))
    return out[0], out[1]
