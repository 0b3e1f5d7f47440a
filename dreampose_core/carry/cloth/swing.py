"""Loose cloth that lags behind the hips: a skirt as a damped pendulum that hangs from them and is turned by them.

Small angles: the lean a (radians, along x and y of the world) of cloth whose weight is LENGTH below the hips follows
a'' = -w^2 a - 2 d w a' - p'' / LENGTH with w^2 = g / LENGTH, where p is the hips' place; and its heading h follows
theirs, H, by h'' = v^2 (H - h) + 2 d v (H' - h').
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d

from pose_tools.body.figure import Pose, bone_transforms, load_figure
from pose_tools.body.fit import FittedBody

GRAVITY = 9.81  # metres a second squared
LENGTH = 0.35  # metres from the hips to the middle of a skirt's weight
DAMPING = 0.45  # of the critical one: legs and air
TWIST = 9.0  # v, radians a second: cloth is turned by the hips that it lies on
MOST_LEAN, MOST_TWIST = np.radians([14, 25])
CALM = 0.1  # seconds over which the hips' way is smoothed: what trembles in poses that were read is no push
STEPS = 200  # a second, of the integration


def swings(body: FittedBody, poses: Sequence[Pose], fps: float) -> np.ndarray:
    """(T,3) lean along x and y and twist, radians, of loose cloth on the body in these poses, `fps` a second.

    At the first pose the cloth is at rest; in a still clip all are 0.
    """
    out = np.zeros((len(poses), 3))
    if len(poses) < 3:
        return out
    figure = load_figure()
    moved = [bone_transforms(figure, body.shape, pose)[0] for pose in poses]
    joint = figure.rest_joints(np.asarray(body.shape, np.float64))[0]
    place = np.array([(one[:, :3] @ joint + one[:, 3])[:2] for one in moved])
    heading = np.unwrap([np.arctan2(one[1, 0], one[0, 0]) for one in moved])
    path = gaussian_filter1d(np.column_stack([place, heading]), CALM * fps, axis=0, mode="nearest")
    driven = CubicSpline(np.arange(len(poses)) / fps, path)
    times = np.arange(round((len(poses) - 1) / fps * STEPS) + 1) / STEPS
    pushed, turning, turn = driven(times, 2)[:, :2], driven(times, 1)[:, 2], driven(times)[:, 2]
    stiff, dt = GRAVITY / LENGTH, 1 / STEPS
    lean, lean_speed = np.zeros(2), np.zeros(2)
    own, own_speed = turn[0], 0.0
    swung = np.zeros((len(times), 3))
    for i in range(len(times)):  # semi-implicit Euler
        swung[i] = *lean, own - turn[i]
        lean_speed = lean_speed + dt * (-stiff * lean - 2 * DAMPING * np.sqrt(stiff) * lean_speed - pushed[i] / LENGTH)
        lean = lean + dt * lean_speed
        own_speed += dt * (TWIST**2 * (turn[i] - own) + 2 * DAMPING * TWIST * (turning[i] - own_speed))
        own += dt * own_speed
    at = np.clip(np.round(np.arange(len(poses)) / fps * STEPS).astype(int), 0, len(times) - 1)
    most = np.array([MOST_LEAN, MOST_LEAN, MOST_TWIST])
    return most * np.tanh(swung[at] / most)
