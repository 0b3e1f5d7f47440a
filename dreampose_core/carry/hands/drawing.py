"""Draws the hands that the photo shows from another side, or hardly at all: the figure's hands, half closed as they
hang, in the colour of the person's skin; and with them bare arms that the photo shows bent, where they are straight:
there the photo shows but a fold of the crook of an elbow."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from dreampose_core.carry.built import Fragments, Samples, to_pixels, vertex_normals, window_about
from dreampose_core.carry.fill import smooth
from dreampose_core.carry.hands.reading import ELBOW, SHOULDER, Hand, beyond_wrist
from dreampose_core.carry.hands.share import SOFT, Built, begin, built_at
from pose_tools.body.camera import Camera
from pose_tools.body.figure import load_figure, rotation_matrices, skin
from pose_tools.body.raster import areas, raster

HAND_SEEN = 0.15  # visibility of a hand that is built: its form is the figure's, its colour is the photo's
_BEFORE = 0.025  # metres by which a hand stands out before cloth, which lies on the body beside it and not in it
_STUMP = 0.04  # metres of arm that are built before the hand, behind the photo's arm: where that is seen from its end
_BEHIND, _SLIM = 0.03, 0.85  # metres by which it stands back, and its width
_FLARE = 0.05  # metres beyond the wrist up to which the hand follows the arm's girth
_GIRT, _LAID = (-0.2, -0.1), (-0.4, -0.1)  # between which a built arm comes to have the wrist's girth and place
_RISING = -0.12, 0.0  # between which it comes before cloth
_REACH, _FREE = 0.014, 0.002  # metres: of the surroundings that take light from a place, and above it
_DIM = 0.55  # of the light: what is left between fingers
_SIDE = 0.82  # of it: what is left on what is seen edge on
_WARM = np.array([0.9, 1.05, 1.08], np.float32)  # shadow on skin is redder than the skin
_ROOT, _BEND = 0.12, 0.015  # metres from the template's wrist at which its fingers part, and over which they bend
_GATHER = 0.9  # of the way by which the figure's fingers are spread


class _Mesh(NamedTuple):
    """points (N,3) at rest, weights (N,B), faces (F,3), along (N,) metres beyond the wrist, open (N,) the share of the
    light that comes between the fingers, normals (N,3) of length 1 at rest."""

    points: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    along: np.ndarray
    open: np.ndarray
    normals: np.ndarray


def draw_hand(hand: Hand, side: str, built: Built, shape: np.ndarray, now: np.ndarray, view: Camera) -> list[Fragments]:
    """The nearest fragments of a hand and its arm, and of a stump that fills what gapes between these and the photo's
    arm, before the camera `view`; none where it shows neither. now (B,3,4): transforms of the pose."""
    first = begin(hand, built)
    mesh = _mesh(hand.to_row().tobytes(), np.asarray(shape, np.float32).tobytes(), side, first)
    space = skin(mesh.points, mesh.weights, now).astype(np.float32)
    window, corner = window_about(view.project(space), view)
    if window is None:
        return []
    points = window.with_depth(space)
    # the far side of a closed surface is never seen
    faces = mesh.faces[areas(points, mesh.faces) < 0]
    hits = raster(points, faces, window.width, window.height)
    if not len(hits.pixel):
        return []
    toward = mesh.weights @ now[:, 1, :3]
    facing = np.abs((mesh.normals * toward).sum(1)) / np.maximum(np.linalg.norm(toward, axis=1), 1e-6)
    along, open_, facing = hits.take(faces, np.float32(np.column_stack([mesh.along, mesh.open, facing]))).T
    edge_on = _SIDE + (1 - _SIDE) * facing
    of_hand = smooth(along, hand.start, hand.start + _FLARE)
    # the arm before a hand that alone is built is as the photo has it
    light = (edge_on if built.arm else 1) * (1 - of_hand) + open_ * edge_on * of_hand
    colour = (_arm_colour(hand, along) + (hand.skin - hand.wrist) * of_hand[:, None]) * light[:, None] ** _WARM
    alpha = smooth((along - first) / (2 * SOFT) + 1.5)
    share = smooth(2 * built_at(hand, built, along))
    before = -_BEFORE * smooth(along, *_RISING) if built.arm else -_BEFORE
    stump = alpha < 1
    parts = (slice(None), alpha, before), (stump, np.ones(stump.sum(), np.float32), _BEHIND)
    out = []
    for where, solid, back in parts:
        depth = np.float32(hits.depth[where] + back)
        sample = Samples(hits.pixel[where], np.float32(colour[where]), np.float32(solid * share[where]), depth)
        out.append(to_pixels([sample], window, corner, view.width, HAND_SEEN))
    return out


def _arm_colour(hand: Hand, along: np.ndarray) -> np.ndarray:
    """(K,3): the arm's colours so many metres (K,) beyond the wrist."""
    if not hand.bare:
        return np.tile(hand.wrist, (len(along), 1))
    first = max(hand.bare, SHOULDER)
    places = [first, max(ELBOW, first / 2), 0.0]
    channels = np.stack([hand.upper, hand.elbow, hand.wrist], -1)
    return np.stack([np.interp(along, places, three) for three in channels], -1)


