"""The sheet: the photo's person as closed surfaces in layers, skinned to the fitted body.

Made once a photo. Every pixel of the person gets a place in space and skinning weights from the body near it; each
layer (trunk with skirt, head and hair; two arms; two legs) has a front with the photo's colours and a back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from dreampose_core.carry.built import SIDES
from dreampose_core.carry.cloth.drape import drape, hug
from dreampose_core.carry.cloth.opening import find_opening
from dreampose_core.carry.cloth.skirt import STILL, hanging, lean_aside, level_hem, measure_skirt
from dreampose_core.carry.cloth.wrap import LaidOut, bare_skin, lay_out, wrap
from dreampose_core.carry.colours import skin_like
from dreampose_core.carry.feet.footwear import NOTHING_KNOWN
from dreampose_core.carry.feet.reading import as_pair, find_shoe, read_footwear, without_straps
from dreampose_core.carry.fill import grow, shrink, smooth
from dreampose_core.carry.hands.reading import beyond_wrist, read_hand
from dreampose_core.carry.head.around import lay_around, measure_skull
from dreampose_core.carry.head.behind import Seen, look_at_head
from dreampose_core.carry.head.painting import paint_around
from dreampose_core.carry.layers import Layers, split
from dreampose_core.carry.light import brightness, normals, read_light
from dreampose_core.carry.matte import DESIGN_ROWS, cut_out
from dreampose_core.carry.piece import Piece, piece_of
from dreampose_core.carry.relief import Relief, round_layer
from dreampose_core.carry.textures import make_textures
from dreampose_core.carry.views import (
    ARM_L,
    ARM_R,
    GROUPS,
    HEAD_PARTS,
    LEG_L,
    LEG_R,
    NO_GROUP,
    TRUNK,
    BodyView,
    union,
    view_body,
    within,
)
from pose_tools.body.camera import Camera
from pose_tools.body.figure import BONES, bone_transforms, joint_positions, load_figure, pose_vertices
from pose_tools.body.fit import FittedBody

_THIGHS = (0.08, 0.25)  # metres below the hips' middle, between which a loose skirt begins to lie on the thighs
_VERTEX = ("front", "back", "outward", "inward", "weights", "hang", "place", "axis", "open")
_FORM = 8  # of what a sheet holds: raised with every change of it, so that sheets kept before are laid anew
_THICKNESS = {TRUNK: 0.72, ARM_L: 1.0, ARM_R: 1.0, LEG_L: 1.0, LEG_R: 1.0}


@dataclass(frozen=True, eq=False)
class Sheet:
    """The person of one photo, ready to be drawn in any pose. L layers, N vertices, F faces, B bones.

    Vertices come in pairs, one on the front and one on the back surface, with the same weights and faces.
    """

    body: FittedBody
    background: np.ndarray  # (H,W,3) uint8, the photo without the person
    front: np.ndarray  # (L,H,W,4) uint8 colours and alpha of each layer's front
    back: np.ndarray  # (L,H,W,4) uint8 colours of each layer's back, and their visibility
    seen: np.ndarray  # (L,H,W) uint8 visibility of the front: what the photo shows, and not only what is filled in
    rest_front: np.ndarray  # (N,3) f32 metres, the body at rest
    rest_back: np.ndarray  # (N,3) f32
    weights: np.ndarray  # (N,B) f32
    hang: np.ndarray  # (N,) f32 the weight of what hangs freely from the hips
    level: np.ndarray  # (N,) f32 metres up, at rest, by which a hem is level where nobody leans, see cloth/skirt.py
    place: np.ndarray  # (N,2) f32 where the vertex lies in the photo, pixels
    facing: np.ndarray  # (2N,3) f32 unit normals of the front, then of the back, the body at rest
    light: np.ndarray  # (3,) f32 towards the light, see light.py; the colours of front, back, flat, head are without it
    axis: np.ndarray  # (N,3) f32, at rest, the direction that led away from the camera in the photo
    open: np.ndarray  # (N,) bool near an end that is cut off from the body, where one may see inside
    printed: np.ndarray  # (2,N) f32 how far front and back have the colours of `front` and `back` when turned away
    flat: np.ndarray  # (h,w,4) uint8 colours and visibility of the layers laid out flat, side by side
    laid: np.ndarray  # (2N,2) f32 where each vertex of the front, then of the back, lies there
    headed: np.ndarray  # (2,N) f32 how far front and back take the unrolled head's texture where it is not seen
    head: np.ndarray  # (h,w,5) uint8 that texture, see head/painting.py
    around: np.ndarray  # (6,) f64 how it lies about the head, see head/around.py
    faces: np.ndarray  # (F,3) int32, front faces turn clockwise in the photo
    face_start: np.ndarray  # (2L+1,) int32 first face of each layer's body, then of its fringe
    footwear: np.ndarray  # (2,17) f32 what the left and the right foot wear, see feet/footwear.py
    hands: np.ndarray  # (2,20) f32 what the photo tells of the left and the right hand, see hands/reading.py
    cell: float  # photo pixels between neighbouring vertices
    shade: float = 0.0  # how dark the ground at the feet is, see backdrop.py

    @cached_property
    def photo_bones(self) -> np.ndarray:
        """(B,3,4): the bones' transforms in the photo's pose."""
        return bone_transforms(load_figure(), self.body.shape, self.body.pose)

    def blend(self, transforms: np.ndarray, swing: Sequence[float] = STILL) -> np.ndarray:
        """(N,3,4) f32: what moves each vertex from rest to the pose with bone transforms (B,3,4); swing: see carry."""
        free = hanging(load_figure(), self.body.shape, transforms, swing).astype(np.float32)
        held = (self.weights @ transforms.reshape(len(transforms), 12).astype(np.float32)).reshape(-1, 3, 4)
        moved = held + self.hang[:, None, None] * free
        if self.level.any():
            lean, photo = (lean_aside(load_figure(), self.body.shape, t) for t in (transforms, self.photo_bones))
            moved[:, :, 3] += np.clip(1 - lean / photo, 0, 1) * self.level[:, None] * moved[:, :, 2]
        return moved

    @cached_property
    def pieces(self) -> list[Piece | None]:
        """Of each layer what is drawn of it, None where it has nothing."""
        return [piece_of(self, layer) for layer in range(len(self.front))]

    @cached_property
    def beyond(self) -> np.ndarray:
        """(N,) f32: metres by which each vertex of an arm lies beyond its wrist; 0 elsewhere."""
        out = np.zeros(len(self.place), np.float32)
        for arm, side in zip((ARM_L, ARM_R), SIDES, strict=True):
            used = np.unique(self.faces[self.face_start[2 * arm] : self.face_start[2 * arm + 2]])
            middle = (self.rest_front[used] + self.rest_back[used]) / 2
            out[used] = beyond_wrist(middle, load_figure(), self.body.shape, side)
        return out

    @cached_property
    def tight(self) -> np.ndarray:
        """(N,) f32 0…1: how far each vertex is of a skirt that the legs move."""
        share = np.zeros(len(self.place), np.float32)
        used = np.unique(self.faces[self.face_start[2 * TRUNK] : self.face_start[2 * TRUNK + 2]])
        legs = [BONES.index(f"{bone}.{side}") for bone in ("upperleg01", "lowerleg01") for side in "LR"]
        share[used] = smooth(self.weights[used][:, legs].sum(1), 0.6, 0.95) * (1 - np.clip(2 * self.hang[used], 0, 1))
        return share

    @cached_property
    def within(self) -> tuple[np.ndarray, np.ndarray]:
        """(2,N) how deep the photo shows front and back of loose cloth in the fitted body's outline, at the hips and
        not down where legs could come out beside it, and (2,N) of a tight skirt in the legs', metres."""
        blend = self.blend(self.photo_bones)
        skinned = pose_vertices(load_figure(), self.body.shape, self.body.pose)
        hips = joint_positions(load_figure(), self.body.shape, self.body.pose)[0]
        loose, tight = [], []
        for rest in (self.rest_front, self.rest_back):
            space = np.einsum("nij,nj->ni", blend[:, :, :3], rest) + blend[:, :, 3]
            at_hips = 1 - smooth(hips[2] - space[:, 2], *_THIGHS).astype(np.float32)
            loose.append(at_hips * drape(space.copy(), self.hang, skinned, hips))
            tight.append(hug(space, self.tight, skinned))
        return np.stack(loose), np.stack(tight)

    def save(self, path: str | Path) -> None:
        """Writes an .npz without pickled objects."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "body"}
        np.savez_compressed(path, form=np.array(_FORM), body=np.array(json.dumps(self.body.to_dict())), **arrays)

    @classmethod
    def load(cls, path: str | Path) -> Sheet:
        """The inverse of save; of a file that is_whole."""
        with np.load(path, allow_pickle=False) as data:
            arrays = {f.name: data[f.name] for f in fields(cls)}
        body = FittedBody.from_dict(json.loads(str(arrays.pop("body"))))
        cell, shade = float(arrays.pop("cell")), float(arrays.pop("shade"))
        return cls(body=body, cell=cell, shade=shade, **arrays)

    @classmethod
    def is_whole(cls, path: str | Path) -> bool:
        """Whether a sheet is kept there in today's form; those of earlier versions are to be made anew."""
        if not Path(path).exists():
            return False
        with np.load(path, allow_pickle=False) as data:
            return {"form", *(f.name for f in fields(cls))} <= set(data.files) and int(data["form"]) == _FORM


