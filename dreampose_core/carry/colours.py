"""What colours tell: which of two things a pixel is of, and what is skin. Works on the analysis grid."""

from __future__ import annotations

import numpy as np

from dreampose_core.carry.fill import shrink
from dreampose_core.carry.views import HEAD_PARTS, BodyView

_BINS = 12


def log_ratio(lab: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(h,w): log of how much likelier each pixel's colour is among the pixels `first` than among `second`."""
    if first.sum() < 20 or second.sum() < 20:
        return np.zeros(first.shape, np.float32)
    tables = []
    for where in (first, second):
        table = np.histogramdd(lab[where], _BINS, ((0, 256),) * 3)[0].astype(np.float32)
        for axis in range(3):
            table = table + 0.5 * (np.roll(table, 1, axis) + np.roll(table, -1, axis))
        tables.append(table / table.sum() + 2e-3)
    bins = np.clip(lab * _BINS / 256, 0, _BINS - 1).astype(int)
    return np.log(tables[0] / tables[1])[bins[..., 0], bins[..., 1], bins[..., 2]]


def skin_like(lab: np.ndarray, person: np.ndarray, view: BodyView) -> np.ndarray:
    """(h,w) bool: pixels of the person whose colour is that of the face; none where no face is seen."""
    face = np.isin(view.part, HEAD_PARTS)
    rows = np.flatnonzero(face.any(1))
    y = np.arange(len(face))[:, None]
    low, high = np.quantile(rows, (0.35, 0.85)) if len(rows) else (0, 0)
    core = shrink(face, 2) & person & (y > low) & (y < high)
    if core.sum() < 12:
        return np.zeros(person.shape, bool)
    away = lab - np.median(lab[core], 0)
    return person & (np.abs(away[..., 1:]).max(-1) < 12) & (np.abs(away[..., 0]) < 60)
