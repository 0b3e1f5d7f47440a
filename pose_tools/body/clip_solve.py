"""All frames of a clip solved together: each lies on what was seen in it, and no joint is jerked about between them.

To every frame's own least squares come terms on accelerations, of the root joint's place and of each bone's turn
(in the tangent space of its own turn), and on the way of feet that stand. What a picture says surely is followed;
what it says badly (depth, a hidden arm) comes from the frames around it. What is usual of a joint grows with how it
moves just then, and what is above that costs by its size and not by its square (Huber, 1964): fast limbs stay fast.

The normal equations have blocks beside the diagonal for two frames only; they are solved in stretches, so that memory
does not grow with the clip.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.linalg import solveh_banded

from pose_tools.body.derivatives import ancestors, articulate, left_jacobian, rigid_points
from pose_tools.body.figure import Figure, rotation_matrices, rotation_vectors
from pose_tools.body.footing import pivot_weights
from pose_tools.body.kinematics import about
from pose_tools.body.solve import project_points

STRETCH, AHEAD = 96, 24   # frames solved at a time, and those after them that are looked at too
ROUNDS = 4
# usual accelerations, in radians a second squared; of the place in metres, of the scale in its log
BONES = {"root": 2.0, "spine04": 2.0, "spine02": 2.0, "neck01": 2.0, "head": 2.0, "clavicle": 2.5, "upperarm01": 4.0,
         "lowerarm01": 4.0, "wrist": 4.0, "upperleg01": 3.0, "lowerleg01": 3.0, "foot": 3.0}
SCALE, PLACE = 0.05, 0.5
LIVELY, AROUND = 1.0, 0.3  # beside the usual: what a joint does on the mean in so many seconds to either side
HUBER = 2.0               # times the usual: from here on by size
SLIDE = 0.004             # metres that a standing foot slips between two frames
STEPS = 0.005             # metres between two frames at which a foot is no longer believed to stand
LONGEST = 0.4             # radians or metres in one round

Normal = Callable[[int, np.ndarray], tuple[np.ndarray, np.ndarray]]


class Chain(NamedTuple):
    """T frames of unknowns x (T, D), D = 3 + 3B: log of px a metre, px x, px y of the root joint in the frame, and
    the bones' rotation vectors; yaw (T,) beside them, which stays; seconds (T,): their times."""

    x: np.ndarray
    yaw: np.ndarray
    seconds: np.ndarray


def solve_clip(
    chain: Chain, normal: Normal, figure: Figure, contacts: np.ndarray | None = None,
    report: Callable[[float], None] = lambda done: None,
) -> np.ndarray:
    """The unknowns (T, D) that suit all of three or more frames together.

    normal(k, x): normal matrix (D, D) and gradient (D,) of frame k's own squared residuals at x. chain: to begin with,
    already without most of the trembling, since what it does tells what is usual. figure: with the build of the
    person; contacts (T, 2) bool: left and right foot stand.
    """
    x, count = chain.x.copy(), len(chain.x)
    for first in range(0, count, STRETCH):
        low, high = max(first - 2, 0), min(first + STRETCH + AHEAD, count)
        part = Chain(x[low:high], chain.yaw[low:high], chain.seconds[low:high])
        stands = None if contacts is None else contacts[low:high]
        held, usual = first - low, usual_accelerations(part, figure)
        for turn in range(ROUNDS):
            step = _step(part, lambda k, own, low=low: normal(low + k, own), figure, stands, usual, held)
            part = part._replace(x=part.x + step)
            report((first + (turn + 1) / ROUNDS * min(STRETCH, count - first)) / count)
        x[low:high] = part.x
    return x