def make_sheet(photo: np.ndarray, mask: np.ndarray, body: FittedBody) -> Sheet:
    """The sheet of photo (H,W,3) uint8 with person mask (H,W) f32 0..1 and the body that was fitted to it."""
    height, width = photo.shape[:2]
    unit = height / DESIGN_ROWS
    cell = max(1.0, float(round(unit)))
    grid = (round(width / cell), round(height / cell))
    figure = load_figure()
    transforms = bone_transforms(figure, body.shape, body.pose)
    camera = body.camera.scaled(1 / cell)
    view = view_body(figure, body.shape, transforms, camera)
    outline, arms, head = (
        cv2.resize(part.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
        for part in (view.group >= 0, np.isin(view.group, (ARM_L, ARM_R)), np.isin(view.part, HEAD_PARTS))
    )
    cutout = cut_out(photo, mask, outline, arms, head)

    small = cv2.resize(cutout.colours, grid, interpolation=cv2.INTER_AREA)
    coverage = cv2.resize(cutout.alpha, grid, interpolation=cv2.INTER_AREA)
    layers = split(small, coverage, view)
    solid = layers.extent & (coverage > 0.5)
    looks = look_at_head(small, layers.label == TRUNK, view)
    solid[TRUNK] &= ~looks.tufts
    facing = transforms[BONES.index("head"), :, :3] @ (0, -1, 0)
    turned = float(np.clip((0.97 + facing[1] / np.linalg.norm(facing[:2])) / 0.1, 0, 1))
    reliefs = [_relief(group, solid[group], layers, view, camera.scale, looks.hair, turned) for group in range(GROUPS)]
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB).astype(np.float32)
    skin = skin_like(lab, coverage > 0.5, view)
    shoes = {
        leg: find_shoe(small, layers.label == leg, skin, reliefs[leg].weights, side)
        for leg, side in ((LEG_L, "L"), (LEG_R, "R"))
    }
    facing = [
        normals(relief, extent, extent | cut, camera.scale)
        for relief, extent, cut in zip(reliefs, layers.extent, layers.cut, strict=True)
    ]
    light = _light(small, layers.label, coverage > 0.9, facing, looks.hair | np.isin(view.part, HEAD_PARTS))
    bright = [brightness(front, light) for front, _ in facing]
    opening = _opening(lab, layers, coverage > 0.5, skin, looks)
    front, back, seen = make_textures(
        cutout.colours, cutout.alpha, layers, looks, opening, reliefs[TRUNK].weights, shoes, bright, unit
    )
    covered = [cv2.resize(one[..., 3], grid, interpolation=cv2.INTER_AREA) / np.float32(255) for one in front]
    free = hanging(figure, body.shape, transforms)
    mesh, surfaces = _mesh(layers, solid, covered, reliefs, facing, transforms, free, camera, cell)
    mesh["level"] = np.zeros(len(mesh["place"]), np.float32)
    if layers.hem > layers.crotch:
        used = np.unique(mesh["faces"][: mesh["face_start"][1]])
        lean = lean_aside(figure, body.shape, transforms)
        rest = (mesh["rest_front"][used] + mesh["rest_back"][used]) / 2
        mesh["level"][used] = level_hem(rest, mesh["place"][used, 1] / cell, layers.crotch, lean)
    bare = [bare_skin(skin, layers.label == group, relief.weights) for group, relief in enumerate(reliefs)]
    bare[TRUNK] |= looks.hair | opening
    below = np.arange(len(coverage))[:, None] >= looks.collar[None]
    skin_there = cv2.resize(skin.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST) > 0
    footwear = _footwear(cutout.colours, layers.label, skin_there, body)
    hands = _hands(cutout.colours, layers, skin_there, mesh, body)
    strapless = [without_straps(texture, dict(zip((LEG_L, LEG_R), footwear, strict=True))) for texture in (front, back)]
    mesh["flat"], mesh["laid"] = wrap(surfaces, *strapless, seen, bare, below, cell, unit)
    mesh |= _head(mesh, layers, looks, front[TRUNK], body, cell)
    return Sheet(
        body,
        cutout.background,
        front,
        back,
        seen,
        **mesh,
        light=light.astype(np.float32),
        footwear=footwear,
        hands=hands,
        cell=cell,
        shade=cutout.shade,
    )


