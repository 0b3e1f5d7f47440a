"""Draws the feet that the photo shows only end on, as the surfaces of footwear.py, where a pose turns them."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from dreampose_core.carry.built import Fragments, Samples, to_pixels, vertex_normals, window_about
from dreampose_core.carry.feet.footwear import SKIN, Footwear, Surface, colours, foot_surfaces, worn
from dreampose_core.carry.fill import bounds, smooth
from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, skin
from pose_tools.body.raster import raster

FOOT_SEEN = 0.15  # visibility of a foot that is built: its form is the figure's, its colours are the photo's
_LIKE, _UNLIKE = np.radians([24, 38])  # of a foot's turn away from the photo's view: the photo's foot, the built one
_SOFT = 0.014  # metres of the photo's height over which leg and foot pass into each other
_SHADE = 0.35  # of the light that a leg takes from the one behind it
_UNDER = 0.005  # metres by which the skin stands back behind the shoe and the leg


def built_share(wear: Footwear, side: str, photo: np.ndarray, now: np.ndarray) -> float:
    """0…1 how far a foot is the built one, from the transforms (B,3,4) of the photo's pose and of this one."""
    if not wear.kind:
        return 0.0
    bone = BONES.index(f"foot.{side}")
    # a foot that is lifted is still one that the photo shows
    headings = [np.arctan2(moved[bone, 0, 1], moved[bone, 1, 1]) for moved in (photo, now)]
    turn = abs((headings[1] - headings[0] + np.pi) % (2 * np.pi) - np.pi)
    return float(np.clip((turn - _LIKE) / (_UNLIKE - _LIKE), 0, 1))


def leg_share(wear: Footwear, built: float, row: np.ndarray, scale: float) -> np.ndarray:
    """(K,) f32: how much of the photo's leg stays at these rows (K,) of the photo; scale: its pixels a metre.

    The built foot comes before the photo's goes, so that one never sees through both."""
    return 1 - smooth(2 * built - 1) * smooth((row - wear.row) / (2 * _SOFT * scale) + 0.5)


def draw_foot(
    wear: Footwear,
    side: str,
    built: float,
    shape: np.ndarray,
    photo: tuple[np.ndarray, Camera],
    now: np.ndarray,
    view: Camera,
) -> Fragments | None:
    """A foot's nearest fragments before the camera `view`. photo: transforms (B,3,4) and camera of the photo; now
    (B,3,4): transforms of the pose; built: see built_share."""
    surfaces = foot_surfaces(wear, shape, side)
    rows = [photo[1].with_depth(skin(surface.points, surface.weights, photo[0]))[:, 1] for surface in surfaces]
    spaces = [skin(surface.points, surface.weights, now).astype(np.float32) for surface in surfaces]
    window, corner = window_about(np.concatenate([view.project(space) for space in spaces]), view)
    if window is None:
        return None
    parts = [
        part
        for surface, space, row in zip(surfaces, spaces, rows, strict=True)
        for part in _fragments(wear, surface, space, row, photo[1].scale, window)
    ]
    if not parts:
        return None
    drawn = to_pixels(parts, window, corner, view.width, FOOT_SEEN)
    return drawn._replace(alpha=smooth(2 * built) * drawn.alpha)


def _fragments(
    wear: Footwear, surface: Surface, space: np.ndarray, row: np.ndarray, scale: float, view: Camera
) -> Iterator[Samples]:
    """One surface, where it is there, with its points at `space` (N,3); row (N,) of the photo in which they lie
    there, scale: its pixels a metre."""
    points = view.with_depth(space)
    hits = raster(points, surface.faces, view.width, view.height)
    if not len(hits.pixel):
        return
    values = np.concatenate(
        [surface.along[:, None], surface.height[:, None], row[:, None], vertex_normals(space, surface.faces)], 1
    ).astype(np.float32)
    values = hits.take(surface.faces, values)
    along, height, row, normal = values[:, 0], values[:, 1], values[:, 2], values[:, 3:]
    colour = colours(wear, surface, along, height, row, scale) * _light(normal)[:, None]
    alpha = np.ones(len(row), np.float32)
    depth = hits.depth
    if surface.piece == SKIN:
        alpha = smooth((row - wear.row) / (2 * _SOFT * scale) + 1.5)
        depth = depth + _UNDER
    keep = worn(wear, surface, along, height) & (alpha > 0.01)
    yield Samples(hits.pixel[keep], *(part[keep].astype(np.float32) for part in (colour, alpha, depth)))


def _light(normal: np.ndarray) -> np.ndarray:
    """(K,) f32 brightness of surfaces with these normals (K,3): 1 where they face the camera, less at the sides and
    below."""
    facing = np.abs(normal[:, 1]) / np.maximum(np.linalg.norm(normal, axis=1), 1e-6)
    return 0.74 + 0.26 * facing


def shade_by(
    far: tuple[np.ndarray, np.ndarray],
    near: tuple[np.ndarray, np.ndarray, np.ndarray],
    size: tuple[int, int],
    unit: float,
) -> np.ndarray:
    """(K,) f32: what is left of the light on fragments of one leg beside the outline of the other where that is nearer,
    so that two legs of one colour do not become one. far: pixel and depth (K,); near: pixel, depth and alpha (M,) of
    the other; size (h,w) of the picture; unit: its pixels for one of 320 rows."""
    cover, depth = np.zeros((2, size[0] * size[1]), np.float32)
    cover[near[0]] = near[2]
    depth[near[0]] = near[2] * near[1]
    there = np.zeros(size, bool)
    there.ravel()[far[0]] = True
    sigma = 1.6 * unit
    here = bounds(there, np.ceil(4 * sigma) + 1)  # a Gaussian ends after four deviations
    for plane in (cover, depth):
        plane.reshape(size)[here] = cv2.GaussianBlur(plane.reshape(size)[here], (0, 0), sigma)
    cover, depth = cover[far[0]], depth[far[0]]
    before = far[1] - depth / np.maximum(cover, 1e-3)
    return 1 - _SHADE * np.clip(2 * cover, 0, 1) * smooth((before - 0.02) / 0.06)
