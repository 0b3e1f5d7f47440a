"""A layer's surface laid out flat, front and sides in one piece, so that cloth can go on around it at its true size.

Works on the analysis grid; lengths in its pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from dreampose_core.carry.fill import bleed, nearest

_ROUNDS = 6
_TOUCH = 0.75  # pixels of depth between front and back where a layer closes
_FLAT = 1e-3  # how much a vertex of the front is drawn to its place in the photo


@dataclass(frozen=True)
class Unrolled:
    """A layer of n vertices on its front and as many on its back. at (2n,2) f32: where each lies on the flat plane,
    (x, y), which is about its place in the photo where the front is flat; faces (F,3): those that were laid out,
    numbered alike; facing (2n,) f32: cosine of the angle at which the photo's camera sees the surface, front or back.
    """

    at: np.ndarray
    faces: np.ndarray
    facing: np.ndarray


def unroll(
    place: np.ndarray, front: np.ndarray, back: np.ndarray, faces: np.ndarray, around: np.ndarray, hangs: bool = False
) -> Unrolled:
    """Lays a layer out as rigidly as possible (Liu et al., A local/global approach to mesh parameterization, 2008);
    where it hangs its level lines stay level, as the checks of a flared skirt do, if not its angles.

    place (n,2) pixels; front, back (n,) depth in pixels; faces (F,3) of the front; around (n,) bool: vertices whose
    back is laid out beside the front.
    """
    count = len(place)
    closed = back - front < _TOUCH
    same = np.concatenate([np.arange(count), np.where(closed, np.arange(count), count + np.arange(count))])
    wing = faces[around[faces].any(1) & ~closed[faces].all(1)][:, ::-1] + count
    every = np.concatenate([faces, wing])
    space = np.concatenate([np.column_stack([place, front]), np.column_stack([place, back])]).astype(np.float64)
    facing = _facing(space, np.concatenate([faces, faces[:, ::-1] + count]), count)
    start = np.concatenate([place, _reflected(place, closed)]).astype(np.float64)
    if not len(every):
        return Unrolled(start.astype(np.float32), every, facing)
    joined = same[every]
    used, small = np.unique(joined, return_inverse=True)
    laid = _as_rigid(space[used], small.reshape(joined.shape), start[used], used < count, hangs)
    at = start
    at[used] = laid
    at = at[same]
    # what was not laid out lies where its neighbours on the plane do
    known = np.zeros(2 * count, bool)
    known[every] = True
    known |= known[same]
    return Unrolled(at.astype(np.float32), every, facing) if known.all() else Unrolled(
        _as_neighbours(at, place, known, count).astype(np.float32), every, facing
    )


def _reflected(place: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """(n,2): the places mirrored at the nearest vertex where the layer closes."""
    if not closed.any():
        return place.copy()
    corner = np.floor(place.min(0)).astype(int)
    cells = np.floor(place).astype(int) - corner
    rim = np.zeros(cells.max(0)[::-1] + 1, bool)
    rim[cells[closed, 1], cells[closed, 0]] = True
    rows, columns = nearest(rim)
    at = np.stack([columns, rows], -1)[cells[:, 1], cells[:, 0]] + corner + 0.5
    return 2 * at - place


def _as_neighbours(at: np.ndarray, place: np.ndarray, known: np.ndarray, count: int) -> np.ndarray:
    """(2n,2): at (2n,2), in place, with what is not known of it (2n,) shifted as its neighbours in the photo are."""
    corner = np.floor(place.min(0)).astype(int)
    cells = np.floor(place).astype(int) - corner
    for half in (slice(0, count), slice(count, 2 * count)):
        if not known[half].any():
            continue
        there = np.zeros(cells.max(0)[::-1] + 1, bool)
        shift = np.zeros((*there.shape, 2))
        there[cells[known[half], 1], cells[known[half], 0]] = True
        shift[cells[:, 1], cells[:, 0]] = at[half] - place
        filled = bleed(shift, there)[cells[:, 1], cells[:, 0]]
        at[half] = np.where(known[half, None], at[half], place + filled)
    return at


def _facing(space: np.ndarray, faces: np.ndarray, count: int) -> np.ndarray:
    edges = space[faces[:, 1:]] - space[faces[:, :1]]
    normal = np.cross(edges[:, 0], edges[:, 1])
    total = np.zeros((2 * count, 3))
    for i in range(3):
        for axis in range(3):
            total[:, axis] += np.bincount(faces[:, i], normal[:, axis], 2 * count)
    return (np.abs(total[:, 2]) / np.maximum(np.linalg.norm(total, axis=1), 1e-9)).astype(np.float32)


def _as_rigid(space: np.ndarray, faces: np.ndarray, start: np.ndarray, front: np.ndarray, hangs: bool) -> np.ndarray:
    """(N,2) places of the vertices (N,3) on the plane, from start (N,2) on."""
    first, second = (space[faces[:, i]] - space[faces[:, 0]] for i in (1, 2))
    length = np.maximum(np.linalg.norm(first, axis=1), 1e-3)
    along = (first * second).sum(1) / length
    up = np.sqrt(np.maximum((second**2).sum(1) - along**2, 1e-3))
    area = length * up / 2
    # gradients of the corners' hat functions in the triangle's own plane, where its first edge is the x axis
    slope = np.zeros((len(faces), 3, 2))
    slope[:, 1] = np.stack([1 / length, -along / (length * up)], -1)
    slope[:, 2] = np.stack([np.zeros(len(faces)), 1 / up], -1)
    slope[:, 0] = -slope[:, 1] - slope[:, 2]
    stiff = np.einsum("f,fid,fjd->fij", area, slope, slope)
    rows, columns = np.repeat(faces, 3, 1).ravel(), np.tile(faces, 3).ravel()
    pull = np.where(front, _FLAT, 1e-6)
    system = sparse.coo_matrix((stiff.ravel(), (rows, columns)), (len(space),) * 2) + sparse.diags(pull)
    solver = splu(system.tocsc(), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    # the way down, in each triangle's own plane
    fall = np.stack([first[:, 1] / length, (second[:, 1] - along * first[:, 1] / length) / up], -1) * hangs
    steep = np.linalg.norm(fall, axis=1)  # 1 where the surface is upright, less on shoulders
    fall, level = fall * steep[:, None] ** 7, 1 - np.minimum(steep, 1) ** 8
    at = start
    for _ in range(_ROUNDS):
        turn = np.einsum("fic,fid->fcd", at[faces], slope)
        a, b = turn[:, 0, 0] + turn[:, 1, 1], turn[:, 1, 0] - turn[:, 0, 1]
        size = np.maximum(np.hypot(a, b), 1e-9)
        a, b = a / size * level + fall[:, 1], b / size * level + fall[:, 0]
        size = np.maximum(np.hypot(a, b), 1e-9)
        a, b = a / size, b / size
        rigid = np.stack([np.stack([a, -b], -1), np.stack([b, a], -1)], 1)
        push = np.einsum("f,fid,fcd->fic", area, slope, rigid)
        right = pull[:, None] * start
        for axis in range(2):
            right[:, axis] += np.bincount(faces.ravel(), push[..., axis].ravel(), len(space))
        at = solver.solve(right)
    return at
