"""Draws a sheet in a pose: skinned, layer by layer through a z-buffer, over the completed background."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.sparse import csr_array, vstack

from dreampose_core.carry.backdrop import contact_shadow
from dreampose_core.carry.cloth.drape import drape, hug
from dreampose_core.carry.cloth.skirt import STILL
from dreampose_core.carry.feet.drawing import built_share, draw_foot, leg_share, shade_by
from dreampose_core.carry.feet.footwear import Footwear
from dreampose_core.carry.fill import bounds, disc, smooth
from dreampose_core.carry.hands.drawing import arm_end, arm_share, draw_hand, steady_hands
from dreampose_core.carry.hands.drawing import built_share as hand_built
from dreampose_core.carry.hands.reading import Hand
from dreampose_core.carry.head.around import Around
from dreampose_core.carry.light import brightness
from dreampose_core.carry.matte import DESIGN_ROWS
from dreampose_core.carry.piece import Piece
from dreampose_core.carry.sheet import Sheet
from dreampose_core.carry.views import ARM_L, ARM_R, LEG_L, LEG_R, TRUNK
from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, Pose, bone_transforms, load_figure, skin
from pose_tools.body.raster import Hits, areas, draw_charts, raster

_SAMPLES = 2  # along each axis between neighbouring vertices of the sheet
_PACK = 512  # hits are sampled as rows of this many
_STEP = 0.7  # pixels over which an outline is mixed, where a pixel has one sample
_LEAST_SHADE = 0.03  # of a shadow at the feet that is drawn
_FRINGE = 1.5  # cells of a sheet by which its soft fringe goes beyond it
_SLEEVE = 0.05  # metres before the end of an arm whose hand is built where one may see inside
_UNSEEN_DEPTH = 0.07  # metres by which filled places stand back behind seen ones of another layer


@dataclass(frozen=True, eq=False)
class Carried:
    """One pose. picture (H,W,3) uint8: the person over the completed background; alpha (H,W) f32 0..1: coverage;
    visibility (H,W) f32 0..1: how far the photo saw what is drawn here (1 seen undistorted, low where stretched,
    filled in or on the back, 0 on the background); iuv (H,W,3) uint8: the body's charts in this pose."""

    picture: np.ndarray
    alpha: np.ndarray
    visibility: np.ndarray
    iuv: np.ndarray


@dataclass(frozen=True)
class _Drawn:
    """A layer's fragments: pixel (K,) of the fine grid, colour (K,3) and alpha (K,) f32, depth, visibility (K,);
    row (K,) of the photo from which each was taken, beyond (K,) metres past an arm's wrist; None of what is built."""

    pixel: np.ndarray
    colour: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray
    visibility: np.ndarray
    row: np.ndarray | None = None
    beyond: np.ndarray | None = None


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
    tight, deep = sheet.tight
    for end, rest, own in zip((points[:count], points[count:]), (sheet.rest_front, sheet.rest_back), deep, strict=True):
        space = np.einsum("nij,nj->ni", blend[:, :, :3], rest) + blend[:, :, 3]
        drape(space, sheet.hang, skinned, hips)
        hug(space, tight, skinned, own)
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
        _draw_layer(sheet, points, flat, bright, layer, size, fine, ends.get(layer, np.inf))
        for layer in range(len(sheet.pieces))
    ]
    for arm, (hand, share, _) in built.items():
        if (drawn := layers[arm]) is not None:
            layers[arm] = replace(drawn, alpha=drawn.alpha * arm_share(hand, share, drawn.beyond))
    _part_legs(layers, size, fine * height / DESIGN_ROWS)
    layers += _feet(sheet, layers, transforms, camera)
    hands = [part for _, _, parts in built.values() for part in parts]
    colour, alpha, visibility = _composite(layers, hands, height * width * fine**2)
    colour = _average(colour.reshape(*size, 3), fine)
    alpha = _average(alpha.reshape(size), fine)
    visibility = _average(visibility.reshape(size), fine)
    if fine == 1:
        _without_steps(colour, alpha)
    ground = 1 - alpha
    if sheet.shade > _LEAST_SHADE:
        ground *= 1 - sheet.shade * (1 - contact_shadow(alpha))
    here = bounds(ground < 1)
    picture = sheet.background.copy()
    picture[here] = np.clip(colour[here] + ground[here][..., None] * picture[here] + 0.5, 0, 255)
    visibility = np.clip(cv2.GaussianBlur(visibility, (0, 0), 0.6 * sheet.cell), 0, 1)
    visibility = np.minimum(visibility, alpha)
    return Carried(picture, alpha, visibility, draw_charts(figure, skinned, body.camera))


