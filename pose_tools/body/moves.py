"""The gallery's scores. Seconds, degrees, metres; pose_tools.body.stage.Score says what each curve does."""

from __future__ import annotations

import numpy as np

from pose_tools.body.stage import STANCE, Score, Step


def around(side: str, turn: float) -> tuple[float, float, float]:
    """x, y and direction of a foot of the standing pose after a turn on the spot."""
    x, y, out = STANCE[side]
    c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    return c * x - s * y, s * x + c * y, turn + out


def catwalk() -> Score:
    stride = 0.60
    steps = (
        Step("L", 0.22, 0.62, 0.035, -0.36, 3),
        Step("R", 0.72, 1.14, -0.035, -0.36 - stride, -3),
        Step("L", 1.24, 1.66, 0.035, -0.36 - 2 * stride, 3),
        Step("R", 1.76, 2.18, -0.10, -0.36 - 2.75 * stride, -7),
        Step("L", 2.30, 2.70, 0.10, -0.36 - 2.75 * stride, 7, 0.7),
    )
    curves = {"lean": [(0, 0), (0.6, -2), (2.4, -2), (3, 0)]}
    return Score("catwalk", "Catwalk", "Long steps on one line toward the camera.", 3.0, steps, curves, 1.25)


def profile_walk() -> Score:
    steps = (
        Step("L", 0.14, 0.52, 0.20, 0.05, 72, 0.6),
        Step("R", 0.62, 1.02, 0.62, -0.05, 92),
        Step("L", 1.12, 1.52, 0.86, -0.02, 24, 0.7),
        Step("R", 1.62, 2.06, 0.66, 0.06, -56, 0.6),
        Step("L", 2.14, 2.54, 0.12, -0.05, -92),
        Step("R", 2.66, 3.04, -0.10, 0.0, -7, 0.7),
        Step("L", 3.14, 3.50, 0.10, 0.0, 7, 0.5),
    )
    curves = {
        "heading": [(0.1, 0), (0.66, 84), (1.12, 88), (1.84, -24), (2.24, -84), (2.6, -80), (3.35, 0)],
        "look": [(0, 0), (0.3, 14), (0.7, 2), (1.15, -4), (1.5, -30), (2.0, -14), (2.4, 2), (2.8, 24), (3.3, 0)],
    }
    about = "Crosses the picture in profile, turns and comes back."
    return Score("profile_walk", "Walk in profile", about, 3.8, steps, curves)


def full_turn() -> Score:
    times = ((0.12, 0.46), (0.50, 0.84), (0.88, 1.24), (1.28, 1.62), (1.66, 2.00), (2.04, 2.36), (2.40, 2.70))
    turns = (58, 104, 172, 222, 290, 336, 360)
    steps = tuple(
        Step("LR"[k % 2], *when, *around("LR"[k % 2], turn), 0.45, 0.035)
        for k, (when, turn) in enumerate(zip(times, turns, strict=True))
    )
    steps = (*steps, Step("R", 2.72, 2.96, *around("R", 360), 0.3, 0.02))
    curves = {
        "heading": [(0.1, 0), (0.6, 50), (1.3, 165), (2.0, 285), (2.65, 360)],
        "look": [(0, 0), (0.35, 26), (1.1, 16), (1.7, 34), (2.2, 30), (2.7, 0)],
        "turn": [(0, 0), (0.3, 9), (2.0, 8), (2.5, -3), (2.9, 0)],
        "out_L": [(0, 0), (0.7, 9), (1.9, 9), (2.6, 0)],
        "out_R": [(0, 0), (0.8, 11), (2.0, 11), (2.7, 0)],
        "swing_L": [(0, 0), (0.4, -10), (2.0, -8), (2.5, 6), (2.95, 0)],
        "swing_R": [(0, 0), (0.4, 8), (2.0, 6), (2.5, -6), (2.95, 0)],
    }
    return Score("full_turn", "Full turn", "Turns once around on the spot.", 3.2, steps, curves, 0.7)


