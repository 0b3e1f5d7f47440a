"""Loose cloth that lags behind the hips."""

from dataclasses import replace

import numpy as np
import pytest

from dreampose_core.carry.cloth.swing import MOST_LEAN, MOST_TWIST, swings
from pose_tools.body.camera import Camera
from pose_tools.body.figure import Pose, load_figure
from pose_tools.body.fit import FittedBody

FPS, FRAMES = 12, 24
BODY = FittedBody(np.zeros(len(load_figure().modes)), Pose.rest(), Camera(120.0, 96, 118.0, 192, 240), 1.0, 0.0)


def _clip(across=lambda t: 0 * t, yaw=lambda t: 0 * t):
    times, rest = np.arange(FRAMES) / FPS, Pose.rest()
    moved = zip(across(times), yaw(times), strict=True)
    return [replace(rest, shift=np.array([x, 0, 0]), yaw=float(turn)) for x, turn in moved]


def _stop(t):
    """A step to the side within half a second."""
    s = np.clip(t / 0.5, 0, 1)
    return 0.3 * s**3 * (10 - 15 * s + 6 * s**2)


def test_still_and_evenly_moved_cloth_hangs_straight():
    assert not swings(BODY, _clip(), FPS).any()
    away = swings(BODY, _clip(across=lambda t: 0.2 * t), FPS)
    assert np.abs(away[FRAMES // 2]).max() < np.radians(0.5), "once the start is forgotten"
    assert not swings(BODY, _clip()[:2], FPS).any()


def test_it_stays_behind_comes_after_and_settles():
    lean = swings(BODY, _clip(across=_stop), FPS)
    assert lean[2, 0] < -np.radians(2), "hips go to the right, cloth is left behind"
    assert lean[6:10, 0].max() > np.radians(2), "and swings on when they stop"
    assert np.abs(lean[-1]).max() < np.radians(1)
    assert np.abs(lean[:, 1]).max() < 1e-9 and np.abs(lean[:, 2]).max() < 1e-9


def test_it_is_turned_by_the_hips_a_little_later():
    twist = swings(BODY, _clip(yaw=lambda t: 3 * _stop(t)), FPS)[:, 2]
    assert twist[2] < -np.radians(3) and abs(twist[-1]) < np.radians(1)


def test_poses_that_tremble_hardly_push_it():
    rng = np.random.default_rng(0)
    trembling = [replace(pose, shift=rng.normal(0, 0.003, 3)) for pose in _clip()]
    assert np.abs(swings(BODY, trembling, FPS)).max() < np.radians(1)


def test_the_pace_of_the_clip_does_not_matter_and_the_swing_is_bounded():
    slow = swings(BODY, _clip(across=_stop), FPS)
    body = [replace(Pose.rest(), shift=np.array([_stop(k / 24), 0, 0])) for k in range(2 * FRAMES - 1)]
    assert slow == pytest.approx(swings(BODY, body, 2 * FPS)[::2], abs=np.radians(1.5))
    wild = swings(BODY, _clip(across=lambda t: 5 * np.sin(9 * t), yaw=lambda t: 3 * np.sin(7 * t)), FPS)
    assert np.abs(wild[:, :2]).max() <= MOST_LEAN and np.abs(wild[:, 2]).max() <= MOST_TWIST