def _step(chain: Chain, normal: Normal, figure: Figure, contacts: np.ndarray | None, usual: np.ndarray,
          held: int) -> np.ndarray:
    """The change (T, D) of one round of Gauss and Newton; the first `held` frames stay."""
    frames, size = chain.x.shape
    blocks, gradient = np.zeros((3, frames, size, size)), np.zeros((frames, size))
    for k in range(held, frames):
        blocks[0, k], gradient[k] = normal(k, chain.x[k])
    _add_accelerations(chain, usual, blocks, gradient)
    if contacts is not None:
        _add_stands(chain, figure, contacts, blocks, gradient)
    diagonal = np.einsum("tii->ti", blocks[0])
    diagonal += 1e-3 * diagonal + 1e-6
    diagonal[:held] = 1e12
    step = -solveh_banded(_banded(blocks), gradient.ravel(), lower=True, check_finite=False).reshape(frames, size)
    step[:held] = 0
    longest = np.abs(step[:, 3:]).max(1, keepdims=True)
    return step * np.minimum(1, LONGEST / (longest + 1e-12))


def _accelerations(chain: Chain) -> tuple[np.ndarray, np.ndarray]:
    """Of the inner frames, (T - 2, 2 + B, 3): scale, place in metres, and turns in the bones' own tangent spaces.

    And the shares (3, T - 2) that a frame, the one before and the one after have in it.
    """
    x, frames = chain.x, len(chain.x)
    gaps = np.diff(chain.seconds)
    share = np.stack([1 / gaps[:-1], -1 / gaps[:-1] - 1 / gaps[1:], 1 / gaps[1:]]) * 2 / (gaps[:-1] + gaps[1:])
    camera = sum(share[i][:, None] * x[i : frames - 2 + i, :3] for i in range(3))
    world = rotation_matrices(x[:, 3:].reshape(frames, -1, 3))
    world[:, 0] = about(2, chain.yaw) @ world[:, 0]
    before, after = (rotation_vectors(np.swapaxes(world[1:-1], -1, -2) @ other) for other in (world[:-2], world[2:]))
    turn = share[0][:, None, None] * before + share[2][:, None, None] * after
    out = np.zeros((frames - 2, 2 + turn.shape[1], 3))
    out[:, 0, 0] = camera[:, 0]
    out[:, 1, 1:] = camera[:, 1:] / np.exp(np.median(x[:, 0]))
    out[:, 2:] = turn
    return out, share


def usual_accelerations(chain: Chain, figure: Figure) -> np.ndarray:
    """(T - 2, 2 + B): what is usual of a joint, and more where it moves fast for a while."""
    usual = np.array([SCALE, PLACE, *(BONES[name.split(".")[0]] for name in figure.bone_names)])
    size = np.linalg.norm(_accelerations(chain)[0], axis=-1)
    reach = max(1, round(AROUND / np.median(np.diff(chain.seconds))))
    around = np.lib.stride_tricks.sliding_window_view(np.pad(size, ((reach, reach), (0, 0)), "edge"), 2 * reach + 1, 0)
    lively = np.concatenate([np.zeros((len(size), 1)), around.mean(-1)[:, 1:]], 1)
    return np.hypot(usual, LIVELY * lively)


def _add_accelerations(chain: Chain, usual: np.ndarray, blocks: np.ndarray, gradient: np.ndarray) -> None:
    x, frames = chain.x, len(chain.x)
    found, share = _accelerations(chain)
    metre = np.exp(np.median(x[:, 0]))
    off = np.linalg.norm(found, axis=-1) / usual
    weight = np.minimum(1, HUBER / np.maximum(off, 1e-9)) / usual**2
    value = _flat(found * weight[..., None], metre)
    weight = _flat(np.repeat(weight[..., None], 3, -1), metre**2)
    # a small turn of the rotation vector, in the bone's own tangent space
    own = np.stack([left_jacobian(-each) for each in x[:, 3:].reshape(frames, -1, 3)])
    for i in range(3):
        at = np.arange(frames - 2) + i
        gradient[at] += share[i][:, None] * _through(own[at], value)
        for j in range(i + 1):
            there = np.arange(frames - 2) + j
            blocks[i - j, there] += (share[i] * share[j])[:, None, None] * _pair(own[at], weight, own[there])


