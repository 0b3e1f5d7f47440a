"""Draws the hands that the photo shows from another side, or hardly at all: the figure's hands, half closed as they hang,
in the colour of the person's skin."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from dreampose_core.carry.built import Fragments, Samples, normals, to_pixels, window_about
from dreampose_core.carry.fill import smooth
from dreampose_core.carry.hands.reading import SIDES, Hand, beyond_wrist
from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, load_figure, skin
from pose_tools.body.raster import raster

HAND_SEEN = 0.15  # visibility of a hand that is built: its form is the figure's, its colour is the photo's
_LIKE, _UNLIKE = np.radians([24, 38])  # of a hand's turn away from the photo's view: the photo's hand, the built one
_HIDDEN = np.radians([8, 18])  # the same of a hand that the photo hardly shows
_SOFT = 0.008  # metres over which arm and hand pass into each other
_UNDER = 0.003  # metres by which the built hand stands back behind the arm
_FLARE = 0.05  # metres beyond the wrist up to which the hand follows the arm's girth
_REACH, _FREE = 0.014, 0.002  # metres: of the surroundings that take light from a place, and above it
_DIM = 0.5  # of the light: what is left between fingers


class _Mesh(NamedTuple):
    """points (N,3) at rest, weights (N,B), faces (F,3), along (N,) metres beyond the wrist, open (N,) 0…1 light."""

    points: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    along: np.ndarray
    open: np.ndarray


def built_share(hand: Hand, side: str, photo: np.ndarray, now: np.ndarray) -> float:
    """0…1 how far a hand is the built one, from the transforms (B,3,4) of the photo's pose and of this one.

    What the photo shows of a hand stays true while the hand turns in the picture's plane; but what is torn out from
    behind something is not even then."""
    if not hand.built:
        return 0.0
    bone = BONES.index(f"wrist.{side}")
    first, second = photo[bone, :, :3], now[bone, :, :3]
    seen = np.arccos(np.clip(first[1] @ second[1], -1, 1))
    turned = np.arccos(np.clip((np.trace(first @ second.T) - 1) / 2, -1, 1))
    turn = hand.trust * seen + (1 - hand.trust) * turned
    low, high = hand.trust * np.array([_LIKE, _UNLIKE]) + (1 - hand.trust) * _HIDDEN
    return float(np.clip((turn - low) / (high - low), 0, 1))


def arm_share(hand: Hand, built: float, along: np.ndarray) -> np.ndarray:
    """(K,) f32: how much of the photo's arm stays so many metres (K,) beyond the wrist.

    The built hand comes before the photo's goes, so that one never sees through both."""
    return 1 - smooth(2 * built - 1) * smooth((along - hand.start) / (2 * _SOFT) + 0.5)


def draw_hand(
    hand: Hand, side: str, built: float, shape: np.ndarray, now: np.ndarray, view: Camera
) -> Fragments | None:
    """A hand's nearest fragments before the camera `view`; now (B,3,4): transforms of the pose; built: see
    built_share."""
    mesh = _mesh(hand.to_row().tobytes(), np.asarray(shape, np.float32).tobytes(), side)
    space = skin(mesh.points, mesh.weights, now).astype(np.float32)
    window, corner = window_about(view.project(space), view)
    if window is None:
        return None
    hits = raster(window.with_depth(space), mesh.faces, window.width, window.height)
    if not len(hits.pixel):
        return None
    values = np.concatenate([mesh.along[:, None], mesh.open[:, None], normals(space, mesh.faces)], 1)
    values = hits.take(mesh.faces, values.astype(np.float32))
    along, light, normal = values[:, 0], values[:, 1], values[:, 2:]
    facing = np.abs(normal[:, 1]) / np.maximum(np.linalg.norm(normal, axis=1), 1e-6)
    colour = hand.wrist + (hand.skin - hand.wrist) * smooth(along, hand.start, hand.start + _FLARE)[:, None]
    colour = colour * (light * (0.72 + 0.28 * facing))[:, None]
    alpha = smooth((along - hand.start) / (2 * _SOFT) + 1.5)
    sample = Samples(hits.pixel, colour.astype(np.float32), alpha.astype(np.float32), hits.depth + np.float32(_UNDER))
    drawn = to_pixels([sample], window, corner, view.width, HAND_SEEN)
    return drawn._replace(alpha=smooth(2 * built) * drawn.alpha)


def each_hand(table: np.ndarray) -> Iterator[tuple[str, Hand]]:
    """Side and hand of the rows (2,13) of a sheet."""
    for side, row in zip(SIDES, table, strict=True):
        yield side, Hand.from_row(row)


@lru_cache(maxsize=16)
def _mesh(row: bytes, shape: bytes, side: str) -> _Mesh:
    hand, figure = Hand.from_row(np.frombuffer(row, np.float32)), load_figure()
    build = np.frombuffer(shape, np.float32)
    rest = figure.rest_vertices(build)
    along = beyond_wrist(rest, figure, build, side)
    bones = [BONES.index(f"{bone}.{side}") for bone in ("lowerarm01", "wrist")]
    own = (figure.weights[:, bones].sum(1) > 0.9) & (along > hand.start - 2 * _SOFT - 0.005)
    index, faces = np.unique(figure.faces[own[figure.faces].all(1)], return_inverse=True)
    points, along, faces = rest[index], along[index], faces.reshape(-1, 3)
    light = _DIM + (1 - _DIM) * _open(points, normals(points, faces))
    # about the arm's axis the wrist is as wide as the photo's
    joints = figure.rest_joints(build)[bones]
    axis = (joints[1] - joints[0]) / np.linalg.norm(joints[1] - joints[0])
    centre = points[np.abs(along) < 0.01].mean(0)
    across = points - centre - ((points - centre) @ axis)[:, None] * axis
    wide = hand.girth + (1 - hand.girth) * smooth(along, 0, _FLARE)
    points = points + across * (wide - 1)[:, None] + hand.lie
    return _Mesh(np.float32(points), figure.weights[index], faces, np.float32(along), np.float32(light))


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
