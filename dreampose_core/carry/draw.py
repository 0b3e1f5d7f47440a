"""Draws a sheet in a pose: skinned, layer by layer, over the completed background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from dreampose_core.carry.backdrop import contact_shadow
from dreampose_core.carry.cloth.drape import drape, hug
from dreampose_core.carry.cloth.skirt import STILL
from dreampose_core.carry.composite import average, composite, without_steps
from dreampose_core.carry.feet.drawing import built_share, draw_foot, leg_share, shade_by
from dreampose_core.carry.feet.footwear import Footwear
from dreampose_core.carry.fill import bounds
from dreampose_core.carry.fragments import Fragments, draw_layer
from dreampose_core.carry.hands.drawing import draw_hand
from dreampose_core.carry.hands.reading import Hand
from dreampose_core.carry.hands.share import Built, arm_end, arm_share, steady_hands
from dreampose_core.carry.hands.share import built_share as hand_built
from dreampose_core.carry.light import brightness
from dreampose_core.carry.matte import DESIGN_ROWS
from dreampose_core.carry.sheet import Sheet
from dreampose_core.carry.views import ARM_L, ARM_R, LEG_L, LEG_R
from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, Pose, bone_transforms, load_figure, skin
from pose_tools.body.raster import draw_charts

_SAMPLES = 2  # along each axis between neighbouring vertices of the sheet
_LEAST_SHADE = 0.03  # of a shadow at the feet that is drawn


@dataclass(frozen=True, eq=False)
class Carried:
    """One pose. picture (H,W,3) uint8: the person over the completed background; alpha (H,W) f32 0..1: coverage;
    visibility (H,W) f32 0..1: how far the photo saw what is drawn here (1 seen undistorted, low where stretched,
    filled in or on the back, 0 on the background); iuv (H,W,3) uint8: the body's charts in this pose."""

    picture: np.ndarray
    alpha: np.ndarray
    visibility: np.ndarray
    iuv: np.ndarray


def for_film(sheet: Sheet, poses: Sequence[Pose]) -> Sheet:
    """The sheet for a film of these poses, with what has to be decided for all of its frames."""
    film = [bone_transforms(load_figure(), sheet.body.shape, pose) for pose in poses]
    return replace(sheet, hands=steady_hands(sheet.hands, sheet.photo_bones, film))


def carry(sheet: Sheet, pose: Pose, swing: Sequence[float] = STILL) -> Carried:
    """The sheet's person in that pose, seen by the photo's camera; swing (3,): of loose cloth, see cloth/swing.py."""
    body, figure = sheet.body, load_figure()
    height, width = sheet.background.shape[:2]
    transforms = bone_transforms(figure, body.shape, pose)
    blend = sheet.blend(transforms, swing)
    skinned = skin(figure.rest_vertices(body.shape), figure.weights, transforms)
    fine = max(1, round(_SAMPLES / sheet.cell))  # samples a pixel along each axis
    camera = body.camera.scaled(fine)
    hips = transforms[0] @ np.append(figure.rest_joints(body.shape)[0], 1)
    count = len(sheet.place)
    points = np.empty((2 * count, 3), np.float32)
    sides = (points[:count], points[count:]), (sheet.rest_front, sheet.rest_back), *sheet.within
    for end, rest, loose, tight in zip(*sides, strict=True):
        space = np.einsum("nij,nj->ni", blend[:, :, :3], rest) + blend[:, :, 3]
        drape(space, sheet.hang, skinned, hips, loose)
        hug(space, sheet.tight, skinned, tight)
        end[:] = camera.with_depth(space)
    flat = np.abs(np.einsum("nj,nj->n", blend[:, 1, :3], sheet.axis))
    # cloth and limbs show more than the photo's outline from a small turn on, hair from a larger one
    flat = 1 - (1 - flat) * (1 + 1.6 * (1 - sheet.weights[:, BONES.index("head")]))
    facing = np.einsum("nij,snj->sni", blend[:, :, :3], sheet.facing.reshape(2, count, 3))
    bright = brightness(facing.reshape(-1, 3), sheet.light)[:, None]
    size = height * fine, width * fine
    built = _hands(sheet, transforms, camera)
    ends = {arm: arm_end(hand, share) for arm, (hand, share, _) in built.items()}
    layers = [
        draw_layer(sheet, points, flat, bright, layer, size, fine, ends.get(layer, np.inf))
        for layer in range(len(sheet.pieces))
    ]
    for arm, (hand, share, _) in built.items():
        if (drawn := layers[arm]) is not None:
            layers[arm] = replace(drawn, alpha=drawn.alpha * arm_share(hand, share, drawn.beyond))
    _part_legs(layers, size, fine * height / DESIGN_ROWS)
    layers += _feet(sheet, layers, transforms, camera)
    hands = [part for _, _, parts in built.values() for part in parts]
    colour, alpha, visibility, top = composite(layers, hands, height * width * fine**2)
    colour = average(colour.reshape(*size, 3), fine)
    alpha = average(alpha.reshape(size), fine)
    visibility = average(visibility.reshape(size), fine)
    if fine == 1:
        without_steps(colour, alpha, top.reshape(size))
    ground = 1 - alpha
    if sheet.shade > _LEAST_SHADE:
        ground *= 1 - sheet.shade * (1 - contact_shadow(alpha))
    here = bounds(ground < 1)
    picture = sheet.background.copy()
    picture[here] = np.clip(colour[here] + ground[here][..., None] * picture[here] + 0.5, 0, 255)
    visibility = np.clip(cv2.GaussianBlur(visibility, (0, 0), 0.6 * sheet.cell), 0, 1)
    visibility = np.minimum(visibility, alpha)
    return Carried(picture, alpha, visibility, draw_charts(figure, skinned, body.camera))


