"""One person drawn from a seed: build, face, hair, clothes, and everything merged into one set of triangles."""

from dataclasses import dataclass, replace

import numpy as np

from .anatomy import BONE, Anatomy, load_anatomy, normal_gatherer, unit, vertex_normals
from .cloth import Skirt, Surface, smoothstep
from .faces import paint_face, random_hair_colour, random_skin, skin_colours
from .hair import Curtain, ball, cap, curtain_surface, hair_texture, hairline
from .patterns import Texture, hex_of, linear
from .rack import Rack
from .stances import bone_transforms, rotations
from .wardrobe import dress


@dataclass(frozen=True)
class Person:
    """rest (V,3) and heads (B,3): the naked build. The rest are the merged surfaces, N points and M triangles."""

    anatomy: Anatomy
    rest: np.ndarray
    heads: np.ndarray
    points: np.ndarray  # (N,3) rest positions of what is skinned
    weights: np.ndarray  # (N,B)
    faces: np.ndarray  # (M,3)
    uv: np.ndarray  # (M,3,2) metres
    texture: np.ndarray  # (M,) index into textures, -1: ``tint``
    keep: np.ndarray  # (N,)
    tint: np.ndarray  # (N,3) linear
    drapes: tuple  # (first point, count, Skirt or Curtain)
    textures: tuple[Texture, ...]
    gather: object
    notes: dict
    soles: np.ndarray  # indices into points of the lowest parts of the feet

    def rotations(self, stance: dict) -> np.ndarray:
        """(19,3) axis-angle of a stance, with the heels' pitch and the arms clear of the clothes."""
        return rotations(stance, self.heads, self.notes["heel pitch"], self.notes["clear"])

    def pose(self, axis_angle: np.ndarray, yaw: float):
        """Naked vertices (V,3), dressed points (N,3), joints (19,3) and the root's shift (3,), the soles on z = 0
        and the ankles' middle over the origin. ``yaw`` in radians."""
        moves = bone_transforms(self.heads, axis_angle, yaw)
        ankles = [moves[BONE[f"foot.{s}"]] @ np.append(self.heads[BONE[f"foot.{s}"]], 1) for s in "LR"]
        low = _skin(self.points[self.soles], self.weights[self.soles], moves)[:, 2].min()
        shift = np.array([-(ankles[0][0] + ankles[1][0]) / 2, -(ankles[0][1] + ankles[1][1]) / 2, -low])
        moves[:, :, 3] += shift
        body = _skin(self.rest, self.anatomy.weights, moves)
        points = _skin(self.points, self.weights, moves)
        for first, count, drape in self.drapes:
            if isinstance(drape, Skirt):
                root = moves[BONE["root"]]
                waist = root @ np.append(self.heads[0] * [1, 1, 0] + [0, 0, self._height_of(drape.top)], 1)
                points[first : first + count] = drape.place(body, waist, yaw)
            else:
                points[first : first + count] = drape.place(body, moves)
        joints = np.einsum("bij,bj->bi", moves[:, :, :3], self.heads) + moves[:, :, 3]
        return body, points, joints, shift

    def _height_of(self, canonical: float) -> float:
        near = np.abs(self.anatomy.canon[:, 2] - canonical) < 0.015
        near &= self.anatomy.arm_weight < 0.2
        return float(self.rest[near, 2].mean())


def _skin(points, weights, moves):
    blend = (weights @ moves.reshape(len(moves), 12).astype(np.float32)).reshape(-1, 3, 4)
    return np.einsum("nij,nj->ni", blend[:, :, :3], points) + blend[:, :, 3]


def _build(rng) -> tuple[bool, dict]:
    female = bool(rng.random() < 0.62)
    sliders = {
        "gender": rng.uniform(0.85, 1) if female else rng.uniform(0, 0.15),
        "age": rng.uniform(0.6, 0.85),
        "muscle": rng.uniform(0.3, 0.7 if female else 0.85),
        "weight": float(np.clip(rng.normal(0.45, 0.17), 0.15, 0.95)),
        "height": rng.uniform(0.3, 0.7),
        "proportions": rng.uniform(0.45, 0.95),
    }
    return female, {k: float(v) for k, v in sliders.items()}