def _opening(lab: np.ndarray, layers: Layers, solid: np.ndarray, skin: np.ndarray, looks: Seen) -> np.ndarray:
    """(h,w) bool: what an open coat shows in a photo with colours lab (h,w,3) f32; solid, skin (h,w) bool."""
    cloth = solid & ~skin & ~looks.skin & ~looks.hair
    trunk, sleeves = layers.label == TRUNK, np.isin(layers.label, (ARM_L, ARM_R))
    return find_opening(lab, trunk & cloth, sleeves & cloth, int(np.median(looks.collar)), layers.crotch)


def _light(
    small: np.ndarray, label: np.ndarray, solid: np.ndarray, facing: list[np.ndarray], but: np.ndarray
) -> np.ndarray:
    """(3,): towards the light of the photo with colours small (h,w,3) where layers (h,w) are seen; but (h,w) bool: not
    read there."""
    seen = np.zeros(facing[0].shape[1:], np.float32)
    for group, (front, _) in enumerate(facing):
        seen[label == group] = front[label == group]
    return read_light(small, shrink(solid, 1) & (label != NO_GROUP) & ~but, seen)


def _head(
    mesh: dict[str, np.ndarray], layers: Layers, looks: Seen, front: np.ndarray, body: FittedBody, cell: float
) -> dict[str, np.ndarray]:
    """The unrolled head of a mesh, as a Sheet keeps it. front (H,W,4) uint8: colours and alpha of the trunk's."""
    size = front.shape[1::-1]
    faces = mesh["faces"][: mesh["face_start"][1]]
    of_trunk = np.zeros(len(mesh["place"]), bool)
    of_trunk[faces] = True
    at = (mesh["place"] / cell).astype(int)
    x, y = np.clip(at[:, 0], 0, layers.label.shape[1] - 1), np.clip(at[:, 1], 0, layers.label.shape[0] - 1)
    upper = mesh["weights"][:, [BONES.index("head"), BONES.index("neck01")]].sum(1)
    headed = looks.share[:, y, x] * of_trunk * np.clip((upper - 0.35) / 0.3, 0, 1)
    own = faces[(upper > 0.3)[faces].all(1)]
    if len(own) < 50:
        return {"headed": np.zeros_like(headed), "head": np.zeros((1, 1, 5), np.uint8), "around": np.ones(6)}
    skull = measure_skull(body.shape)
    points = mesh["rest_front"]
    around = lay_around(skull, points[np.unique(own)], body.camera.scale)
    hair, skin = (
        cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
        for mask in (looks.hair, looks.skin)
    )
    alpha = front[..., 3] / np.float32(255)
    away = mesh["axis"][np.unique(own)].mean(0)
    head = paint_around(
        *(around, skull, points, mesh["rest_back"], own, mesh["place"], front[..., :3], alpha, hair, skin),
        camera=float(np.arctan2(-away[0], away[1])),
        ragged=looks.ragged * cell,
    )
    return {"headed": headed.astype(np.float32), "head": head, "around": around.to_array()}


