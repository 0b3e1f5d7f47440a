"""Cloth that hangs freely from the hips stays outside of the legs in it."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dreampose_core.carry.views import LEG_L, LEG_R, TRUNK, part_groups
from pose_tools.body.figure import load_figure

_LEVELS, _DIRECTIONS = 40, 32
_THICK = 1.03  # cloth lies that far out
_HUG = 0.012  # metres by which a tight skirt lies outside of the legs in it
_BAND = 0.03  # metres of height whose legs make one of its cross-sections
_FALL = 0.15  # cloth that a knee pushes out comes back by that much of its drop


@lru_cache(maxsize=1)
def _inner_vertices() -> np.ndarray:
    """Vertices of the figure's legs and trunk."""
    figure = load_figure()
    inner = np.isin(part_groups()[figure.part], (TRUNK, LEG_L, LEG_R))
    return np.unique(figure.faces[inner])


def drape(
    points: np.ndarray, free: np.ndarray, body: np.ndarray, hips: np.ndarray, inside: np.ndarray | float = 0.0
) -> np.ndarray:
    """Moves cloth (N,3), in place and level by level, out to the convex outline of the body inside.

    free (N,) 0…1: as far as it hangs freely; body (V,3): the figure's vertices; hips (3,): their middle; inside (N,):
    how deep in that outline it may stay. All in metres. Returns (N,) f32 how deep in it each point was.
    """
    deep = np.zeros(len(points), np.float32)
    loose = np.flatnonzero(free > 0.02)
    if not len(loose):
        return deep
    cloth, inner = points[loose], body[_inner_vertices()]
    top, bottom = hips[2], min(cloth[:, 2].min(), hips[2] - 0.1)
    step = (top - bottom) / (_LEVELS - 1)
    radius = _radii(inner, hips, top, step)
    away = cloth[:, :2] - hips[:2]
    length = np.linalg.norm(away, axis=1)
    level = np.clip((top - cloth[:, 2]) / step, 0, _LEVELS - 1.001)
    turn = np.arctan2(away[:, 1], away[:, 0]) / (2 * np.pi) * _DIRECTIONS % _DIRECTIONS
    row, column = level.astype(int), turn.astype(int) % _DIRECTIONS
    down, round_ = level - row, turn - np.floor(turn)
    after = (column + 1) % _DIRECTIONS
    reach = (radius[row, column] * (1 - round_) + radius[row, after] * round_) * (1 - down)
    reach += (radius[row + 1, column] * (1 - round_) + radius[row + 1, after] * round_) * down
    deep[loose] = np.clip(reach - length, 0, None) * np.clip(2 * free[loose], 0, 1)
    push = np.clip(deep - inside, 0, None)[loose]
    points[loose, :2] += away * (push / np.maximum(length, 1e-6))[:, None]
    return deep


@lru_cache(maxsize=1)
def _leg_vertices() -> np.ndarray:
    figure = load_figure()
    return np.unique(figure.faces[np.isin(part_groups()[figure.part], (LEG_L, LEG_R))])


def hug(points: np.ndarray, share: np.ndarray, body: np.ndarray, inside: np.ndarray | float = 0.0) -> np.ndarray:
    """Moves a tight skirt (N,3), in place, out of the convex outline of both legs at its height, which it spans.

    share (N,) 0…1: how far each point is of such a skirt, and not of the hips; body (V,3): the figure's vertices;
    inside (N,): how deep in that outline it may stay, metres. Returns (N,) f32 how deep in it each point was.
    """
    deep = np.zeros(len(points), np.float32)
    tight = np.flatnonzero(share > 0.02)
    if not len(tight):
        return deep
    cloth, legs = points[tight], body[_leg_vertices()]
    bottom, top = cloth[:, 2].min(), cloth[:, 2].max()
    heights = np.linspace(bottom, top, max(2, int((top - bottom) / _BAND) + 1))
    angle = np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS
    unit = np.stack([np.cos(angle), np.sin(angle)])
    cosine = np.cos(angle[:, None] - angle)
    middle, reach = np.zeros((len(heights), 2)), np.zeros((len(heights), _DIRECTIONS))
    for i, height in enumerate(heights):
        near = legs[np.abs(legs[:, 2] - height) < _BAND][:, :2]
        if not len(near):
            middle[i], reach[i] = middle[i - 1], reach[i - 1]
            continue
        middle[i] = (near.min(0) + near.max(0)) / 2
        support = ((near - middle[i]) @ unit).max(0) + _HUG
        reach[i] = np.where(cosine > 0.05, support[:, None] / np.maximum(cosine, 0.05), np.inf).min(0)
    level = np.clip((cloth[:, 2] - bottom) / (top - bottom + 1e-9) * (len(heights) - 1), 0, len(heights) - 1.001)
    row, up = level.astype(int), level % 1
    centre = middle[row] + (middle[row + 1] - middle[row]) * up[:, None]
    away = cloth[:, :2] - centre
    length = np.linalg.norm(away, axis=1)
    turn = np.arctan2(away[:, 1], away[:, 0]) / (2 * np.pi) * _DIRECTIONS % _DIRECTIONS
    column, round_ = turn.astype(int) % _DIRECTIONS, turn % 1
    after = (column + 1) % _DIRECTIONS
    lower, upper = (reach[r, column] * (1 - round_) + reach[r, after] * round_ for r in (row, row + 1))
    deep[tight] = np.clip(lower + (upper - lower) * up - length, 0, None) * share[tight]
    push = np.clip(deep - inside, 0, None)[tight]
    points[tight, :2] += away * (push / np.maximum(length, 1e-6))[:, None]
    return deep


def _radii(inner: np.ndarray, hips: np.ndarray, top: float, step: float) -> np.ndarray:
    """(LEVELS, DIRECTIONS) metres from the vertical through the hips to what is inside, and to cloth that falls from
    what is inside above."""
    row = np.round((top - inner[:, 2]) / step).astype(int)
    within = (row >= 0) & (row < _LEVELS)
    row, away = row[within], inner[within, :2] - hips[:2]
    angle = np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS
    unit = np.stack([np.cos(angle), np.sin(angle)])
    support = np.full((_LEVELS, _DIRECTIONS), 1e-3)
    order = np.argsort(row, kind="stable")
    starts = np.flatnonzero(np.diff(row[order], prepend=-1))
    if len(starts):
        support[row[order][starts]] = np.maximum.reduceat((away @ unit)[order], starts, 0)
    # a convex outline reaches as far as the nearest of its tangents allows
    cosine = np.cos(angle[:, None] - angle)
    reach = np.where(cosine > 0.05, np.maximum(support, 1e-3)[:, None] / np.maximum(cosine, 0.05), np.inf).min(-1)
    reach *= _THICK
    for lower in range(1, _LEVELS):
        reach[lower] = np.maximum(reach[lower], reach[lower - 1] - _FALL * step)
    return reach