def _reshape_head(rng, anatomy: Anatomy, rest: np.ndarray) -> np.ndarray:
    """Small differences between faces: jaw, cheeks, nose, chin."""
    x, y, z = anatomy.canon.T
    out = rest.copy()
    on_head = smoothstep(anatomy.head_weight, 0.3, 0.9)
    jaw = 1 + rng.normal(0, 0.05) * smoothstep(-z, -0.875, -0.81) * on_head
    cheek = 1 + rng.normal(0, 0.025) * np.exp(-(((z - 0.87) / 0.03) ** 2)) * on_head
    out[:, 0] *= np.where(anatomy.eyeball, 1, jaw * cheek)
    nose = np.exp(-((x / 0.014) ** 2) - ((z - 0.865) / 0.018) ** 2) * (y < -0.13) * on_head
    out[:, 1] -= rng.normal(0, 0.004) * nose
    out[:, 0] += x * nose * rng.normal(0, 0.2)
    return out


def _wear_hair(rack: Rack, female: bool, colour: np.ndarray) -> np.ndarray:
    """Puts hair on; returns the outline (V,) of the cap."""
    rng, a = rack.rng, rack.anatomy
    kind = str(
        rng.choice(
            ["short", "bob", "long", "tied", "bun", "ponytail", "bald"],
            p=[0.08, 0.17, 0.38, 0.05, 0.16, 0.16, 0]
            if female
            else [0.78, 0.0, 0.08, 0.02, 0.02, 0.02, 0.08],
        )
    )
    rack.notes["hair"] = {"style": kind, "colour": hex_of(colour)}
    if kind == "bald":
        return np.full(len(a.canon), -1.0)
    texture = rack.texture(hair_texture(rng, colour), "hair")
    tied = kind in ("tied", "bun", "ponytail")
    shape = "tied" if tied else ("long" if kind in ("bob", "long") else "short")
    cover = hairline(a, shape, float(rng.uniform(-0.012, 0.012)))
    volume = float(rng.uniform(0.004, 0.01) if tied else rng.uniform(0.012, 0.03))
    rack.surfaces.append(
        cap(a, rack.rest, rack.normals, cover, volume, float(rng.uniform(-0.035, 0.035)), shape, texture)
    )
    x, y, z = a.canon.T
    skull = (a.head_weight > 0.8) & (z > 0.86) & ~a.eyeball
    middle = rack.rest[skull].mean(0)

    def place(canonical):
        return rack.rest[np.argmin(((a.canon - canonical) ** 2).sum(1))]

    if tied:
        height = float(rng.choice([0.9, 0.96, 1.0])) if kind == "bun" else 0.93
        back = place(np.array([0, 0.05 if height < 0.98 else 0.01, height]))
        out = unit(back - middle)
        if kind in ("bun", "tied"):
            size = rng.uniform(0.03, 0.045)
            rack.surfaces.append(ball(back + out * size * 0.7, np.array([size * 1.1, size, size]), texture))
    clearance = 0.045 if "coat" in rack.notes else 0.022
    torso = np.flatnonzero((z < 0.80) & (z > 0.1) & (a.arm_weight < 0.35))[::3]
    if kind in ("bob", "long"):
        columns = 44
        reach = 1.72
        spread = np.linspace(-reach, reach, columns)
        angle = np.pi + spread
        worn = rack.surfaces[-1].points
        ring = worn[np.abs(worn[:, 2] - place(np.array([0, 0.05, 0.945]))[2]) < 0.022]
        around = np.arctan2(ring[:, 0] - middle[0], -(ring[:, 1] - middle[1]))
        near = np.abs(np.angle(np.exp(1j * (angle[:, None] - around[None])))) < 0.25
        out = np.linalg.norm(ring[:, :2] - middle[:2], axis=1)
        radius = np.where(near, out[None], 0).max(1)
        radius = np.convolve(np.pad(radius, 3, mode="edge"), np.ones(7) / 7, "valid") - 0.010
        height = ring[:, 2].mean() + 0.012 - 0.035 * (np.abs(spread) / reach) ** 2
        roots = np.column_stack(
            [middle[0] + radius * np.sin(angle), middle[1] - radius * np.cos(angle), height]
        )
        length = float(rng.uniform(0.17, 0.25) if kind == "bob" else rng.uniform(0.3, 0.55))
        lengths = np.full(columns, length) * (1 - 0.12 * np.abs(spread / reach) ** 4)
        wave = float(rng.choice([0, 0.02, 0.05]))
        curtain = Curtain(roots, lengths, np.abs(rng.normal(0, 0.002, columns)), torso, wave, clearance)
        ragged = 0.012 + 0.05 * rng.random(columns) * length
        rack.surfaces.append(curtain_surface(curtain, texture, ragged))
    elif kind == "ponytail":
        columns = 17
        ring = np.linspace(-np.pi, np.pi, columns)
        centre = back + out * 0.02
        roots = centre + 0.026 * np.column_stack([np.sin(ring), np.cos(ring) * 0.8, 0 * ring])
        lengths = np.full(columns, float(rng.uniform(0.22, 0.5)))
        rack.surfaces.append(ball(back + out * 0.012, np.array([0.028, 0.03, 0.024]), texture))
        curtain = Curtain(roots, lengths, 0.004 + 0.012 * (1 + np.cos(ring)), torso, 0.0, clearance)
        rack.surfaces.append(curtain_surface(curtain, texture, 0.01 + 0.05 * rng.random(columns)))
    return cover