def half_turn() -> Score:
    steps = (
        Step("L", 0.12, 0.46, *around("L", 62), 0.5),
        Step("R", 0.52, 0.88, *around("R", 128), 0.5),
        Step("L", 0.94, 1.28, *around("L", 176), 0.5),
        Step("R", 1.34, 1.62, *around("R", 180), 0.4, 0.02),
        Step("R", 2.12, 2.46, *around("R", 116), 0.5),
        Step("L", 2.52, 2.88, *around("L", 52), 0.5),
        Step("R", 2.94, 3.28, *around("R", 0), 0.5),
        Step("L", 3.34, 3.62, *around("L", 0), 0.4, 0.02),
    )
    curves = {
        "heading": [(0.1, 0), (0.6, 60), (1.1, 140), (1.5, 180), (2.1, 180), (2.6, 118), (3.1, 36), (3.5, 0)],
        "look": [(0, 0), (0.35, 24), (0.9, 12), (1.4, 0), (1.9, -6), (2.2, -30), (2.9, -16), (3.4, 0)],
        "side": [(1.4, 0), (1.8, -0.03), (2.2, 0)],
        "roll": [(1.4, 0), (1.8, -4), (2.2, 0)],
        "out_L": [(0, 0), (0.7, 7), (1.4, 0), (2.1, 0), (2.7, 7), (3.4, 0)],
        "out_R": [(0, 0), (0.7, 7), (1.4, 0), (2.1, 0), (2.7, 7), (3.4, 0)],
    }
    about = "Shows the back, waits a moment and turns to the front again."
    return Score("half_turn", "Half turn and back", about, 3.8, steps, curves, 0.7)


def hands_on_hips() -> Score:
    curves = {
        "hip_L": [(0.1, 0), (0.75, 1), (2.5, 1), (3.15, 0)],
        "hip_R": [(0.2, 0), (0.85, 1), (2.4, 1), (3.05, 0)],
        "side": [(0, 0), (0.3, 0), (1.0, 0.055), (1.3, 0.05), (1.95, -0.055), (2.25, -0.05), (3.0, 0)],
        "roll": [(0, 0), (0.3, 0), (1.0, 7), (1.3, 6), (1.95, -7), (2.25, -6), (3.0, 0)],
        "bend": [(0, 0), (0.35, 0), (1.1, 4), (1.4, 3.5), (2.05, -4), (2.35, -3.5), (3.1, 0)],
        "twist": [(0, 0), (1.0, -5), (2.0, 5), (3.0, 0)],
        "turn": [(0, 0), (1.1, 5), (2.1, -5), (3.1, 0)],
        "cock": [(0, 0), (1.15, -4), (2.15, 4), (3.1, 0)],
        "look": [(0, 0), (1.15, 9), (2.15, -9), (3.1, 0)],
        "dip": [(0, 0), (0.5, 0.008), (1.0, 0), (1.5, 0.012), (2.0, 0), (2.6, 0.01), (3.1, 0)],
    }
    about = "Hands go to the hips, the weight shifts from one leg to the other."
    return Score("hands_on_hips", "Hands on hips", about, 3.3, (), curves)


def over_the_shoulder() -> Score:
    steps = (
        Step("L", 0.14, 0.50, *around("L", 66), 0.5),
        Step("R", 0.58, 0.98, *around("R", 116), 0.6),
        Step("R", 2.32, 2.68, *around("R", 44), 0.5),
        Step("L", 2.74, 3.10, *around("L", 0), 0.5),
        Step("R", 3.16, 3.42, *around("R", 0), 0.3, 0.02),
    )
    curves = {
        "heading": [(0.1, 0), (0.6, 52), (1.05, 100), (2.25, 104), (2.7, 56), (3.2, 4), (3.4, 0)],
        "look": [(0, 0), (0.4, 16), (0.85, 0), (1.35, -92), (2.05, -94), (2.5, -44), (3.1, 0)],
        "turn": [(0, 0), (0.9, 4), (1.45, -30), (2.05, -30), (2.6, -8), (3.1, 0)],
        "cock": [(1.0, 0), (1.45, 5), (2.05, 5), (2.6, 0)],
        "nod": [(1.0, 0), (1.45, 4), (2.05, 4), (2.6, 0)],
        "side": [(0.9, 0), (1.4, 0.04), (2.1, 0.04), (2.4, 0)],
        "roll": [(0.9, 0), (1.4, 3), (2.1, 3), (2.4, 0)],
        "bend": [(0.9, 0), (1.5, 3), (2.1, 3), (2.5, 0)],
        "elbow_R": [(0.9, 0), (1.5, 12), (2.1, 12), (2.7, 0)],
    }
    about = "Turns away and looks back at the camera over the shoulder."
    return Score("over_the_shoulder", "Over the shoulder", about, 3.6, steps, curves, 0.7)


