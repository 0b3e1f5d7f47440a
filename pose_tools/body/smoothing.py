"""Tracks of a clip made smooth: spikes go, trembling goes, fast limbs stay fast.

Around every frame a parabola is fitted (Savitzky and Golay, 1964), robustly (Cleveland, 1979), once over a short and
once over a long time. Where the two agree within what trembles, the long one is taken, else the short one; a frame that
moves faster than even that follows stays as it is.

Turns are smoothed in the tangent space of the frame's own turn.
"""

from __future__ import annotations

import numpy as np

from pose_tools.body.figure import rotation_matrices, rotation_vectors

SHORT, LONG = 0.13, 0.3  # seconds to either side
LEAST_REACH = 2          # frames to either side, that a parabola can leave something out


def smooth_turns(turns: np.ndarray, trust: np.ndarray, fps: float, trembles: float) -> np.ndarray:
    """Rotations (T, B, 3, 3), smoothed over time; trust (T,) 0..1 how much a frame counts; trembles: radians."""
    away = np.zeros((*turns.shape[:2], 3))
    for bone in range(turns.shape[1]):
        own = turns[:, bone]

        def window(around, own=own):
            return rotation_vectors(np.swapaxes(own, -1, -2)[:, None] @ own[around])

        away[:, bone] = _correction(window, trust, fps, trembles)
    return turns @ rotation_matrices(away)


def smooth_values(values: np.ndarray, trust: np.ndarray, fps: float, trembles: float) -> np.ndarray:
    """Values (T, C), smoothed over time like turns; trembles: in their own unit."""
    return values + _correction(lambda around: values[around] - values[:, None], trust, fps, trembles)


def steady_values(values: np.ndarray, trust: np.ndarray, fps: float, seconds: float) -> np.ndarray:
    """Values (T, C) that change slowly: robust parabolas over `seconds` to either side."""
    reach = max(LEAST_REACH, round(seconds * fps))
    return _local(lambda around: values[around], trust, reach)[0]


def _correction(window, trust: np.ndarray, fps: float, trembles: float) -> np.ndarray:
    """By how much each frame is to be moved: (T, C).

    window(around) gives the values at the frames around (T, W) relative to each frame's own, (T, W, C).
    """
    short = max(LEAST_REACH, round(SHORT * fps))
    long = max(short + 1, round(LONG * fps))
    quick, is_like = _local(window, trust, short)
    calm, _ = _local(window, trust, long)
    # a frame that leaves the short parabola moves fast and stays, unless it is alone in that
    own = (1 - _calmness(np.linalg.norm(quick, axis=-1), trembles)) * is_like
    quick = quick * (1 - own)[:, None]
    return quick + (calm - quick) * _calmness(np.linalg.norm(calm - quick, axis=-1), trembles)[:, None]


def _calmness(away: np.ndarray, trembles: float) -> np.ndarray:
    """1 where two smoothings differ by no more than trembling, falling to 0."""
    return 1 / (1 + (away / trembles) ** 4)


def _windows(frames: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames around each frame, repeated at the ends (T, 2 reach + 1), and which of them exist."""
    around = np.arange(frames)[:, None] + np.arange(-reach, reach + 1)
    return np.clip(around, 0, frames - 1), (around >= 0) & (around < frames)


def _local(window, trust: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    around, exists = _windows(len(trust), reach)
    return _parabolas(window(around), trust[around] * exists, reach)


def _parabolas(values: np.ndarray, trust: np.ndarray, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Values (T, C) in the middle of robust parabolas through windows (T, W, C) with trust (T, W).

    And how much the middle frames lie like their neighbours, 0..1: (T,).
    """
    step = np.arange(-reach, reach + 1) / (reach + 1)
    near = (1 - np.abs(step) ** 3) ** 3
    basis = np.stack([np.ones_like(step), step, step**2], 1)
    weight = np.maximum(trust, 1e-3) * near
    for turn in range(6):
        normal = np.einsum("wi,tw,wj->tij", basis, weight, basis) + np.diag([1e-6, 1e-3, 1e-3])
        right = np.einsum("wi,tw,twc->tic", basis, weight, values)
        fitted = np.linalg.solve(normal, right)
        off = np.linalg.norm(values - np.einsum("wi,tic->twc", basis, fitted), axis=-1)
        usual = np.median(off, axis=1, keepdims=True) + 1e-9
        # least absolute distances find the many first; only then the few are left out
        like = 1 / (0.3 + off / usual) if turn < 3 else (1 - np.minimum(off / (6 * usual), 1) ** 2) ** 2
        weight = np.maximum(trust, 1e-3) * near * like + 1e-9
    return fitted[:, 0], like[:, reach]
