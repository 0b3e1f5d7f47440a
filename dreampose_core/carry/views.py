"""The fitted body as the analysis sees it: one view for each group of parts, from the front and from behind."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dreampose_core.carry.fill import between
from pose_tools.body.camera import Camera
from pose_tools.body.figure import Figure, skin
from pose_tools.body.raster import areas, raster

# The groups, which are also the layers of a sheet. Left and right are the person's own.
TRUNK, ARM_L, ARM_R, LEG_L, LEG_R = range(5)
GROUPS = 5
NO_GROUP = -1
_PARTS = {
    TRUNK: (1, 2, 23, 24),
    ARM_L: (4, 15, 17, 19, 21),
    ARM_R: (3, 16, 18, 20, 22),
    LEG_L: (5, 8, 10, 12, 14),
    LEG_R: (6, 7, 9, 11, 13),
}
HEAD_PARTS, HAND_PARTS = (23, 24), (3, 4)
UPPER_ARM_PARTS, LOWER_ARM_PARTS = (15, 16, 17, 18), (19, 20, 21, 22)


@dataclass(frozen=True)
class Tube:
    """One group of the body drawn alone: what it covers (h,w) bool, the depth in metres of its front and its back
    surface (h,w) f32, and the mean skinning weights of the two (h,w,B) f32; zero where it does not cover. closed
    (h,w) bool: where it covers and one does not look into its open end, whose depth says nothing."""

    covers: np.ndarray
    closed: np.ndarray
    front: np.ndarray
    back: np.ndarray
    weights: np.ndarray


@dataclass(frozen=True)
class BodyView:
    """group (h,w) int8: which group is seen, NO_GROUP outside; part (h,w) uint8 charts; tubes of each group, and
    shoulders, of trunk and arm as one: {ARM_L: …, ARM_R: …}."""

    group: np.ndarray
    part: np.ndarray
    tubes: tuple[Tube, ...]
    shoulders: dict[int, Tube]


def part_groups() -> np.ndarray:
    """(25,) int8: the group of each chart."""
    table = np.full(25, NO_GROUP, np.int8)
    for group, parts in _PARTS.items():
        table[list(parts)] = group
    return table


def view_body(figure: Figure, shape: np.ndarray, transforms: np.ndarray, camera: Camera) -> BodyView:
    """The body with bone transforms (B,3,4) before that camera."""
    points = camera.with_depth(skin(figure.rest_vertices(shape), figure.weights, transforms)).astype(
        np.float32
    )
    table = part_groups()
    face_group = table[figure.part]
    hits = raster(points, figure.faces, camera.width, camera.height)
    part = np.zeros(camera.height * camera.width, np.uint8)
    part[hits.pixel] = figure.part[hits.face]
    part = part.reshape(camera.height, camera.width)

    def tube(*groups: int) -> Tube:
        return _tube(figure, points, figure.faces[np.isin(face_group, groups)], camera)

    shoulders = {arm: tube(TRUNK, arm) for arm in (ARM_L, ARM_R)}
    return BodyView(table[part], part, tuple(map(tube, range(GROUPS))), shoulders)


def _tube(figure: Figure, points: np.ndarray, faces: np.ndarray, camera: Camera) -> Tube:
    height, width = camera.height, camera.width
    outward = areas(points, faces) < 0  # turned to the camera
    front = raster(points, faces, width, height)
    back = raster(points * np.array([1, 1, -1], np.float32), faces, width, height)
    depth = np.zeros((2, height * width), np.float32)
    depth[0, front.pixel], depth[1, back.pixel] = front.depth, -back.depth
    weights = np.zeros((height * width, figure.weights.shape[1]), np.float32)
    weights[front.pixel] = front.take(faces, figure.weights) * 0.5
    weights[back.pixel] += back.take(faces, figure.weights) * 0.5
    covers, closed = np.zeros((2, 2, height * width), bool)
    covers[0, front.pixel], covers[1, back.pixel] = True, True
    closed[0, front.pixel], closed[1, back.pixel] = outward[front.face], ~outward[back.face]
    covers, closed = covers.all(0), closed.all(0)
    depth[:, ~covers], weights[~covers] = 0, 0
    planes = (plane.reshape(height, width) for plane in (covers, closed, *depth))
    return Tube(*planes, weights.reshape(height, width, -1))


def union(tubes: tuple[Tube, ...]) -> Tube:
    """Several groups as one body: the nearest front, the farthest back, the mean of the weights."""
    covers = np.logical_or.reduce([t.covers for t in tubes])
    front = np.min([np.where(t.covers, t.front, np.inf) for t in tubes], 0)
    back = np.max([np.where(t.covers, t.back, -np.inf) for t in tubes], 0)
    count = np.sum([t.covers for t in tubes], 0)[..., None]
    weights = np.sum([t.weights for t in tubes], 0) / np.maximum(count, 1)
    closed = np.logical_or.reduce([t.closed for t in tubes])
    return Tube(covers, closed, np.where(covers, front, 0), np.where(covers, back, 0), weights.astype(np.float32))


def within(tube: Tube, where: np.ndarray) -> Tube:
    """The part of a tube that lies in the mask (h,w) bool."""
    covers = tube.covers & where
    return Tube(
        covers,
        tube.closed & where,
        np.where(covers, tube.front, 0),
        np.where(covers, tube.back, 0),
        tube.weights * covers[..., None],
    )


def between_legs(view: BodyView) -> np.ndarray:
    """(h,w) bool: pixels of the picture between the two legs of their row, and the legs themselves."""
    left, right = view.tubes[LEG_L].covers, view.tubes[LEG_R].covers
    both = left | right
    return between(both) & (left.any(1) & right.any(1))[:, None]
