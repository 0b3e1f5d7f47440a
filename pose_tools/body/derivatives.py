"""Derivatives of the posed body, for fitting: how points move when joints turn and the shape changes.

Derivatives follow from the left Jacobian of SO(3) (Sola et al., A micro Lie theory, 2018): turning the rotation
vector of bone i by dw moves everything that hangs on it by (A_parent J_l dw) x (place - joint).
"""
from dataclasses import dataclass

import numpy as np

from pose_tools.body.figure import Figure, rotation_matrices, yaw_matrix


@dataclass(frozen=True)
class Articulation:
    """The bones of a body in a pose, with derivatives. B bones, S modes; world metres, root joint at the origin."""

    turn: np.ndarray         # (B, 3, 3)
    move: np.ndarray         # (B, 3)
    place: np.ndarray        # (B, 3) posed joints
    spin: np.ndarray         # (B, 3, 3): columns are the world axes about which the rotation vector turns
    move_shape: np.ndarray   # (S, B, 3) derivative of `move`


def ancestors(parents: tuple[int, ...]) -> np.ndarray:
    """(B, B) bool: [i, b] says that bone b is bone i or hangs on it."""
    out = np.eye(len(parents), dtype=bool)
    for b, parent in enumerate(parents):
        if parent >= 0:
            out[:, b] |= out[:, parent]
    return out


def left_jacobian(w):
    """(N, 3, 3): turns about the outer axes for changes of the rotation vectors w (N, 3); of -w: about the inner."""
    angle = np.linalg.norm(w, axis=-1)[:, None, None]
    zero = np.zeros(len(w))
    cross = np.stack([zero, -w[:, 2], w[:, 1], w[:, 2], zero, -w[:, 0], -w[:, 1], w[:, 0], zero], -1).reshape(-1, 3, 3)
    small = angle < 1e-4
    safe = np.where(small, 1.0, angle)
    first = np.where(small, 0.5, (1 - np.cos(safe)) / safe**2)
    second = np.where(small, 1 / 6, (safe - np.sin(safe)) / safe**3)
    return np.eye(3) + first * cross + second * (cross @ cross)


def articulate(figure: Figure, shape: np.ndarray, rotations: np.ndarray, yaw: float) -> Articulation:
    """The bones for a shape (S,) and rotations (B, 3), root joint at the origin."""
    bones, modes = len(rotations), len(shape)
    joints = figure.rest_joints(shape)
    turns, jacobians = rotation_matrices(rotations), left_jacobian(rotations)
    turn, move, spin = np.zeros((bones, 3, 3)), np.zeros((bones, 3)), np.zeros((bones, 3, 3))
    move_shape = np.zeros((modes, bones, 3))
    for i, parent in enumerate(figure.parents):
        above = yaw_matrix(yaw) if parent < 0 else turn[parent]
        turn[i] = above @ turns[i]
        move[i] = (above - turn[i]) @ joints[i] + (0 if parent < 0 else move[parent])
        spin[i] = above @ jacobians[i]
        move_shape[:, i] = figure.joint_modes[:, i] @ (above - turn[i]).T
        if parent >= 0:
            move_shape[:, i] += move_shape[:, parent]
    place = np.einsum("bij,bj->bi", turn, joints) + move
    return Articulation(turn, move, place, spin, move_shape)


def rigid_points(state: Articulation, points: np.ndarray, modes: np.ndarray, bone: np.ndarray, above: np.ndarray):
    """Points (N, 3) at rest, each on one bone (N,), posed: (N, 3), and derivatives (N, 3, S + 3B).

    modes (S, N, 3): derivative of the points by shape. above (B, B): from ancestors().
    """
    place = np.einsum("nij,nj->ni", state.turn[bone], points) + state.move[bone]
    by_shape = np.einsum("nij,snj->nis", state.turn[bone], modes) + state.move_shape[:, bone].transpose(1, 2, 0)
    arm = (place[:, None] - state.place[None]) * above[:, bone].T[..., None]
    return place, np.concatenate([by_shape, _swing(state.spin, arm)], 2)


def skinned_points(state: Articulation, points: np.ndarray, modes: np.ndarray, weights: np.ndarray,
                   above: np.ndarray, derive: bool = True):
    """The same for points (N, 3) with skinning weights (N, B); no derivatives (None) unless asked for."""
    n, bones = weights.shape
    by_bone = (points @ state.turn.reshape(-1, 3).T).reshape(n, bones, 3) + state.move
    weighted = by_bone * weights[..., None]
    place = weighted.sum(1)
    if not derive:
        return place, None
    blend = (weights @ state.turn.reshape(bones, 9)).reshape(n, 3, 3)
    moved = weights @ state.move_shape.transpose(1, 2, 0).reshape(bones, -1)
    by_shape = blend @ modes.transpose(1, 2, 0) + moved.reshape(n, 3, -1)
    hung = above.astype(float)
    arm = hung @ weighted - (weights @ hung.T)[..., None] * state.place
    return place, np.concatenate([by_shape, _swing(state.spin, arm)], 2)


def _swing(spin, arm):
    """Columns of spin (B, 3, 3) crossed with arm (N, B, 3): derivatives (N, 3, 3B)."""
    n, bones = arm.shape[:2]
    s, a = spin[None], arm[..., None]
    out = np.stack([s[:, :, 1] * a[:, :, 2] - s[:, :, 2] * a[:, :, 1],
                    s[:, :, 2] * a[:, :, 0] - s[:, :, 0] * a[:, :, 2],
                    s[:, :, 0] * a[:, :, 1] - s[:, :, 1] * a[:, :, 0]], 1)
    return out.reshape(n, 3, 3 * bones)