def _part_legs(layers: list[Fragments | None], size: tuple[int, int], unit: float) -> None:
    """Shades the farther leg (layers, in place) beside the nearer one, as far as the photo does not show how it is."""
    legs = [layers[leg] for leg in (LEG_L, LEG_R)]
    if None in legs:
        return
    for i, leg in enumerate((LEG_L, LEG_R)):
        far, near = legs[i], legs[1 - i]
        light = shade_by((far.pixel, far.depth), (near.pixel, near.depth, near.alpha), size, unit)
        light = 1 - (1 - light) * (1 - far.visibility)
        layers[leg] = replace(far, colour=far.colour * light[:, None])


def _feet(
    sheet: Sheet, layers: list[Fragments | None], transforms: np.ndarray, camera: Camera
) -> list[Fragments | None]:
    """Fragments of the feet that are built, from whose place the legs (layers, in place) are taken away."""
    body = sheet.body
    feet = []
    for leg, (side, wear) in zip((LEG_L, LEG_R), Footwear.each(sheet.footwear), strict=True):
        built = built_share(wear, side, sheet.photo_bones, transforms)
        if not built:
            continue
        drawn = layers[leg]
        if drawn is not None:
            layers[leg] = replace(drawn, alpha=drawn.alpha * leg_share(wear, built, drawn.row, body.camera.scale))
        foot = draw_foot(wear, side, built, body.shape, (sheet.photo_bones, body.camera), transforms, camera)
        feet.append(None if foot is None else Fragments(*foot))
    return feet


def _hands(sheet: Sheet, transforms: np.ndarray, camera: Camera) -> dict[int, tuple[Hand, Built, list[Fragments]]]:
    """By arm the hands that are built, and arms with them: how far, and their fragments."""
    out = {}
    for arm, (side, hand) in zip((ARM_L, ARM_R), Hand.each(sheet.hands), strict=True):
        share = hand_built(hand, side, sheet.photo_bones, transforms)
        if not share.hand or sheet.pieces[arm] is None:
            continue
        parts = draw_hand(hand, side, share, sheet.body.shape, transforms, camera)
        if parts:
            out[arm] = hand, share, [Fragments(*part) for part in parts]
    return out


def smaller(carried: Carried, times: int) -> Carried:
    """The same pose at so many times less of its height and width, which it divides."""
    planes = (average(plane, times) for plane in (carried.picture, carried.alpha, carried.visibility))
    # charts have no mean: those in the middle of the pixels that become one
    return Carried(*planes, np.ascontiguousarray(carried.iuv[times // 2 :: times, times // 2 :: times]))