def _footwear(colours: np.ndarray, label: np.ndarray, bare: np.ndarray, body: FittedBody) -> np.ndarray:
    """(2,17) f32: what the feet wear. label (h,w) is on the analysis grid; bare (H,W) bool: of the face's colour."""
    size = colours.shape[1::-1]
    pair = []
    for leg, side in ((LEG_L, "L"), (LEG_R, "R")):
        own = cv2.resize((label == leg).astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
        pair.append(read_footwear(colours, own, bare, body.shape, body.pose, body.camera, side))
    rows = zip(as_pair(*pair, body.shape), NOTHING_KNOWN, strict=True)
    return np.stack([nothing if wear is None else wear.to_row() for wear, nothing in rows])


def _hands(
    colours: np.ndarray, layers: Layers, bare: np.ndarray, mesh: dict[str, np.ndarray], body: FittedBody
) -> np.ndarray:
    """(2,20) f32: what the photo tells of the hands. layers are on the analysis grid; bare (H,W) bool: of the face's
    colour."""
    size = colours.shape[1::-1]
    rows = []
    for arm, side in ((ARM_L, "L"), (ARM_R, "R")):
        own, extent = (
            cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_LINEAR) > 0.5
            for mask in (layers.label == arm, layers.extent[arm])
        )
        used = np.unique(mesh["faces"][mesh["face_start"][2 * arm] : mesh["face_start"][2 * arm + 1]])
        rest = mesh["rest_front"][used], mesh["rest_back"][used]
        rows.append(read_hand(colours, own, extent, bare, rest, (body.shape, body.pose, body.camera), side).to_row())
    return np.stack(rows)


