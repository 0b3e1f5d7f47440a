"""When feet stand, and the way that a tracked person takes: from a track to what a Motion needs of it."""

from __future__ import annotations

import numpy as np

from pose_tools.body.figure import Figure, load_figure
from pose_tools.body.footing import SIDES, runs, sole_points
from pose_tools.body.kinematics import chain

SLOW, FAST = 0.2, 0.4    # metres a second of heel or toe: a foot that is slower stands, one that is faster does not
LOW = 0.09               # metres above the ground up to which a foot may stand
GROUND_SECONDS = 0.6     # the lowest foot within so many seconds to either side tells the ground
LEAST_SECONDS = 0.12     # shorter stands and shorter steps are no such thing


def find_contacts(
    figure: Figure, shape: np.ndarray, turns: np.ndarray, yaw: np.ndarray, camera: np.ndarray, fps: float
) -> tuple[np.ndarray, np.ndarray]:
    """contacts (T, 2) bool, left and right foot planted, and lift (T,) metres that the lower foot is off the ground.

    turns (T, B, 3, 3) local rotations; yaw (T,); camera (T, 3): log of px a metre, px x and px y of the root joint.
    """
    metre = np.exp(camera[:, :1])
    rest = figure.rest_joints(shape)
    rotation, joints = chain(figure.parents, rest, turns, yaw, np.zeros((len(yaw), 3)))
    points = sole_points(figure, shape)
    tracks, heights = [], []
    for f, side in enumerate(SIDES):
        bone = figure.bone(f"foot.{side}")
        sole = joints[:, bone, None] + np.einsum("tij,kj->tki", rotation[:, bone], points[f])
        across = sole[..., 0] + (camera[:, 1:2] / metre)
        up = sole[..., 2] - camera[:, 2:3] / metre
        tracks.append(np.stack([across, up], -1))
        heights.append(up.min(1))
    heights = np.stack(heights, 1)
    reach = max(1, round(GROUND_SECONDS * fps))
    padded = np.pad(heights.min(1), reach, "edge")
    ground = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(1)
    contacts = np.zeros((len(yaw), 2), bool)
    for f in range(2):
        # of heel and toe the one that moves less carries the foot
        pace = np.linalg.norm(np.gradient(tracks[f], axis=0) * fps, axis=-1).min(1)
        low = heights[:, f] - ground < LOW
        contacts[:, f] = _without_short(_hysteresis(pace, low), fps)
    lift = np.where(contacts.any(1), 0.0, heights.min(1) - ground)
    return contacts, np.maximum(lift, 0.0)


def _hysteresis(pace: np.ndarray, low: np.ndarray) -> np.ndarray:
    """Where a foot is low and not fast, in stretches that are slow somewhere."""
    maybe, sure = low & (pace < FAST), low & (pace < SLOW)
    out = np.zeros(len(pace), bool)
    for first, last in runs(maybe):
        out[first : last + 1] = sure[first : last + 1].any()
    return out


def _without_short(contact: np.ndarray, fps: float) -> np.ndarray:
    """The same with short steps and then short stands left out."""
    least = LEAST_SECONDS * fps
    contact = contact.copy()
    for wanted in (False, True):
        for first, last in runs(contact == wanted):
            inner = 0 < first and last < len(contact) - 1
            if last - first + 1 < least and inner:
                contact[first : last + 1] = not wanted
    return contact


def leg_length(shape: np.ndarray) -> float:
    """Metres from hip to ankle at rest, the mean of both legs: the measure in which a person's way is told."""
    figure = load_figure()
    rest = figure.rest_joints(np.asarray(shape, np.float64))
    lengths = []
    for side in SIDES:
        hip, knee, ankle = (rest[figure.bone(f"{bone}.{side}")] for bone in ("upperleg01", "lowerleg01", "foot"))
        lengths.append(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee))
    return float(np.mean(lengths))
