"""What the photo does not show of a layer's sides: its cloth goes on around it, its skin smoothly.

Every layer is laid out flat (unroll.py); what the photo sees well, and the middle of the back, are drawn there, and the
rest is woven of the same garment or filled.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from dreampose_core.carry.cloth.unroll import Unrolled, unroll
from dreampose_core.carry.cloth.weave import Cloth, cut_patterned, weave
from dreampose_core.carry.fill import bleed, disc, distance, grow, shrink, smooth, smooth_fill, touching
from dreampose_core.carry.matte import DESIGN_ROWS
from dreampose_core.carry.relief import Relief
from dreampose_core.carry.views import ARM_L, ARM_R, LEG_L, LEG_R, TRUNK
from pose_tools.body.figure import BONES
from pose_tools.body.raster import raster

BACK_SEEN = 0.15  # visibility of a back: the front mirrored, its print, or what is likely to be there
SEEN_WELL = 0.5  # cosine to the camera from which on the photo shows enough of the surface
_MARGIN = 6  # pixels about a layer on the flat plane
_INVENTED = 0.3  # part of the back's visibility that invented cloth has
_PRINTED = (0.25, 0.5)  # of the way in from the outline: there the back becomes the print of the front
_AROUND = 0.6  # and so far in the back is laid out
_SHOULDER = (0.5, 0.8)  # of the outline's way inward that leads down, where it becomes a shoulder's
_AS_IT_IS = ("head", "neck01", "wrist.L", "wrist.R", "foot.L", "foot.R")
_GARMENTS = ((TRUNK, ARM_L, ARM_R), (LEG_L, LEG_R))


@dataclass(frozen=True)
class LaidOut:
    """A layer's vertices for wrapping, n on the front and as many on the back. place (n,2): in the photo, its pixels;
    lower (n,) f32: so many of them further down the front's colours are to be taken; printed (2,n) f32: how far front
    and back are as they lie in the photo's plane; keep (n,) f32: what is neither cloth nor limb and stays so; where
    (h,w) bool: on the grid."""

    flat: Unrolled
    place: np.ndarray
    lower: np.ndarray
    printed: np.ndarray
    keep: np.ndarray
    where: np.ndarray


def lay_out(
    at: np.ndarray,
    relief: Relief,
    where: np.ndarray,
    solid: np.ndarray,
    faces: np.ndarray,
    scale: float,
    cell: float,
    hangs: bool,
) -> LaidOut:
    """The surface of a layer with vertices at (n,2), of the grid's pixels `where` (h,w) bool, and faces (F,3) between
    them. solid (h,w) bool; scale: pixels a metre; cell: photo pixels for one of the grid; hangs: as unroll has it."""
    keep = relief.weights[..., [BONES.index(bone) for bone in _AS_IT_IS]].sum(-1) > 0.5
    closed = solid & ((relief.back - relief.front) * scale < 0.75)
    inside = distance(closed)
    radius = cv2.dilate(np.where(solid, np.minimum(inside, 60), 0), disc(20))
    depth = inside / np.maximum(cv2.GaussianBlur(radius, (0, 0), 4.0), 1)
    if hangs:  # over the shoulders one looks from behind as from in front
        depth = np.maximum(depth, smooth(_level(np.where(solid, inside, -inside)), *_SHOULDER))
    kept = cv2.GaussianBlur(keep.astype(np.float32), (0, 0), 1.0)
    printed = np.stack([kept, np.maximum(smooth(depth, *_PRINTED), kept)])
    flat = unroll(
        at,
        relief.front[where] * scale,
        relief.back[where] * scale,
        faces,
        ((depth < _AROUND) & ~keep)[where],
        hangs,
    )
    lower, keep = (one[where].astype(np.float32) for one in (relief.lower * cell, keep))
    return LaidOut(flat, at * cell, lower, printed[:, where].astype(np.float32), keep, where)


def _level(inside: np.ndarray) -> np.ndarray:
    """(h,w) f32 0..1: how level the outline runs at distances inside of it (h,w), which are negative beyond it."""
    near = cv2.GaussianBlur(np.clip(inside, -20, 60), (0, 0), 4.0)
    slope = [cv2.GaussianBlur(cv2.Sobel(near, cv2.CV_32F, *way), (0, 0), 2.0) for way in ((1, 0), (0, 1))]
    return np.abs(slope[1]) / np.maximum(np.hypot(*slope), 1e-3)


def bare_skin(skin: np.ndarray, own: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(h,w) bool: the pixels of a layer, seen at `own`, that are bare: wide areas of the face's colour, skin, which
    join the head or a hand or foot, or are most of the layer; flowers of that colour on a dress are not."""
    if not own.any():
        return np.zeros(own.shape, bool)
    share, whole = (cv2.blur(mask.astype(np.float32), (7, 7)) for mask in (skin & own, own))
    share /= np.maximum(whole, 1e-3)
    found = own & (share > 0.5)
    _, part = cv2.connectedComponents(found.astype(np.uint8), connectivity=4)
    ends = weights[..., [BONES.index(bone) for bone in _AS_IT_IS]].sum(-1) > 0.5
    most = (np.bincount(part.ravel()) > 0.3 * own.sum())[part]
    return grow(touching(found, ends | most), 1) & own