def _relief(
    group: int, solid: np.ndarray, layers: Layers, view: BodyView, scale: float, hair: np.ndarray, turned: float
) -> Relief:
    skirt = None
    shoulder = layers.cut[group]
    tubes = [within(tube, tube.closed) for tube in view.tubes]
    if group == TRUNK:
        parts = [tubes[TRUNK], *(within(both, shoulder & both.closed) for both in view.shoulders.values())]
        if layers.hem > layers.crotch:
            rows = (np.arange(len(layers.label)) < layers.hem)[:, None]
            legs = [within(tubes[leg], rows) for leg in (LEG_L, LEG_R)]
            parts += legs
            leg_width = np.max([np.where(leg.covers, leg.back - leg.front, 0).max(1) for leg in legs], 0) * scale
            skirt = measure_skirt(solid, union((tubes[TRUNK], *legs)), leg_width, layers.crotch, layers.hem, scale)
    else:
        parts = [tubes[group]]
        if group in view.shoulders:
            both = view.shoulders[group]
            parts.append(within(both, shoulder & both.closed))
    tube = union(tuple(parts))
    hair = hair if group == TRUNK else None
    return round_layer(solid, layers.cut[group], tube, scale, _THICKNESS[group], hair, turned, skirt)


def _mesh(
    layers: Layers,
    solid: np.ndarray,
    covered: list[np.ndarray],
    reliefs: list[Relief],
    facing: list[np.ndarray],
    transforms: np.ndarray,
    free: np.ndarray,
    camera: Camera,
    cell: float,
) -> tuple[dict[str, np.ndarray], list[LaidOut]]:
    """Vertices and faces of all layers, as a Sheet keeps them, and how each is laid out flat. The fringe is the flat,
    half transparent strip beyond the pixels that are solid (L,h,w); covered (h,w) f32 is the alpha of each layer."""
    vertices: dict[str, list[np.ndarray]] = {n: [] for n in _VERTEX}
    faces, counts, total, surfaces = [], [], 0, []
    for group, relief in enumerate(reliefs):
        where = grow(layers.extent[group], 1.5)
        index = np.full(where.shape, -1, np.int64)
        y, x = np.nonzero(where)
        index[where] = np.arange(len(y)) + total
        total += len(y)
        body, fringe = _faces(index, solid[group])
        faces += [body, fringe]
        counts += [len(body), len(fringe)]
        at = np.stack([x, y], -1) + 0.5 + _to_outline(solid[group], covered[group])[where]
        weights, hang = relief.weights[where], relief.hang[where]
        blend = (weights @ transforms.reshape(len(transforms), 12)).reshape(-1, 3, 4) + hang[:, None, None] * free
        turn = np.linalg.inv(blend[:, :, :3])
        for name, depth in (("front", relief.front), ("back", relief.back)):
            space = [
                (at[:, 0] - camera.cx) / camera.scale,
                depth[where],
                (camera.cy - at[:, 1]) / camera.scale,
            ]
            vertices[name].append(np.einsum("nij,nj->ni", turn, np.stack(space, -1) - blend[:, :, 3]))
        vertices["axis"].append(turn[:, :, 1])
        for name, normal in zip(("outward", "inward"), facing[group], strict=True):
            vertices[name].append(np.einsum("nij,nj->ni", turn, normal[where]))
        vertices["weights"].append(weights)
        vertices["hang"].append(hang)
        vertices["place"].append(at * cell)
        vertices["open"].append(grow(layers.cut[group], 8)[where])
        surface = lay_out(
            at, relief, where, solid[group], body - (total - len(y)), camera.scale, cell, group == TRUNK
        )
        surfaces.append(surface)
    joined = {
        name: np.concatenate(parts).astype(bool if name == "open" else np.float32)
        for name, parts in vertices.items()
    }
    joined["rest_front"], joined["rest_back"] = joined.pop("front"), joined.pop("back")
    joined["facing"] = np.concatenate([joined.pop("outward"), joined.pop("inward")])
    joined["printed"] = np.concatenate([surface.printed for surface in surfaces], 1)
    joined["faces"] = np.concatenate(faces).astype(np.int32)
    joined["face_start"] = np.cumsum([0, *counts]).astype(np.int32)
    return joined, surfaces


