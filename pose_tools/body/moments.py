"""What was fitted to the frames of a clip, as arrays over time: smoothed, and passed over the frames in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pose_tools.body.footing import runs
from pose_tools.body.kinematics import mix
from pose_tools.body.smoothing import smooth_turns, smooth_values, steady_values

TREMBLES, FINE_TREMBLES = 0.06, 0.025  # radians, before and after frames are drawn to what their neighbours say
REACH = 0.1  # metres that a radian moves: what trembles by angles trembles by places
SCALE_SECONDS = 0.7  # people come nearer slowly


@dataclass(frozen=True, eq=False)
class Moments:
    """What was fitted to T frames, all on one build.

    turns (T, B, 3, 3): local rotations, the root's without heading; yaw (T,) radians, unwrapped; camera (T, 3):
    log of px a metre, px x and px y of the root joint in the frame; fit (T,) 0..1: how well the body lies on what
    was seen.
    """

    turns: np.ndarray
    yaw: np.ndarray
    camera: np.ndarray
    fit: np.ndarray


def smoothed(moments: Moments, fps: float, trembles: float) -> Moments:
    """The same without trembling of up to so many radians, and of REACH of that in metres."""
    trust = moments.fit**2
    camera = moments.camera.copy()
    camera[:, :1] = steady_values(camera[:, :1], trust, fps, SCALE_SECONDS)
    metre = np.exp(camera[:, :1])
    camera[:, 1:] = smooth_values(camera[:, 1:] / metre, trust, fps, trembles * REACH) * metre
    turns = smooth_turns(moments.turns, trust, fps, trembles)
    yaw = smooth_values(moments.yaw[:, None], trust, fps, trembles)[:, 0]
    return Moments(turns, yaw, camera, moments.fit)


def bridged(moments: Moments, sure: np.ndarray, bones: Sequence[int], most: int) -> Moments:
    """The same with some bones passing evenly over stretches of at most `most` frames in which sure (T,) is False.

    Stretches at either end stay as they are.
    """
    turns = moments.turns.copy()
    bones = list(bones)
    for first, last in runs(~sure):
        low, high = first - 1, last + 1
        if low >= 0 and high < len(sure) and high - first <= most:
            part = (np.arange(first, high) - low) / (high - low)
            turns[first:high, bones] = mix(turns[low, bones], turns[high, bones], part[:, None])
    return replace(moments, turns=turns)


def filled(moments: Moments, times: np.ndarray, total: int) -> Moments:
    """Moments of all `total` frames from those of some, at times (T,).

    Between them they pass over evenly, before and after them they keep still; fit is 0 where nothing was fitted.
    """
    at = np.interp(np.arange(total), times, np.arange(len(times)))
    low = np.minimum(at.astype(int), max(len(times) - 2, 0))
    high = np.minimum(low + 1, len(times) - 1)
    part = at - low
    turns = mix(moments.turns[low], moments.turns[high], part[:, None])
    yaw = moments.yaw[low] + part * (moments.yaw[high] - moments.yaw[low])
    camera = moments.camera[low] + part[:, None] * (moments.camera[high] - moments.camera[low])
    fit = np.zeros(total)
    fit[times] = moments.fit
    return Moments(turns, yaw, camera, fit)
