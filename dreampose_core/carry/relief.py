"""Depth and skinning weights for every pixel of a layer, so that it becomes a closed, rounded surface.

Works on the analysis grid; depths in metres, pixels of that grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from dreampose_core.carry.fill import disc, distance, grow, shrink, smooth_fill
from dreampose_core.carry.views import Tube
from pose_tools.body.figure import BONES


@dataclass(frozen=True)
class Relief:
    """Over the whole grid (h,w): front and back depth f32, weights (h,w,B) f32 with rows that sum to 1, and side
    (h,w,2) f32, the shift in pixels (x, y) to where the texture of a surface that turns away is to be taken."""

    front: np.ndarray
    back: np.ndarray
    weights: np.ndarray
    side: np.ndarray


def round_layer(
    where: np.ndarray,
    cut: np.ndarray,
    tube: Tube,
    scale: float,
    thickness: float,
    skirt: tuple[int, int] | None = None,
) -> Relief:
    """The layer that covers `where` (h,w) bool, rounded about a group of the body.

    cut (h,w) bool: where it would go on, so that it does not close there. scale: pixels a metre. thickness:
    depth of a cross-section beyond the body, as a part of its width. skirt: rows of crotch and hem between
    which both legs carry the layer together and below which it stays open.
    """
    known = tube.covers & grow(where, 1)
    inner = shrink(known, 1)
    inner = inner if inner.any() else known
    middle = smooth_fill((tube.front + tube.back) / 2, inner)
    weights = np.clip(smooth_fill(tube.weights, inner, 60), 0, None)
    weights /= weights.sum(-1, keepdims=True) + 1e-9
    outline = where | cut
    middle = _soften(middle, grow(cut, 3), 2.5)
    weights = _soften(weights, grow(cut, 3), 2.5)
    weights /= weights.sum(-1, keepdims=True) + 1e-9
    if skirt is not None:
        weights = _soft_skirt(weights, where, *skirt)
        middle = _soften_below(middle, skirt[0], 6)
        outline = _open_hem(outline, *skirt)
    # front and back meet at the outermost pixels, so distances count from there
    inside = _inside(outline)
    inflated = np.sqrt(_inflate(outline, thickness)) / scale
    sure = inner | grow(cut, 3)
    body = np.where(sure, smooth_fill((tube.back - tube.front) / 2, inner), 0).clip(0)
    body = _soften(cv2.GaussianBlur(body, (0, 0), 1.0), grow(cut, 3), 2.5)
    # over the body itself cloth adds little; a shoulder must not swell to the chest's thickness
    limit = cv2.dilate(body.astype(np.float32), disc(3)) + 2.0 / scale
    inflated = np.where(sure & _above(where, skirt), np.minimum(inflated, limit), inflated)
    # the square is blurred: it falls evenly towards the outline, so the outline's pixels leave no teeth in it
    square = cv2.GaussianBlur((np.maximum(inflated, body) ** 2).astype(np.float32), (0, 0), 1.2)
    half = np.sqrt(square * np.clip(inside / 2.5, 0, 1))
    half = np.where(cv2.erode(outline.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0, half, 0)
    # a face must not go on as its mirror image
    head = weights[..., [BONES.index("head"), BONES.index("neck01")]].sum(-1, keepdims=True)
    side = _side_shift(outline, inside, half * scale) * (1 - 0.9 * head)
    front, back = middle - half, middle + half
    return Relief(front.astype(np.float32), back.astype(np.float32), weights.astype(np.float32), side)


def _inside(outline: np.ndarray) -> np.ndarray:
    """(h,w) f32: pixels from the centres of the outermost pixels inward, along a smooth outline and not along steps."""
    fine = cv2.resize(outline.astype(np.float32), None, fx=4, fy=4, interpolation=cv2.INTER_LINEAR)
    away = distance(cv2.GaussianBlur(fine, (0, 0), 3.0) < 0.5) / 4
    away = cv2.resize(away, outline.shape[::-1], interpolation=cv2.INTER_AREA)
    return np.where(outline, np.maximum(away - 0.5, 0), 0).astype(np.float32)


def _above(where: np.ndarray, skirt: tuple[int, int] | None) -> np.ndarray:
    """(h,1) bool: the rows above the skirt."""
    return (np.arange(len(where)) < (len(where) if skirt is None else skirt[0]))[:, None]


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


def _open_hem(where: np.ndarray, crotch: int, hem: int) -> np.ndarray:
    """The mask with its lower border pulled down, so that the hem stays as thick as the cloth above it."""
    out = where.copy()
    reach = max(6, (hem - crotch) // 2)
    lowest = len(where) - 1 - where[::-1].argmax(0)
    for x in np.flatnonzero(where[max(crotch, 1) :].any(0)):
        if lowest[x] > hem - 0.12 * (hem - crotch) - 2:
            out[lowest[x] : lowest[x] + reach, x] = True
    return out


def _soft_skirt(weights: np.ndarray, where: np.ndarray, crotch: int, hem: int) -> np.ndarray:
    """Weights of a skirt: the two legs shade into each other across it, and it follows the thighs more than the
    shins and less than they move."""
    names = {name: i for i, name in enumerate(BONES)}
    cloth = weights.copy()
    for side in "LR":
        upper, lower, foot = (names[f"{bone}.{side}"] for bone in ("upperleg01", "lowerleg01", "foot"))
        slack = 0.45 * cloth[..., lower] + cloth[..., foot]
        cloth[..., upper] += slack
        cloth[..., lower] -= 0.45 * cloth[..., lower]
        cloth[..., foot] = 0
    width = where[crotch:hem].sum(1).mean() if hem > crotch else 1.0
    inside = where.astype(np.float32)
    sigma = max(2.0, 0.22 * width)
    share = cv2.GaussianBlur(inside, (0, 0), sigma) + 1e-6
    for bone in range(cloth.shape[-1]):
        if cloth[..., bone].any():
            cloth[..., bone] = cv2.GaussianBlur(cloth[..., bone] * inside, (0, 0), sigma) / share
    rows = np.arange(len(where), dtype=np.float32)
    above = 0.12 * max(width, 20)
    ramp = np.clip((rows - (crotch - 2 * above)) / (2.5 * above), 0, 1)
    ramp = (ramp * ramp * (3 - 2 * ramp))[:, None, None]
    mixed = weights * (1 - ramp) + cloth * ramp
    return mixed / (mixed.sum(-1, keepdims=True) + 1e-9)


def _soften(values: np.ndarray, where: np.ndarray, sigma: float) -> np.ndarray:
    """values (h,w[,C]) blurred about the mask: groups of the body that meet there differ in depth and weights."""
    if not where.any():
        return values
    share = cv2.GaussianBlur(where.astype(np.float32), (0, 0), 1.5).reshape(where.shape + (1,) * (values.ndim - 2))
    return values * (1 - share) + cv2.GaussianBlur(values.astype(np.float32), (0, 0), sigma) * share


def _soften_below(values: np.ndarray, row: int, sigma: float) -> np.ndarray:
    soft = cv2.GaussianBlur(values, (0, 0), sigma)
    ramp = np.clip((np.arange(len(values), dtype=np.float32) - row + 8) / 16, 0, 1)[:, None]
    return values * (1 - ramp) + soft * ramp


def _side_shift(outline: np.ndarray, inside: np.ndarray, half: np.ndarray) -> np.ndarray:
    """(h,w,2) f32 shift that mirrors the texture at the line where the surface turns away from the camera.

    The strip beyond that line is only a few pixels wide in the photo but as deep as the body from the side; its
    texture goes on as a mirror image of its neighbour, at true density, and meets the back's at the outline.
    """
    soft = cv2.GaussianBlur(inside, (0, 0), 1.0)
    inward = np.stack([cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)], -1)
    inward /= np.linalg.norm(inward, axis=-1, keepdims=True) + 1e-6
    radius = cv2.dilate(inside, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (41, 41)))
    turn = np.maximum(0.3 * radius, 1.0)
    height, width = inside.shape
    y, x = np.mgrid[:height, :width].astype(np.float32)
    missing = np.maximum(turn - inside, 0)
    at_turn = cv2.remap(
        half.astype(np.float32), x + inward[..., 0] * missing, y + inward[..., 1] * missing, cv2.INTER_LINEAR
    )
    deeper = np.clip(at_turn - half, 0, 0.7 * radius)
    length = np.where(inside < turn, missing + deeper, 0)
    among = outline.astype(np.float32)
    length = cv2.GaussianBlur(length.astype(np.float32) * among, (0, 0), 0.7)
    length /= cv2.GaussianBlur(among, (0, 0), 0.7) + 1e-3
    return (inward * length[..., None]).astype(np.float32)