def greeting() -> Score:
    waves = [(0.8, 0), (1.1, 24), (1.4, -18), (1.7, 24), (2.0, -14), (2.35, 0)]
    curves = {
        "raise_R": [(0.1, 0), (0.95, 1), (2.15, 1), (2.95, 0)],
        "out_R": [(0.1, 0), (0.5, 16), (0.9, 0), (2.3, 0), (2.6, 14), (3.0, 0)],
        "wave_R": waves,
        "side": [(0, 0), (0.9, 0.035), (2.2, 0.035), (3.0, 0)],
        "roll": [(0, 0), (0.9, 4), (2.2, 4), (3.0, 0)],
        "bend": [(0, 0), (0.95, 5), (2.2, 5), (3.0, 0)],
        "cock": [(0, 0), (1.0, -6), (2.2, -6), (3.0, 0)],
        "look": [(0, 0), (1.0, -6), (2.2, -6), (3.0, 0)],
        "swing_L": [(0, 0), (0.9, -5), (2.2, -5), (3.0, 0)],
    }
    return Score("greeting", "Arm raised", "Raises an arm and waves.", 3.2, (), curves)


def sway() -> Score:
    beat = 0.75
    times = [0.0, 0.25, *(0.25 + beat * (k + 0.6) for k in range(3)), 2.85]
    signs = [0, 0, 1, -1, 1, 0]

    def wave(size: float, late: float = 0.0):
        return [(t + (late if 0 < t < 2.8 else 0), size * s) for t, s in zip(times, signs, strict=True)]

    curves = {
        "side": wave(0.07), "roll": wave(9.5), "twist": wave(-9), "bend": wave(6, 0.08), "turn": wave(8, 0.08),
        "cock": wave(-4, 0.14), "look": wave(7, 0.16), "swing_L": wave(12, 0.12), "swing_R": wave(-12, 0.12),
        "out_L": wave(4, 0.1), "out_R": wave(-4, 0.1),
        "dip": [
            (0, 0), (0.35, 0.012), (0.7, 0.004), (1.07, 0.014), (1.45, 0.004), (1.8, 0.014), (2.2, 0.004), (2.85, 0),
        ],
    }
    return Score("sway", "Sway", "Hips sway from side to side, shoulders against them.", 3.0, (), curves)


def pose_change() -> Score:
    steps = (
        Step("R", 0.18, 0.62, -0.21, -0.13, -34, 0.5),
        Step("R", 2.40, 2.84, -0.10, 0.0, -7, 0.5),
    )
    curves = {
        "heading": [(0.1, 0), (0.9, -16), (2.2, -16), (2.9, 0)],
        "side": [(0, 0), (0.9, 0.075), (2.2, 0.075), (2.9, 0)],
        "roll": [(0, 0), (0.95, 8), (2.2, 8), (2.9, 0)],
        "bend": [(0, 0), (1.0, 7), (2.2, 7), (2.9, 0)],
        "turn": [(0, 0), (1.0, 7), (2.2, 7), (2.9, 0)],
        "look": [(0, 0), (1.05, 18), (2.2, 18), (2.9, 0)],
        "cock": [(0, 0), (1.05, -5), (2.2, -5), (2.9, 0)],
        "hip_L": [(0.35, 0), (1.1, 1), (2.0, 1), (2.75, 0)],
        "swing_R": [(0, 0), (0.9, 6), (2.2, 6), (2.9, 0)],
        "out_R": [(0, 0), (0.9, 6), (2.2, 6), (2.9, 0)],
        "dip": [(0, 0), (0.9, 0.004), (2.9, 0)],
    }
    about = "One foot goes out, a hand to the hip, the weight onto one leg; and back."
    return Score("pose_change", "Pose change", about, 3.1, steps, curves, 0.4)


def skirt_swing() -> Score:
    beat = [(0, 0), (0.25, 0), (0.75, 1), (1.35, -1), (1.95, 1), (2.6, 0)]

    def wave(size: float, late: float = 0.0):
        return [(t + (late if 0.3 < t < 2.5 else 0), size * s) for t, s in beat]

    curves = {
        "twist": wave(24), "turn": wave(34, 0.06), "look": wave(-4, 0.1), "side": wave(0.02), "roll": wave(3),
        "swing_L": wave(-18, 0.12), "swing_R": wave(18, 0.12), "cock": wave(4, 0.1),
        "out_L": [(0, 0), (0.6, 7), (2.1, 7), (2.7, 0)], "out_R": [(0, 0), (0.6, 7), (2.1, 7), (2.7, 0)],
        "dip": [(0, 0), (0.6, 0.014), (2.1, 0.014), (2.7, 0)],
    }
    about = "Quick quarter twists to and fro, which set a skirt swinging."
    return Score("skirt_swing", "Skirt swing", about, 2.9, (), curves)


MOVES = (
    catwalk, full_turn, sway, hands_on_hips, profile_walk, over_the_shoulder, greeting, half_turn, pose_change,
    skirt_swing,
)
