"""Tracks of a clip made smooth: spikes go, trembling goes, fast limbs stay fast.

Around every frame a parabola is fitted (Savitzky and Golay, 1964), robustly (Cleveland, 1979), once over a short and
once over a long time. Where the two agree within what trembles, the long one is taken, else the short one.
Turns are smoothed in the tangent space of the frame's own turn.
"""

from __future__ import annotations

import numpy as np

from pose_tools.body.figure import rotation_matrices, rotation_vectors

SHORT, LONG = 0.13, 0.3  # seconds to either side
LEAST_REACH = 2          # frames to either side, that a parabola can leave something out


def smooth_turns(turns: np.ndarray, trust: np.ndarray, fps: float, trembles: float = 0.06) -> np.ndarray:
    """Rotations (T, B, 3, 3), smoothed over time; trust (T,) 0..1 how much a frame counts; trembles: radians."""
    short, long = _reaches(fps)
    quick, calm = _local_turns(turns, trust, short), _local_turns(turns, trust, long)
    between = rotation_vectors(np.swapaxes(quick, -1, -2) @ calm)
    share = _calmness(np.linalg.norm(between, axis=-1), trembles)
    return quick @ rotation_matrices(between * share[..., None])


def smooth_values(values: np.ndarray, trust: np.ndarray, fps: float, trembles: float) -> np.ndarray:
    """Values (T, C), smoothed over time like turns; trembles: in their own unit."""
    short, long = _reaches(fps)
    quick, calm = _local_values(values, trust, short), _local_values(values, trust, long)
    share = _calmness(np.abs(calm - quick), trembles)
    return quick + share * (calm - quick)


def steady_values(values: np.ndarray, trust: np.ndarray, fps: float, seconds: float) -> np.ndarray:
    """Values (T, C) that change slowly: robust parabolas over `seconds` to either side."""
    return _local_values(values, trust, max(LEAST_REACH, round(seconds * fps)))


def _reaches(fps: float) -> tuple[int, int]:
    short = max(LEAST_REACH, round(SHORT * fps))
    return short, max(short + 1, round(LONG * fps))


def _calmness(away: np.ndarray, trembles: float) -> np.ndarray:
    """1 where two smoothings differ by no more than trembling, falling to 0."""
    return 1 / (1 + (away / trembles) ** 4)


def _windows(frames: int, reach: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames around each frame, repeated at the ends (T, 2 reach + 1), and which of them exist."""
    around = np.arange(frames)[:, None] + np.arange(-reach, reach + 1)
    return np.clip(around, 0, frames - 1), (around >= 0) & (around < frames)


def _local_turns(turns: np.ndarray, trust: np.ndarray, reach: int) -> np.ndarray:
    around, exists = _windows(len(turns), reach)
    out = np.empty_like(turns)
    for bone in range(turns.shape[1]):
        own = turns[:, bone]
        away = rotation_vectors(np.swapaxes(own, -1, -2)[:, None] @ own[around])
        out[:, bone] = own @ rotation_matrices(_parabolas(away, trust[around] * exists, reach))
    return out


def _local_values(values: np.ndarray, trust: np.ndarray, reach: int) -> np.ndarray:
    around, exists = _windows(len(values), reach)
    return _parabolas(values[around], trust[around] * exists, reach)


def _parabolas(values: np.ndarray, trust: np.ndarray, reach: int) -> np.ndarray:
    """Values (T, C) in the middle of robust parabolas through windows (T, W, C) with trust (T, W)."""
    step = np.arange(-reach, reach + 1) / (reach + 1)
    near = (1 - np.abs(step) ** 3) ** 3
    basis = np.stack([np.ones_like(step), step, step**2], 1)
    weight = np.maximum(trust, 1e-3) * near
    for _ in range(3):
        normal = np.einsum("wi,tw,wj->tij", basis, weight, basis) + np.diag([1e-6, 1e-3, 1e-3])
        right = np.einsum("wi,tw,twc->tic", basis, weight, values)
        fitted = np.linalg.solve(normal, right)
        off = np.linalg.norm(values - np.einsum("wi,tic->twc", basis, fitted), axis=-1)
        usual = np.median(off, axis=1, keepdims=True) + 1e-9
        weight = np.maximum(trust, 1e-3) * near * (1 - np.minimum(off / (6 * usual), 1) ** 2) ** 2 + 1e-9
    return fitted[:, 0]
