"""Whole motions at once: bone chains over time, blends of rotations, and two-bone leg solving.

Arrays lead with time T. Conventions (axes, rest-axis rotations, yaw) are those of pose_tools.body.figure; knees
bend about +x, hips swing forward about -x, and a heading of psi faces (sin psi, -cos psi).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pose_tools.body.figure import rotation_matrices, rotation_vectors

FORWARD = np.array([0.0, -1.0, 0.0])


def wrap(angle: float) -> float:
    """The same angle in radians from -pi to below pi."""
    return float(np.mod(angle + np.pi, 2 * np.pi) - np.pi)


def about(axis: int, angle: np.ndarray | float) -> np.ndarray:
    """Rotations (..., 3, 3) by angle (...) radians about x (0), y (1) or z (2)."""
    vector = np.zeros((*np.shape(angle), 3))
    vector[..., axis] = angle
    return rotation_matrices(vector)


def mix(first: np.ndarray, second: np.ndarray, weight: np.ndarray | float) -> np.ndarray:
    """Shortest-way blend of rotations (..., 3, 3): weight 0 gives first, 1 second (Shoemake's slerp, 1985)."""
    between = rotation_vectors(np.swapaxes(first, -1, -2) @ second)
    return first @ rotation_matrices(between * np.asarray(weight)[..., None])


def heading(rotation: np.ndarray) -> np.ndarray:
    """Direction (...) in radians that a bone with world rotation (..., 3, 3) faces on the ground."""
    facing = rotation @ FORWARD
    return np.arctan2(facing[..., 0], -facing[..., 1])


def smooth_step(x: np.ndarray | float) -> np.ndarray:
    """0 to 1 over x in 0..1 with no velocity and no acceleration at either end (Perlin's quintic, 2002)."""
    x = np.clip(x, 0.0, 1.0)
    return x * x * x * (x * (6 * x - 15) + 10)


def chain(
    parents: Sequence[int], rest: np.ndarray, local: np.ndarray, yaw: np.ndarray, root: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """World rotations (T, B, 3, 3) and joints (T, B, 3).

    rest (B, 3): joints at rest; local (T, B, 3, 3): rotations to the parent; yaw (T,); root (T, 3): where the
    root joint is.
    """
    rotation = np.empty_like(local)
    joints = np.empty(local.shape[:-1])
    for i, parent in enumerate(parents):
        if parent < 0:
            rotation[:, i] = about(2, yaw) @ local[:, i]
            joints[:, i] = root
        else:
            rotation[:, i] = rotation[:, parent] @ local[:, i]
            joints[:, i] = joints[:, parent] + rotation[:, parent] @ (rest[i] - rest[parent])
    return rotation, joints


def leg_reach(thigh: np.ndarray, shin: np.ndarray) -> float:
    """The longest distance from hip to ankle; thigh and shin (3,) are the bones' vectors at rest."""
    return float(np.hypot(np.hypot(*thigh[1:]) + np.hypot(*shin[1:]), thigh[0] + shin[0]))


def solve_leg(
    pelvis: np.ndarray, hip: np.ndarray, upper: np.ndarray, lower: np.ndarray, ankle: np.ndarray,
    sole: np.ndarray, thigh: np.ndarray, shin: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Local rotations (T, 3, 3) of upper leg, lower leg and foot that bring the ankle where it is wanted.

    pelvis (T, 3, 3): world rotation of the parent; hip (T, 3); upper, lower (T, 3, 3): local rotations to start
    from, which keep their twist, so that the knee goes on facing where it faced; ankle (T, 3) and sole
    (T, 3, 3): where the ankle and how the foot shall be in the world; thigh, shin (3,): bone vectors at rest.
    The knee bends forward only. An ankle out of reach is reached for with a straight leg.

    The distance hip to ankle fixes the knee: with v the shin after the knee's own twist, the law of cosines
    reads a cos(k) + b sin(k) = c in the knee angle k about x.
    """
    residue = about(0, -2 * np.arctan2(*_twist_about_x(lower))) @ lower
    v = residue @ shin
    a = thigh[1] * v[:, 1] + thigh[2] * v[:, 2]
    b = thigh[2] * v[:, 1] - thigh[1] * v[:, 2]
    wanted = ankle - hip
    distance = np.linalg.norm(wanted, axis=-1)
    c = (distance**2 - thigh @ thigh - shin @ shin) / 2 - thigh[0] * v[:, 0]
    k = np.arctan2(b, a) + np.arccos(np.clip(c / np.hypot(a, b), -1, 1))
    lower = about(0, k) @ residue
    world = pelvis @ upper
    now = np.einsum("tij,tj->ti", world, thigh + lower @ shin)
    world = _turn(now, wanted) @ world
    foot = np.swapaxes(world @ lower, -1, -2) @ sole
    return np.swapaxes(pelvis, -1, -2) @ world, lower, foot


def _twist_about_x(rotation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of half the turn about x that a rotation contains (swing-twist decomposition)."""
    vector = rotation_vectors(rotation)
    angle = np.linalg.norm(vector, axis=-1)
    scale = np.where(angle > 1e-9, np.sin(angle / 2) / np.maximum(angle, 1e-9), 0.5)
    return vector[..., 0] * scale, np.cos(angle / 2)


def _turn(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Smallest rotations (T, 3, 3) that turn directions first (T, 3) into second (T, 3)."""
    first = first / np.linalg.norm(first, axis=-1, keepdims=True)
    second = second / np.linalg.norm(second, axis=-1, keepdims=True)
    axis = np.cross(first, second)
    sine = np.linalg.norm(axis, axis=-1)
    angle = np.arctan2(sine, (first * second).sum(-1))
    return rotation_matrices(axis * (angle / np.maximum(sine, 1e-12))[:, None])


def cover(values: np.ndarray, reach: int) -> np.ndarray:
    """A smooth curve (T,) nowhere below values (T,): the largest within `reach` frames, averaged as far."""
    window = 2 * reach + 1
    wide = np.lib.stride_tricks.sliding_window_view(np.pad(values, reach, "edge"), window).max(1)
    kernel = np.hanning(window + 2)[1:-1]
    return np.convolve(np.pad(wide, reach, "edge"), kernel / kernel.sum(), "valid")
