"""Where the feet of a moving body stand: from joint rotations and contacts to tracks that do not slide.

The body's own limbs say how the root travels over a planted foot (the foot's lower end, heel or toe, stays where
it is, so a foot rolls without slipping). What is left of sliding is taken out by an offset that moves only while
the foot is in the air (after Kovar, Schreiner and Gleicher, Footskate cleanup for motion capture, 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pose_tools.body.figure import Figure
from pose_tools.body.kinematics import smooth_step

SIDES = "LR"
# mediapipe landmarks of the heel and the toes, left and right, whose places on the body the figure knows
HEEL_TOE = {"L": (29, 31), "R": (30, 32)}
ROLL = 0.01  # metres of height between heel and toe over which the pivot passes from one to the other


def sole_points(figure: Figure, shape: np.ndarray) -> np.ndarray:
    """Heel and toe of each foot as vectors from the ankle at rest: (2 sides, 2 points, 3), at the sole's level."""
    rest = figure.rest_joints(shape)
    anchors = figure.anchors + np.tensordot(shape, figure.anchor_modes, 1)
    vertices = figure.rest_vertices(shape)
    points = np.empty((2, 2, 3))
    for f, side in enumerate(SIDES):
        bone = figure.bone(f"foot.{side}")
        for k, landmark in enumerate(HEEL_TOE[side]):
            at = np.flatnonzero((figure.anchor_index == landmark) & (figure.anchor_bone == bone))[0]
            points[f, k] = anchors[at] - rest[bone]
        points[f, :, 2] = vertices[figure.weights[:, bone] > 0.9, 2].min() - rest[bone, 2]
    return points


def pivot_weights(sole: np.ndarray) -> np.ndarray:
    """How much heel and toe (..., 2, 3) carry the foot: (..., 2), nearly all on the lower one."""
    lift = (sole[..., 1, 2] - sole[..., 0, 2]) / ROLL
    toe = 1 / (1 + np.exp(np.clip(4 * lift, -60, 60)))
    return np.stack([1 - toe, toe], -1)


def pivot_steps(sole: np.ndarray) -> np.ndarray:
    """How far the carrying point moves from each frame to the next: sole (T, 2, 3) -> (T - 1, 3)."""
    weights = pivot_weights(sole)
    weights = (weights[1:] + weights[:-1])[..., None] / 2
    return (weights * np.diff(sole, axis=0)).sum(-2)


def root_path(sole: np.ndarray, contacts: np.ndarray) -> np.ndarray:
    """The root's way (T, 3) when planted feet stay: sole (T, 2 feet, 2, 3) is given with the root at rest.

    Horizontally the root moves against the planted feet (their mean where both stand; on as before where none
    does); vertically the lowest planted point is at height 0.
    """
    frames = len(sole)
    path = np.zeros((frames, 3))
    steps = np.stack([pivot_steps(sole[:, f]) for f in range(2)], 1)
    stands = (contacts[1:] & contacts[:-1]).astype(float)
    velocity = np.zeros(2)
    for t in range(frames - 1):
        if stands[t].any():
            velocity = -(stands[t, :, None] * steps[t, :, :2]).sum(0) / stands[t].sum()
        path[t + 1, :2] = path[t, :2] + velocity
    height = sole[..., 2].min(-1)
    planted = np.where(contacts | ~contacts.any(1, keepdims=True), height, np.inf)
    path[:, 2] = -planted.min(1)
    return path


def runs(contact: np.ndarray) -> list[tuple[int, int]]:
    """First and last frame of each stretch of True in contact (T,)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], contact.astype(int), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


@dataclass(frozen=True)
class Stand:
    """Where a foot stood in the photo, and what the picture asks of the ones between.

    first, last: ankle positions (3,) wanted at the first and the last frame, or None for wherever it falls;
    shift: (2,) horizontal offset of plants between; narrow: 0..1, how much of the path's x is walked;
    ground: height of the soles.
    """

    first: np.ndarray
    last: np.ndarray | None
    shift: np.ndarray
    narrow: float
    ground: float


def plant(ankle: np.ndarray, sole: np.ndarray, contact: np.ndarray, stand: Stand) -> np.ndarray:
    """The offset (T, 3) to add to a foot's track so that it stands still in every contact.

    ankle (T, 3): the track; sole (T, 2, 3): its heel and toe; contact (T,). In the air the offset passes from
    one plant to the next without a jump in velocity or acceleration.
    """
    frames = len(ankle)
    offset = np.zeros((frames, 3))
    slip = np.concatenate([np.zeros((1, 3)), np.cumsum(pivot_steps(sole), 0)])
    planted = runs(contact)
    if not planted or planted[0][0] > 0:
        planted.insert(0, (0, 0))
    if stand.last is not None and planted[-1][1] < frames - 1:
        planted.append((frames - 1, frames - 1))
    for start, end in planted:
        span = slice(start, end + 1)
        if start == 0:
            at, level = 0, stand.first - ankle[0]
        elif stand.last is not None and end == frames - 1:
            at, level = end, stand.last - ankle[end]
        else:
            at = (start + end) // 2
            point = (pivot_weights(sole[at])[:, None] * sole[at]).sum(0)
            narrowed = [(stand.narrow - 1) * ankle[at, 0], 0.0]
            level = np.array([*(stand.shift + narrowed), stand.ground - point[2]])
        offset[span] = level - (slip[span] - slip[at])
    for (_, left), (right, _) in zip(planted[:-1], planted[1:], strict=True):
        inside = np.arange(left + 1, right)
        way = smooth_step((inside - left) / (right - left))[:, None]
        offset[inside] = offset[left] + way * (offset[right] - offset[left])
    offset[planted[-1][1] + 1 :] = offset[planted[-1][1]]
    return offset