@lru_cache(maxsize=16)
def _mesh(row: bytes, shape: bytes, side: str, first: float) -> _Mesh:
    hand, figure = Hand.from_row(np.frombuffer(row, np.float32)), load_figure()
    build = np.frombuffer(shape, np.float32)
    rest = _gathered(figure.rest_vertices(build), side)
    along = beyond_wrist(rest, figure, build, side)
    upper, lower, wrist = (figure.bone(f"{bone}.{side}") for bone in ("upperarm01", "lowerarm01", "wrist"))
    fore = figure.weights[:, [lower, wrist]].sum(1) > 0.9
    arm = figure.weights[:, [upper, lower, wrist]].sum(1) > 0.5 if first < ELBOW / 2 else fore
    own = arm & (along > first - _STUMP)
    index, faces = np.unique(figure.faces[own[figure.faces].all(1)], return_inverse=True)
    faces = faces.reshape(-1, 3)
    normals = vertex_normals(rest[index], faces)
    open_ = _DIM + (1 - _DIM) * _open(rest[index], normals)
    joints = figure.rest_joints(build)
    across = np.where(
        (along[index] < ELBOW)[:, None],
        _across(rest[index], joints[upper], joints[lower] - joints[upper]),
        _across(rest[index], rest[fore & (np.abs(along) < 0.01)].mean(0), joints[wrist] - joints[lower]),
    )
    points, along = rest[index], along[index]
    # about the arm's axis the wrist is as wide as the photo's
    wide = 1 + (hand.girth - 1) * smooth(along, *_GIRT) * (1 - smooth(along, 0, _FLARE))
    wide *= _SLIM + (1 - _SLIM) * smooth((along - first) / (2 * SOFT) + 1.5)
    points = points + across * (wide - 1)[:, None] + hand.lie * smooth(along, *_LAID)[:, None]
    return _Mesh(np.float32(points), figure.weights[index], faces, along, open_, normals)


def _across(points: np.ndarray, start: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """(N,3): the way from an axis through start (3,) to points (N,3)."""
    axis = axis / np.linalg.norm(axis)
    out = points - start
    return out - (out @ axis)[:, None] * axis


def _gathered(points: np.ndarray, side: str) -> np.ndarray:
    """Points (V,3) of the figure at rest with the fingers of a hand side by side, as they hang at ease."""
    fingers = _fingers(side)
    ends = [(points[finger.root].mean(0), points[finger.tip]) for finger in fingers]
    middle = np.mean([tip - root for root, tip in ends], 0)
    roots = np.stack([root for root, _ in ends])
    across = np.linalg.svd(roots - roots.mean(0))[2][0]
    normal = np.cross(across, middle)
    normal /= np.linalg.norm(normal)
    out = points.copy()
    for finger, (root, tip) in zip(fingers, ends, strict=True):
        flat = [way - (way @ normal) * normal for way in (tip - root, middle)]
        angle = np.arctan2(np.cross(*flat) @ normal, flat[0] @ flat[1])
        turn = rotation_matrices(finger.share[:, None] * _GATHER * angle * normal)
        out[finger.index] = root + np.einsum("nij,nj->ni", turn, points[finger.index] - root)
    return out


class _Finger(NamedTuple):
    """Vertices (M,) of the figure that are a finger's, share (M,) 0…1 of its turn that each takes; root: the
    vertices at its root; tip: its farthest vertex."""

    index: np.ndarray
    share: np.ndarray
    root: np.ndarray
    tip: int


@lru_cache(maxsize=2)
def _fingers(side: str) -> list[_Finger]:
    """The four fingers, without the thumb."""
    figure = load_figure()
    bone = figure.bone(f"wrist.{side}")
    away = np.linalg.norm(figure.template - figure.joints[bone], axis=1)
    beyond = (figure.weights[:, bone] > 0.5) & (away > _ROOT)
    faces = figure.faces[beyond[figure.faces].all(1)]
    links = np.ones(faces.size), (faces.ravel(), np.roll(faces, 1, 1).ravel())
    _, of = connected_components(coo_array(links, shape=(len(away), len(away))), directed=False)
    pieces = [np.flatnonzero(beyond & (of == piece)) for piece in np.unique(of[faces])]
    pieces = sorted(pieces, key=len)[-5:]
    # the thumb is the one whose root lies farthest from the others
    roots = [piece[away[piece] < _ROOT + 0.008] for piece in pieces]
    centres = np.stack([figure.template[root].mean(0) for root in roots])
    thumb = int(np.linalg.norm(centres - np.median(centres, 0), axis=1).argmax())
    return [
        _Finger(piece, smooth((away[piece] - _ROOT) / _BEND), root, int(piece[away[piece].argmax()]))
        for i, (piece, root) in enumerate(zip(pieces, roots, strict=True))
        if i != thumb
    ]


def _open(points: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(N,) 0…1: how freely light comes to points (N,3) of a surface with these outward normals (N,3), by how much of it
    lies near above each."""
    pairs = cKDTree(points).query_pairs(_REACH, output_type="ndarray")
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    apart = points[pairs[:, 1]] - points[pairs[:, 0]]
    above = (apart * normal[pairs[:, 0]]).sum(1)
    share = above / np.maximum(np.linalg.norm(apart, axis=1), 1e-6) * (above > _FREE)
    near = np.bincount(pairs[:, 0], minlength=len(points))
    return 1 - smooth(np.bincount(pairs[:, 0], share, len(points)) / np.maximum(near, 1), 0.02, 0.3)