def make_person(seed: int) -> Person:
    """The same seed gives the same person."""
    rng = np.random.default_rng(seed)
    anatomy = load_anatomy()
    female, sliders = _build(rng)
    rest, heads = anatomy.rest(sliders)
    rest = _reshape_head(rng, anatomy, rest).astype(np.float32)
    normals = vertex_normals(rest, anatomy.faces, normal_gatherer(anatomy.faces, len(rest)))
    skin, hair = random_skin(rng), random_hair_colour(rng)
    notes = {
        "seed": int(seed),
        "female": female,
        "build": {k: round(v, 2) for k, v in sliders.items()},
        "skin": hex_of(skin),
    }
    rack = Rack(anatomy, rest, normals, heads, rng, [], [], np.full(len(rest), -1.0), notes)
    face = rack.texture(paint_face(rng, skin, hair, female), "face")
    dress(rack, female)
    hair_cover = _wear_hair(rack, female, hair)
    body = _body_surface(rack, face, hair_cover)
    tint = linear(skin_colours(skin, anatomy.canon, anatomy.arm))
    flares = [s.drape.flare + s.drape.ease for s in rack.surfaces if isinstance(s.drape, Skirt)]
    notes["clear"] = float(4 + 26 * max(flares)) if flares else (6.0 if "coat" in notes else 1.5)
    return _merge(rack, [body] + rack.surfaces, tint)


def _body_surface(rack: Rack, face: int, hair_cover: np.ndarray) -> Surface:
    a = rack.anatomy
    hidden = np.where(a.eyeball, -1.0, np.maximum(rack.hidden, hair_cover - 0.03))
    faces = a.faces[~(hidden[a.faces] > 0).all(1)]
    middle = a.canon[faces].mean(1)
    painted = (middle[:, 1] < -0.075) & (middle[:, 2] > 0.785) & (a.head_weight[faces].mean(1) > 0.5)
    uv = a.canon[faces][..., [0, 2]]
    return Surface(rack.rest, a.weights, faces, uv.astype(np.float32), np.where(painted, face, -1), -hidden)


def _without_hidden(surface: Surface) -> Surface:
    """Without the faces that are nowhere there: rays would have to step through them."""
    there = (surface.keep[surface.faces] > 0).any(1)
    return replace(surface, faces=surface.faces[there], uv=surface.uv[there], texture=surface.texture[there])


def _merge(rack: Rack, surfaces: list[Surface], tint: np.ndarray) -> Person:
    surfaces = [_without_hidden(s) for s in surfaces]
    offsets = np.cumsum([0] + [len(s.points) for s in surfaces])
    faces = np.concatenate([s.faces + o for s, o in zip(surfaces, offsets, strict=False)]).astype(np.int32)
    points = np.concatenate([s.points for s in surfaces]).astype(np.float32)
    weights = np.concatenate([s.weights for s in surfaces]).astype(np.float32)
    all_tint = np.ones((len(points), 3), np.float32)
    all_tint[: len(tint)] = tint
    feet = weights[:, [BONE["foot.L"], BONE["foot.R"]]].sum(1) > 0.5
    soles = np.flatnonzero(feet & (points[:, 2] < rack.rest[:, 2].min() + 0.03))
    return Person(
        rack.anatomy,
        rack.rest,
        rack.heads,
        points,
        weights,
        faces,
        np.concatenate([s.uv for s in surfaces]).astype(np.float32),
        np.concatenate([s.texture for s in surfaces]).astype(np.int32),
        np.concatenate([s.keep for s in surfaces]).astype(np.float32),
        all_tint,
        tuple(
            (int(o), len(s.points), s.drape)
            for s, o in zip(surfaces, offsets, strict=False)
            if s.drape is not None
        ),
        tuple(rack.textures),
        normal_gatherer(faces, len(points)),
        rack.notes,
        soles,
    )