def wrap(
    surfaces: list[LaidOut],
    front: np.ndarray,
    back: np.ndarray,
    seen: np.ndarray,
    bare: list[np.ndarray],
    covered: np.ndarray,
    cell: float,
    unit: float,
) -> tuple[np.ndarray, np.ndarray]:
    """All layers laid out flat, side by side (h,w,4) uint8, and where each layer's 2n vertices lie, of all layers the
    front's and then the back's (2N,2) f32. bare: (h,w) bool of each layer, on the grid, where
    it is no cloth; covered (h,w) bool: where the trunk is cloth on the back for all that."""
    height, width = front.shape[1:3]
    usable = [_usable(*layer) for layer in zip(surfaces, bare, front, seen, strict=True)]
    cloths: dict[int, Cloth | None] = {}
    for garment in _GARMENTS:
        photo = np.zeros((height, width, 3), np.uint8)
        for group in garment:
            photo[usable[group]] = front[group][usable[group], :3]
        masks = [usable[group] for group in garment]
        cloths |= dict.fromkeys(garment, cut_patterned(photo, masks, unit))
    planes, places, left = [], [], 0
    for group, surface in enumerate(surfaces):
        sides = (bare[group], bare[group] & ~covered if group == TRUNK else bare[group])
        sides = [cv2.resize(one.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) for one in sides]
        plane, at = wrap_layer(surface, front[group], back[group], seen[group], *sides, cloths[group], cell, unit)
        at[:, 0] += left
        left += plane.shape[1]
        planes.append(plane)
        places.append(at)
    tall = max(map(len, planes))
    flat = np.concatenate([np.pad(plane, ((0, tall - len(plane)), (0, 0), (0, 0))) for plane in planes], 1)
    halves = [[at[: len(at) // 2] for at in places], [at[len(at) // 2 :] for at in places]]
    return flat, np.concatenate([*halves[0], *halves[1]]).astype(np.float32)


def _usable(surface: LaidOut, bare: np.ndarray, front: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """(H,W) bool: where the photo shows a layer's cloth well."""
    count = len(surface.place)
    facing = np.zeros((2, *surface.where.shape), np.float32)
    facing[0, surface.where], facing[1, surface.where] = surface.flat.facing[:count], 1 - surface.keep
    facing[1] *= ~grow(bare, 1.5)
    facing = [cv2.resize(cv2.GaussianBlur(one, (0, 0), 0.8), front.shape[1::-1]) for one in facing]
    found = (facing[0] > SEEN_WELL) & (facing[1] > 0.8) & (np.minimum(front[..., 3], seen) > 250)
    return shrink(found, 2 * front.shape[0] / DESIGN_ROWS)


def wrap_layer(
    surface: LaidOut,
    front: np.ndarray,
    back: np.ndarray,
    seen: np.ndarray,
    bare: np.ndarray,
    bare_behind: np.ndarray,
    cloth: Cloth | None,
    cell: float,
    unit: float,
) -> tuple[np.ndarray, np.ndarray]:
    """(h,w,4) uint8 colours and visibility of the layer laid out flat, and (2n,2) f32 where on it each vertex lies.

    front, back (H,W,4), seen (H,W) uint8 as a Sheet keeps them; bare, bare_behind (H,W) uint8: where front and
    back are no cloth; cloth: pieces of the garment, None where smooth fills do.
    """
    count = len(surface.place)
    low = surface.flat.at[np.unique(surface.flat.faces)].min(0) if len(surface.flat.faces) else np.zeros(2)
    at = ((surface.flat.at - low) * cell + _MARGIN).astype(np.float32)
    if not len(surface.flat.faces):
        return np.zeros((1, 1, 4), np.uint8), at
    width, height = np.ceil(at[np.unique(surface.flat.faces)].max(0) + _MARGIN).astype(int)
    behind = np.arange(2 * count) >= count
    keep = np.tile(surface.keep, 2)
    # what the back of the shoulders shares with the neck on the flat plane is the shoulders'
    faces = surface.flat.faces[~(keep[surface.flat.faces] > 0.5).all(1)]
    hits = raster(np.column_stack([at, behind]), faces, width, height)
    lower = np.concatenate([surface.lower, np.zeros_like(surface.lower)])
    vertices = [np.tile(surface.place, (2, 1)), surface.flat.facing, surface.printed.ravel(), keep, lower]
    values = hits.take(faces, np.column_stack(vertices))
    on_back = (faces[hits.face] >= count).any(1)

    def plane(value: np.ndarray) -> np.ndarray:
        out = np.zeros((height * width, *value.shape[1:]), value.dtype)
        out[hits.pixel] = value
        return out.reshape(height, width, *value.shape[1:])

    x, y, facing, printed, keep, lower = (plane(values[:, i].astype(np.float32)) for i in range(6))
    on_back, covered = plane(on_back), plane(np.ones(len(values), bool))
    tone = [cv2.remap(one[..., :3], x - 0.5, y + lower - 0.5, cv2.INTER_CUBIC) for one in (front, back)]
    colours = np.where(on_back[..., None], tone[1], tone[0])
    clear = cv2.remap(np.minimum(front[..., 3], seen), x - 0.5, y - 0.5, cv2.INTER_LINEAR) > 250
    known = np.where(on_back, printed > 0.5, (facing > SEEN_WELL) & clear)
    known = (cv2.GaussianBlur(known.astype(np.float32), (0, 0), 1.5 * unit) > 0.75) | (keep > 0.5)
    known &= covered
    skin = cv2.remap(bare, x - 0.5, y - 0.5, cv2.INTER_NEAREST) > 0
    skin[on_back] = (cv2.remap(bare_behind, x - 0.5, y - 0.5, cv2.INTER_NEAREST) > 0)[on_back]
    told = known | (covered & clear)
    skin = bleed(skin, told)
    skin = np.where(known, skin, cv2.GaussianBlur(skin.astype(np.float32), (0, 0), 3 * unit) > 0.5)
    out = colours.copy()
    open_ = covered & ~known
    for kind in (skin, ~skin):
        sure, wanted = known & kind & (keep < 0.5), open_ & kind
        if not wanted.any() or not sure.any():
            continue
        if cloth is None or kind is skin:
            out[wanted] = np.clip(smooth_fill(colours, sure)[wanted] + 0.5, 0, 255)
        else:
            woven = weave(out, sure, wanted, cloth, y, unit)
            out = np.where((covered & kind)[..., None], woven, out)
    visibility = BACK_SEEN * np.where(on_back & known, 1, _INVENTED)
    both = bleed(np.concatenate([out, (255 * visibility)[..., None].astype(np.uint8)], -1), covered)
    return both, at