def _faces(index: np.ndarray, solid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (F,3) between neighbouring vertices of the grid index (h,w), -1 where there is none: those whose
    corners are all solid (h,w) bool, and the others. Squares with three solid corners are cut along their diagonal."""
    corners = np.stack([a.ravel() for a in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:])])
    firm = np.stack([a.ravel() for a in (solid[:-1, :-1], solid[:-1, 1:], solid[1:, :-1], solid[1:, 1:])])
    whole = (corners >= 0).all(0)
    falling = firm[[0, 3]].all(0) & (firm[1] != firm[2])  # the diagonal that runs down to the right
    body, fringe = [], []
    for cells, triangles in ((~falling, ((0, 1, 2), (1, 3, 2))), (falling, ((0, 1, 3), (0, 3, 2)))):
        for triangle in map(list, triangles):
            inside = cells & firm[triangle].all(0)
            body.append(corners[triangle][:, inside].T)
            fringe.append(corners[triangle][:, cells & whole & ~inside].T)
    return np.concatenate(body), np.concatenate(fringe)


def _to_outline(solid: np.ndarray, covered: np.ndarray) -> np.ndarray:
    """(h,w,2) f32 shift in pixels (x, y) of the outermost solid pixels onto the line where the layer's alpha is half,
    so that the outline is a smooth curve and not a stair, which a turned limb would show."""
    field = cv2.GaussianBlur(covered, (0, 0), 0.8)
    slope = np.stack([cv2.Sobel(field, cv2.CV_32F, 1, 0), cv2.Sobel(field, cv2.CV_32F, 0, 1)], -1) / 8
    steep = (slope**2).sum(-1)
    shift = slope * ((0.5 - field) / np.maximum(steep, 1e-3))[..., None]
    length = np.linalg.norm(shift, axis=-1)
    shift *= np.minimum(1, 0.8 / np.maximum(length, 1e-6))[..., None]
    outermost = solid & (cv2.erode(solid.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    return np.where((outermost & (steep > 1e-3))[..., None], shift, 0).astype(np.float32)