def _part_legs(layers: list[_Drawn | None], size: tuple[int, int], unit: float) -> None:
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
    sheet: Sheet, layers: list[_Drawn | None], transforms: np.ndarray, camera: Camera
) -> list[_Drawn | None]:
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
        feet.append(None if foot is None else _Drawn(*foot))
    return feet


def _hands(
    sheet: Sheet, transforms: np.ndarray, camera: Camera
) -> dict[int, tuple[Hand, float, list[_Drawn]]]:
    """By arm the hands that are built: how far, and their fragments."""
    out = {}
    for arm, (side, hand) in zip((ARM_L, ARM_R), Hand.each(sheet.hands), strict=True):
        share = hand_built(hand, side, sheet.photo_bones, transforms)
        if not share or sheet.pieces[arm] is None:
            continue
        parts = draw_hand(hand, side, share, sheet.body.shape, transforms, camera)
        if parts:
            out[arm] = hand, share, [_Drawn(*part) for part in parts]
    return out


def smaller(carried: Carried, times: int) -> Carried:
    """The same pose at so many times less of its height and width, which it divides."""
    planes = (_average(plane, times) for plane in (carried.picture, carried.alpha, carried.visibility))
    # charts have no mean: those in the middle of the pixels that become one
    return Carried(*planes, np.ascontiguousarray(carried.iuv[times // 2 :: times, times // 2 :: times]))


def _draw_layer(
    sheet: Sheet,
    points: np.ndarray,
    flat: np.ndarray,
    bright: np.ndarray,
    layer: int,
    size: tuple[int, int],
    fine: int,
    end: float,
) -> _Drawn | None:
    """One layer's nearest fragments. points (2N,3): front vertices, then back ones, on the fine grid; flat (N,):
    how little each has turned out of the photo's plane, 0..1; bright (2N,1): how bright the light makes them; fine:
    samples a pixel along each axis; end: metres beyond its wrist at which an arm ends."""
    piece = sheet.pieces[layer]
    if piece is None:
        return None
    points = piece.of(points)
    # nothing here looks farther than that, so that all is done in a part of the picture
    window = _window(points, size, 4 + _FRINGE * sheet.cell * fine)
    width, size = size[1], tuple(part.stop - part.start for part in window)
    points = points - np.float32((window[1].start, window[0].start, 0))
    area = areas(points, piece.faces)
    seen = _seen_undistorted(piece, area, (sheet.cell * fine) ** 2)
    dense = _density(piece, area, fine)
    # where the surfaces are closed, what turns away is always behind something
    drawn = (area > 0) | piece.inside
    if end < np.inf:
        beyond = piece.beyond[piece.faces]
        drawn = (drawn | (beyond.max(1) > end - _SLEEVE)) & (beyond.min(1) < end)
    faces = piece.faces[drawn]
    hits = _whole(raster(points, faces, size[1], size[0]), size)
    # the soft fringe only shows where the body of the layer does not
    free = np.ones(size[0] * size[1], bool)
    free[hits.pixel] = False
    soft = raster(points, piece.fringe, size[1], size[0])
    # and only beside it: the fringe of a hem's far side would be a thread below the near one
    keep = (free & _beside(~free, size, _FRINGE * sheet.cell * fine))[soft.pixel]
    soft = Hits(*(part[keep] for part in soft))
    pixel = np.concatenate([hits.pixel, soft.pixel])
    if not len(pixel):
        return None
    fringed = np.arange(len(pixel)) >= len(hits.pixel)

    mixing = vstack([part.mixing(corners, len(points)) for part, corners in ((hits, faces), (soft, piece.fringe))])
    flat = flat[piece.vertices]
    place, laid, printed, beyond = (mixing @ part for part in (piece.place, piece.laid, piece.printed, piece.beyond))
    values = np.stack([*(np.tile(v, 2) for v in (seen, flat)), dense, piece.of(bright)[:, 0]], 1)
    seen, flat, dense, bright = (mixing @ values).T.copy()
    on_back = np.concatenate([faces[hits.face, 0] >= len(points) // 2, np.zeros(len(soft.pixel), bool)])
    own_texture = _sample(sheet.front[layer], place, cv2.INTER_CUBIC)
    shown = _sample(sheet.seen[layer], place, cv2.INTER_LINEAR) / 255
    other = _sample(sheet.flat, laid, cv2.INTER_CUBIC)
    _coarsen(own_texture[:, :3], sheet.front[layer, ..., :3], place, dense, ~on_back & ~fringed)
    _coarsen(other[:, :3], sheet.flat[..., :3], laid, dense, on_back & (printed < 0.5))
    in_plane = own_texture.copy()
    in_plane[on_back] = _sample(sheet.back[layer], place[on_back], cv2.INTER_CUBIC)
    other += (in_plane - other) * printed[:, None]
    other, other_seen = other[:, :3], other[:, 3] / 255
    headed, mixed, withdrawn = np.zeros((3, len(pixel)), np.float32)
    if layer == TRUNK:
        other, headed, mixed, withdrawn = _headed(sheet, piece, mixing, other)
    seen = np.where(on_back, 0, seen)
    # a head's outline is mixed with what the photo has behind it
    seen = seen * (1 - mixed * (1 - smooth(flat, 0.85, 0.97)))
    true = np.where(fringed, 1, smooth(seen * shown, 0.35, 0.7))[:, None]
    colour = other * (1 - true) + own_texture[:, :3] * true
    colour *= bright[:, None]
    # the photo's soft outline holds as long as the outline is still the photo's
    steady = np.where(headed > 0.5, smooth(flat, 0.88, 0.98), smooth(flat, 0.75, 0.95))
    thin = 1 - np.clip(own_texture[:, 3] / 255, 0, 1)
    inside = _inward(pixel, size)
    # hair that comes into sight behind the photo's outline shows through where that was thin
    reach = fine * sheet.cell * np.where(headed > 0.5, 0.5 + 0.5 * smooth(flat, 0.97, 0.995), 1)
    near = 1 - smooth(inside, 2.0 * reach, 4.5 * reach)
    alpha = np.where(fringed, (1 - thin) * steady, 1 - thin * steady * near)
    ends = np.clip(inside - withdrawn * fine - 0.3, 0, 1)
    alpha *= np.where(fringed | (withdrawn == 0), 1, ends + (1 - ends) * steady)
    # elsewhere it ends within a pixel, and not at its steps
    alpha *= np.where(fringed, 1, 1 - (1 - steady) * (1 - _covered(hits.pixel, pixel, size)))
    visibility = np.where(on_back, other_seen, seen * shown)
    depth = np.concatenate([hits.depth, soft.depth]) + _UNSEEN_DEPTH * (1 - shown)
    return _Drawn(_in_picture(window, width)[pixel], colour, alpha, depth, visibility, place[:, 1], beyond)


def _headed(
    sheet: Sheet, piece: Piece, mixing: csr_array, colour: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """colour (K,3) f32 of hits that mix the vertices so (K,2M), that of the unrolled head where it is the head's; (K,)
    f32 0..1 how far it is the head's, and how far besides not what the photo shows well; (K,) f32 photo pixels by which
    its outline is withdrawn."""
    share = mixing @ piece.headed
    share[share < 0.01] = 0
    on = np.flatnonzero(share)
    at = Around.from_array(sheet.around).place(mixing[on] @ piece.rest)
    painted = _sample(np.ascontiguousarray(sheet.head[..., :3]), at, cv2.INTER_CUBIC)
    clear, edge = _sample(np.ascontiguousarray(sheet.head[..., 3:]), at, cv2.INTER_LINEAR).T
    out, withdrawn = colour.copy(), np.zeros(len(share), np.float32)
    out[on] += (painted - out[on]) * share[on, None]
    withdrawn[on] = edge / 16 * share[on]
    mixed = share.copy()
    mixed[on] *= 1 - np.clip(clear / 255, 0, 1)
    return out, share, mixed, withdrawn


def _window(points: np.ndarray, size: tuple[int, int], margin: float) -> tuple[slice, slice]:
    """Rows and columns of the picture (h,w) in which points (N,3) lie, with a margin; at least one of each."""
    out = []
    for at, side in zip((points[:, 1], points[:, 0]), size, strict=True):
        first = int(np.clip(at.min() - margin, 0, side - 1))
        out.append(slice(first, int(np.clip(at.max() + margin + 1, first + 1, side))))
    return out[0], out[1]


def _in_picture(window: tuple[slice, slice], width: int) -> np.ndarray:
    """(K,) pixels of a picture of that width for those of its window."""
    rows, columns = (np.arange(part.start, part.stop) for part in window)
    return (rows[:, None] * width + columns).ravel()


def _seen_undistorted(piece: Piece, area: np.ndarray, photo_area: float) -> np.ndarray:
    """(M,) f32 per front vertex: the photo's pixels for one drawn pixel about it, at most 1; 0 where it faces away.
    area (2F,): of the faces as they are drawn; photo_area: of one in the photo."""
    count = len(piece.place) // 2
    faces = piece.faces[: len(piece.faces) // 2]
    area = area[: len(faces)]
    photo, drawn = np.zeros(count), np.zeros(count)
    for i in range(3):
        photo += np.bincount(faces[:, i], area > 0, count) * photo_area
        drawn += np.bincount(faces[:, i], np.where(area > 0, area, photo_area), count)
    return np.minimum(photo / np.maximum(drawn, 1e-3), 1).astype(np.float32)


def _density(piece: Piece, area: np.ndarray, fine: int) -> np.ndarray:
    """(2M,) f32 per vertex: the texture's pixels for one drawn pixel about it; of the back those of `flat`."""
    count = len(piece.place)
    texture, drawn = np.zeros(count), np.zeros(count)
    shown, there = np.maximum(area, 0), np.where(area > 0, piece.texture_area * fine**2, 0)
    for corner in piece.faces.T:
        texture += np.bincount(corner, there, count)
        drawn += np.bincount(corner, shown, count)
    return np.minimum(texture / np.maximum(drawn, 1e-3), 16).astype(np.float32)


def _coarsen(colour: np.ndarray, texture: np.ndarray, at: np.ndarray, dense: np.ndarray, where: np.ndarray) -> None:
    """Takes colours (K,3), in place, from a coarser texture where single samples of it, at (K,2), would leave out most
    of it and flicker."""
    share = smooth(dense, 1.5, 4.0) * where
    on = np.flatnonzero(share > 0.02)
    if len(on):
        height, width = texture.shape[:2]
        left, top = np.clip(at[on].min(0) // 2 * 2 - 4, 0, (width - 1, height - 1)).astype(int)
        right, bottom = np.clip(at[on].max(0) + 5, 1, (width, height)).astype(int)
        small = cv2.pyrDown(np.ascontiguousarray(texture[top:bottom, left:right]))
        coarse = _sample(small, (at[on] - (left, top) - 0.5) / 2 + 0.5, cv2.INTER_LINEAR)
        colour[on] += (coarse - colour[on]) * share[on, None]


def _whole(hits: Hits, size: tuple[int, int]) -> Hits:
    """The hits of a layer without slivers thinner than two samples, and with holes of one sample closed."""
    place = np.full(size[0] * size[1], -1, np.int32)
    place[hits.pixel] = np.arange(len(hits.pixel))
    place = place.reshape(size)
    square = np.ones((2, 2), np.uint8)
    covered = cv2.dilate(cv2.erode((place >= 0).astype(np.uint8), square, anchor=(0, 0)), square, anchor=(1, 1))
    place[covered == 0] = -1
    hole = np.zeros(size, bool)
    hole[:, 1:-1] |= (covered[:, :-2] & covered[:, 2:]) > 0
    hole[1:-1] |= (covered[:-2] & covered[2:]) > 0
    rows, columns = np.nonzero(hole & (covered == 0))
    beside = np.maximum(place[rows, np.maximum(columns - 1, 0)], place[np.maximum(rows - 1, 0), columns])
    place[rows, columns] = beside
    pixel = np.flatnonzero(place.ravel() >= 0)
    return Hits(pixel, *(part[place.ravel()[pixel]] for part in hits[1:]))


def _inward(pixel: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(K,) f32: samples from the outline of the covered pixels (K,) inward."""
    covered = np.zeros(size[0] * size[1], np.uint8)
    covered[pixel] = 1
    return cv2.distanceTransform(covered.reshape(size), cv2.DIST_L2, 3).ravel()[pixel]


def _beside(covered: np.ndarray, size: tuple[int, int], reach: float) -> np.ndarray:
    """(N,) bool: the pixels of a picture (h,w) that are covered (N,) or at most that far from one that is."""
    return cv2.dilate(covered.astype(np.uint8).reshape(size), disc(reach)).ravel() > 0


def _covered(covered: np.ndarray, pixel: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(K,) f32: how much of the pixels (K,) is covered by a surface whose outline runs smoothly through those that it
    covers, (M,)."""
    mask = np.zeros(size[0] * size[1], np.float32)
    mask[covered] = 1
    # a pixel's own place, a straight edge beside it and a corner blur to 1, 0.7 and 0.45
    return smooth(cv2.GaussianBlur(mask.reshape(size), (0, 0), 0.9).ravel()[pixel], 0.42, 0.85)


def _sample(texture: np.ndarray, at: np.ndarray, how: int) -> np.ndarray:
    """texture (H,W[,C]) uint8 at places (K,2) in pixels, centres at +0.5: (K[,C]) f32."""
    count = len(at)
    rows = max(1, -(-count // _PACK))
    packed = np.zeros((2, rows * _PACK), np.float32)
    packed[:, :count] = at.T - 0.5
    x, y = packed.reshape(2, rows, _PACK)
    out = cv2.remap(texture, x, y, how, borderMode=cv2.BORDER_REPLICATE)
    return out.reshape(rows * _PACK, *texture.shape[2:])[:count].astype(np.float32)


def _composite(
    layers: list[_Drawn | None], hands: list[_Drawn], count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Premultiplied colour (count,3), alpha (count,) and visibility (count,), all f32, nearest layer first.

    Legs and feet stay behind the trunk, whatever their depth, so that they never break through a skirt.
    """
    under = [i for i in range(len(layers)) if i not in (TRUNK, ARM_L, ARM_R)]
    layers = layers + hands
    many = np.zeros(count, np.uint8)
    for layer in filter(None, layers):
        many[layer.pixel] += 1
    colour, alpha, visibility = np.zeros((count, 3), np.float32), *np.zeros((2, count), np.float32)
    crowded = np.flatnonzero(many > 1)
    place = np.empty(count, np.int32)
    place[crowded] = np.arange(len(crowded))
    depth = np.full((len(layers), len(crowded)), np.inf, np.float32)
    part = np.zeros((len(layers), len(crowded)), np.float32)
    rest = np.zeros((len(layers), len(crowded), 4), np.float32)
    for i, layer in enumerate(layers):
        if layer is None:
            continue
        alone = many[layer.pixel] == 1  # most pixels show one layer, which needs no order
        pixel, own = layer.pixel[alone], layer.alpha[alone]
        colour[pixel], alpha[pixel] = layer.colour[alone] * own[:, None], own
        visibility[pixel] = layer.visibility[alone] * own
        shared = ~alone
        at = place[layer.pixel[shared]]
        depth[i, at], part[i, at] = layer.depth[shared], layer.alpha[shared]
        rest[i, at, :3], rest[i, at, 3] = layer.colour[shared], layer.visibility[shared]
    trunk = np.where(part[TRUNK] > 0.02, depth[TRUNK], -np.inf)
    for i in under:
        depth[i] = np.maximum(depth[i], trunk + 1e-3)
    free, mixed = np.ones(len(crowded), np.float32), np.zeros((len(crowded), 4), np.float32)
    column = np.arange(len(crowded))
    for layer in np.argsort(depth, 0):
        share = free * part[layer, column]
        mixed += share[:, None] * rest[layer, column]
        free -= share
    colour[crowded], visibility[crowded], alpha[crowded] = mixed[:, :3], mixed[:, 3], 1 - free
    return colour, alpha, visibility


def _without_steps(colour: np.ndarray, alpha: np.ndarray) -> None:
    """Mixes, in place, the outline's pixels of premultiplied colour (H,W,3) and alpha (H,W) with their neighbours: with
    one sample a pixel it is a staircase."""
    here = bounds(alpha > 0, 8 * _STEP)
    colour, alpha = colour[here], alpha[here]
    soft = cv2.GaussianBlur(alpha, (0, 0), _STEP)
    rim = np.abs(soft - alpha) > 0.02
    alpha[rim] = soft[rim]
    colour[rim] = cv2.GaussianBlur(colour, (0, 0), _STEP)[rim]


def _average(samples: np.ndarray, fine: int) -> np.ndarray:
    """Mean over the samples of each pixel, fine along each axis."""
    if fine == 1:
        return samples
    return cv2.resize(samples, (samples.shape[1] // fine, samples.shape[0] // fine), interpolation=cv2.INTER_AREA)
