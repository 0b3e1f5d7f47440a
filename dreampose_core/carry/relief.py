"""Depth and skinning weights for every pixel of a layer, so that it becomes a closed, rounded surface.

Works on the analysis grid; depths in metres, pixels of that grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from dreampose_core.carry.cloth.skirt import Skirt, cushion, middle_depth, open_hem, soft_weights
from dreampose_core.carry.cloth.skirt import ramp as skirt_ramp
from dreampose_core.carry.fill import disc, distance, grow, shrink, smooth_fill
from dreampose_core.carry.head.volume import below_chin, head_volume, own_face
from dreampose_core.carry.views import Tube

_STEP = 0.2  # of a bone's weight between neighbouring pixels: more than where a limb bends


@dataclass(frozen=True)
class Relief:
    """Over the whole grid (h,w): front and back depth f32, weights (h,w,B) f32 and hang (h,w) f32, the weight of
    hanging freely, which together sum to 1, and lower (h,w) f32, pixels further down at which the colours of what
    turns away are to be taken."""

    front: np.ndarray
    back: np.ndarray
    weights: np.ndarray
    hang: np.ndarray
    lower: np.ndarray


def round_layer(
    where: np.ndarray,
    cut: np.ndarray,
    tube: Tube,
    scale: float,
    thickness: float,
    hair: np.ndarray | None = None,
    turned: float = 0.0,
    skirt: Skirt | None = None,
) -> Relief:
    """The layer that covers `where` (h,w) bool, rounded about a group of the body.

    cut (h,w) bool: where it would go on, so that it does not close there. scale: pixels a metre. thickness:
    depth of a cross-section beyond the body, as a part of its width. hair (h,w) bool: of the layer that has the head.
    turned: 0..1, how far its face looks aside. skirt: of a layer that ends as one.
    """
    known = tube.covers & grow(where, 1)
    known = known if known.any() else tube.covers  # a rest of a layer beside its body moves as that does
    inner = shrink(known, 1)
    inner = inner if inner.any() else known
    middle = smooth_fill((tube.front + tube.back) / 2, inner)
    weights = np.zeros(tube.weights.shape, np.float32)
    bones = tube.weights.any((0, 1))
    if bones.any():  # a limb may lie beyond the picture
        weights[..., bones] = np.clip(smooth_fill(tube.weights[..., bones], inner, 60), 0, None)
    weights /= weights.sum(-1, keepdims=True) + 1e-9
    outline = where | cut
    middle = _soften(middle, grow(cut, 3), 2.5)
    # and where a bent limb hides a part of itself, or it would tear along that step as it straightens
    weights = _soften(weights, grow(cut, 3) | grow(_steps(weights) & where, 3), 2.5)
    weights /= weights.sum(-1, keepdims=True) + 1e-9
    hang = np.zeros(where.shape, np.float32)
    if skirt is not None:
        weights, hang = soft_weights(weights, where, skirt)
        ramp = skirt_ramp(skirt)
        middle = middle_depth(skirt, middle * (1 - ramp) + cv2.GaussianBlur(middle, (0, 0), 6.0) * ramp)
        outline = open_hem(outline, skirt)
    # front and back meet at the outermost pixels, so distances count from there
    inside = _inside(outline)
    inflated = np.sqrt(_inflate(outline, thickness)) / scale
    sure = inner | grow(cut, 3)
    body = np.where(sure, smooth_fill((tube.back - tube.front) / 2, inner), 0).clip(0)
    body = _soften(cv2.GaussianBlur(body, (0, 0), 1.0), grow(cut, 3), 2.5)
    # over the body itself cloth adds little; a shoulder must not swell to the chest's thickness
    limit = cv2.dilate(body.astype(np.float32), disc(3)) + 2.0 / scale
    inflated = np.where(sure & _above(where, skirt), np.minimum(inflated, limit), inflated)
    if skirt is not None:
        inflated = inflated * (1 - ramp) + cushion(skirt, where.shape[1]) / scale * ramp
    middle, before, behind = head_volume(where, weights, tube, middle) if hair is not None else (middle, 0, 0)
    # the square is blurred: it falls evenly towards the outline, so the outline's pixels leave no teeth in it
    inner = cv2.erode(outline.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    half, *halves = (
        np.where(inner, np.sqrt(cv2.GaussianBlur(depth**2, (0, 0), 1.2) * np.clip(inside / 2.5, 0, 1)), 0)
        for depth in (
            np.maximum(part, np.maximum(inflated, body)).astype(np.float32) for part in (0, before, behind)
        )
    )
    lower = np.zeros(where.shape, np.float32)
    if hair is not None:
        halves = own_face(halves, middle, where, weights, tube, hair, turned)
        lower = below_chin(where, weights)
    front, back = middle - halves[0], middle + halves[1]
    return Relief(front.astype(np.float32), back.astype(np.float32), weights.astype(np.float32), hang, lower)


def _steps(weights: np.ndarray) -> np.ndarray:
    """(h,w) bool: pixels whose weights (h,w,B) differ from a neighbour's as those of one surface do not."""
    out = np.zeros(weights.shape[:2], bool)
    out[1:] |= np.abs(np.diff(weights, axis=0)).max(-1) > _STEP
    out[:, 1:] |= np.abs(np.diff(weights, axis=1)).max(-1) > _STEP
    return out


def _inside(outline: np.ndarray) -> np.ndarray:
    """(h,w) f32: pixels from the centres of the outermost pixels inward, along a smooth outline and not along steps."""
    fine = cv2.resize(outline.astype(np.float32), None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    away = distance(cv2.GaussianBlur(fine, (0, 0), 3.0) < 0.5) / 4
    away = cv2.resize(away, outline.shape[::-1], interpolation=cv2.INTER_AREA)
    return np.where(outline, np.maximum(away - 0.5, 0), 0).astype(np.float32)


def _above(where: np.ndarray, skirt: Skirt | None) -> np.ndarray:
    """(h,1) bool: the rows above the skirt."""
    return (np.arange(len(where)) < (len(where) if skirt is None else skirt.crotch))[:, None]


def _inflate(where: np.ndarray, thickness: float) -> np.ndarray:
    """(h,w) square of the half thickness in pixels of a cushion on the mask: the solution of Poisson's equation,
    which for a long strip is the ellipse thickness^2 (a^2 - x^2)."""
    count = int(where.sum())
    out = np.zeros(where.shape, np.float32)
    if count == 0:
        return out
    index = np.full(where.shape, -1)
    index[where] = np.arange(count)
    right = where[:, :-1] & where[:, 1:]
    down = where[:-1] & where[1:]
    a = np.concatenate([index[:, :-1][right], index[:-1][down]])
    b = np.concatenate([index[:, 1:][right], index[1:][down]])
    links = sparse.coo_matrix((-np.ones(len(a)), (a, b)), (count, count))
    system = (links + links.T + 4 * sparse.eye(count)).tocsc()
    out[where] = splu(system).solve(np.full(count, 2 * thickness**2))
    return out.clip(0)


def _soften(values: np.ndarray, where: np.ndarray, sigma: float) -> np.ndarray:
    """values (h,w[,C]) blurred about the mask: groups of the body that meet there differ in depth and weights."""
    if not where.any():
        return values
    share = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 1.5).reshape(where.shape + (1,) * (values.ndim - 2))
    return values * (1 - share) + cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma) * share