def _flat(values: np.ndarray, unit: float) -> np.ndarray:
    """Values (T, 2 + B, 3) of accelerations as those of the unknowns (T, D), places over `unit`."""
    return np.concatenate([values[:, 0, :1], values[:, 1, 1:] / unit, values[:, 2:].reshape(len(values), -1)], 1)


def _through(own: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Values (T, D) in tangent spaces, as those of the unknowns."""
    turned = np.einsum("tbji,tbj->tbi", own, value[:, 3:].reshape(len(value), -1, 3))
    return np.concatenate([value[:, :3], turned.reshape(len(value), -1)], 1)


def _pair(one: np.ndarray, weight: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(T, D, D): the weights (T, D) between the unknowns of two frames."""
    frames, bones = one.shape[:2]
    out = np.zeros((frames, 3 + 3 * bones, 3 + 3 * bones))
    for c in range(3):
        out[:, c, c] = weight[:, c]
    inner = np.einsum("tbji,tbj,tbjk->tbik", one, weight[:, 3:].reshape(frames, bones, 3), other)
    for b in range(bones):
        out[:, 3 + 3 * b : 6 + 3 * b, 3 + 3 * b : 6 + 3 * b] = inner[:, b]
    return out


def _add_stands(
    chain: Chain, figure: Figure, contacts: np.ndarray, blocks: np.ndarray, gradient: np.ndarray
) -> None:
    """Feet that stand in two frames keep their place between them: the point that carries, heel or toe."""
    above, shape = ancestors(figure.parents), np.zeros(0)
    wanted = contacts.any(1)
    tracks: list = [None] * len(chain.x)
    rows = [[np.flatnonzero((figure.anchor_index == mark) & (figure.anchor_bone == figure.bone(f"foot.{side}")))[0]
             for mark in marks] for side, marks in (("L", (29, 31)), ("R", (30, 32)))]
    flat = np.ravel(rows)
    for k in np.flatnonzero(wanted):
        state = articulate(figure, shape, chain.x[k, 3:].reshape(-1, 3), chain.yaw[k])
        places, by = rigid_points(state, figure.anchors[flat], figure.anchor_modes[:, flat], figure.anchor_bone[flat],
                                  above)
        pixels, by_pixel = project_points(chain.x[k], places, by)
        tracks[k] = places.reshape(2, 2, 3), pixels.reshape(2, 2, 2), by_pixel.reshape(2, 2, 2, -1)
    metre = np.exp(np.median(chain.x[:, 0]))
    for k in range(len(chain.x) - 1):
        for foot in np.flatnonzero(contacts[k] & contacts[k + 1]):
            (solid, at, by), (solid_next, at_next, by_next) = tracks[k], tracks[k + 1]
            carry = pivot_weights((solid[foot] + solid_next[foot]) / 2)
            slip = carry @ (at_next[foot] - at[foot])
            here, there = (np.tensordot(carry, each[foot], 1) for each in (by, by_next))
            weight = 1 / (SLIDE * metre) ** 2 / (1 + (np.linalg.norm(slip) / (STEPS * metre)) ** 2) ** 2
            gradient[k] -= weight * here.T @ slip
            gradient[k + 1] += weight * there.T @ slip
            blocks[0, k] += weight * here.T @ here
            blocks[0, k + 1] += weight * there.T @ there
            blocks[1, k] -= weight * there.T @ here


def _banded(blocks: np.ndarray) -> np.ndarray:
    """Lower bands of the matrix whose blocks (frame + d, frame) are blocks[d, frame]."""
    reach, frames, size, _ = blocks.shape
    out = np.zeros((reach * size, frames * size))
    row, column = np.mgrid[:size, :size]
    for d in range(reach):
        use = (row >= column) if d == 0 else np.ones_like(row, bool)
        p, q = row[use], column[use]
        at = np.arange(frames - d) if d else np.arange(frames)
        out[(d * size + p - q)[None], at[:, None] * size + q[None]] = blocks[d, : frames - d][:, p, q]
    return out
