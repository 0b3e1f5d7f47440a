"""Pictures of a posed person: textures, folds, key light with soft shadow, ambient light with occlusion."""

from dataclasses import dataclass

import cv2
import numpy as np

from ..body.figure import load_figure
from .anatomy import unit, vertex_normals
from .backdrops import with_shadow
from .person import Person
from .raycast import Hits, Scene


@dataclass(frozen=True)
class Studio:
    """Camera (px_x = scale x + cx, px_y = -scale z + cy), light and background of all frames of a person."""

    width: int
    height: int
    scale: float
    cx: float
    cy: float
    key: np.ndarray  # (3,) unit vector to the light
    key_colour: np.ndarray  # (3,) linear
    sky: np.ndarray  # (3,) ambient light from above
    ground: np.ndarray  # (3,) ambient light from below
    backdrop: np.ndarray  # (H,W,3) linear
    shadow: float


@dataclass(frozen=True)
class Frame:
    picture: np.ndarray  # (H,W,3) uint8 sRGB
    mask: np.ndarray  # (H,W) uint8
    iuv: np.ndarray  # (H,W,3) uint8, charts of the naked body
    joints: np.ndarray  # (19,3) px x, px y, depth m
    rotations: np.ndarray
    yaw: float
    shift: np.ndarray


def random_studio(
    rng, width: int, height: int, scale: float, cx: float, cy: float, backdrop: np.ndarray
) -> Studio:
    """Light from above and in front, at any side."""
    azimuth, elevation = rng.uniform(-1.1, 1.1), rng.uniform(0.45, 1.0)
    key = np.array(
        [np.sin(azimuth) * np.cos(elevation), -np.cos(azimuth) * np.cos(elevation), np.sin(elevation)]
    )
    warm = rng.uniform(-0.06, 0.06)
    tint = np.array([1 + warm, 1.0, 1 - warm])
    strength = rng.uniform(0.55, 1.05)
    around = backdrop.mean((0, 1))
    around = around / max(around.max(), 1e-3)
    sky = (0.62 - 0.22 * strength) * (0.8 + 0.2 * around) * rng.uniform(0.95, 1.25)
    return Studio(
        width,
        height,
        scale,
        cx,
        cy,
        unit(key),
        tint * strength,
        sky,
        sky * rng.uniform(0.5, 0.8),
        backdrop,
        rng.uniform(0.25, 0.6),
    )


def take(person: Person, studio: Studio, stance: dict, samples: int = 2) -> Frame:
    """One frame of a person in a stance, ``samples``² rays a pixel."""
    axis_angle, yaw = person.rotations(stance), float(np.deg2rad(stance["yaw"]))
    body, points, joints, shift = person.pose(axis_angle, yaw)
    linear, cover = _picture(person, studio, points, samples)
    feet = joints[[11, 18], :]
    soles = np.column_stack([studio.scale * feet[:, 0] + studio.cx, np.full(2, studio.cy - 1.0)])
    ground = with_shadow(studio.backdrop, soles, studio.scale, studio.shadow, -0.25 * studio.key[0])
    picture = linear + (1 - cover[..., None]) * ground
    placed = np.column_stack(
        [studio.scale * joints[:, 0] + studio.cx, -studio.scale * joints[:, 2] + studio.cy, joints[:, 1]]
    )
    return Frame(
        encode(picture),
        (cover * 255 + 0.5).astype(np.uint8),
        _charts(person, studio, body),
        placed.astype(np.float32),
        axis_angle,
        yaw,
        shift.astype(np.float32),
    )


def encode(linear: np.ndarray) -> np.ndarray:
    """Linear light to sRGB bytes, highlights rolled off."""
    x = np.clip(linear, 0, None)
    x = np.where(x > 0.8, 0.8 + 0.2 * (1 - np.exp(-(x - 0.8) / 0.2)), x)
    return (np.power(x, 1 / 2.2) * 255 + 0.5).astype(np.uint8)


def _charts(person: Person, studio: Studio, body: np.ndarray) -> np.ndarray:
    figure, faces = load_figure(), person.anatomy.faces
    hits = Scene(body, faces, np.ones(len(body))).look(
        studio.width, studio.height, studio.scale, studio.cx, studio.cy
    )
    out = np.zeros((studio.height * studio.width, 3), np.uint8)
    out[hits.pixel, 0] = figure.part[hits.face]
    uv = (figure.uv[hits.face] * hits.barycentric[..., None]).sum(1)
    out[hits.pixel, 1:] = np.clip(uv * 255 + 0.5, 0, 255).astype(np.uint8)
    return out.reshape(studio.height, studio.width, 3)


def _picture(
    person: Person, studio: Studio, points: np.ndarray, samples: int
) -> tuple[np.ndarray, np.ndarray]:
    """Light of the person (H,W,3), already multiplied by its coverage (H,W)."""
    width, height = studio.width * samples, studio.height * samples
    scene = Scene(points, person.faces, person.keep)
    hits = scene.look(width, height, studio.scale * samples, studio.cx * samples, studio.cy * samples)
    corner = person.faces[hits.face]
    b = hits.barycentric.astype(np.float32)
    smooth = vertex_normals(points, person.faces, person.gather)
    geometric = unit((smooth[corner] * b[..., None]).sum(1))
    geometric = np.where(geometric[:, 1:2] > 0.15, -geometric, geometric)
    albedo, normal, gloss = _surface(person, points, hits, corner, b, geometric)

    place = np.empty((len(b), 3), np.float32)
    place[:, 0] = (hits.pixel % width + 0.5) / samples / studio.scale - studio.cx / studio.scale
    place[:, 1] = hits.depth
    place[:, 2] = studio.cy / studio.scale - (hits.pixel // width + 0.5) / samples / studio.scale
    # like a chess board: the blur of the single rays fills the other half
    cast = np.flatnonzero((hits.pixel % width + hits.pixel // width) % 2 == 0)
    seen = scene.occlusion(place[cast], geometric[cast], studio.key, 0.22, 0.3, hits.pixel[cast], width)
    lit, openness = _spread(seen, hits.pixel[cast], hits.pixel, width, height)

    facing = normal @ studio.key
    diffuse = np.clip((facing + 0.12) / 1.12, 0, 1) * lit
    up = 0.5 + 0.5 * normal[:, 2:3]
    front = 0.75 + 0.25 * np.clip(-normal[:, 1:2], 0, 1)
    ambient = (studio.sky * up + studio.ground * (1 - up)) * front * (0.25 + 0.75 * openness[:, None])
    half = unit(studio.key + np.array([0, -1.0, 0]))
    shine = gloss * np.clip(normal @ half, 0, 1) ** 24 * lit
    light = (
        albedo * (diffuse[:, None] * studio.key_colour + ambient)
        + (shine * 0.35)[:, None] * studio.key_colour
    )

    canvas = np.zeros((height * width, 4), np.float32)
    canvas[hits.pixel, :3] = np.minimum(light, 1.2)
    canvas[hits.pixel, 3] = 1
    canvas = cv2.resize(
        canvas.reshape(height, width, 4), (studio.width, studio.height), interpolation=cv2.INTER_AREA
    )
    return canvas[..., :3], canvas[..., 3]


def _spread(
    seen: np.ndarray, cast: np.ndarray, wanted: np.ndarray, width: int, height: int
) -> tuple[np.ndarray, np.ndarray]:
    """Averages single random rays (n,2), ``cast`` at flat pixels (n,), over the neighbourhood of the pixels
    ``wanted`` (K,): light and openness, each (K,)."""
    canvas = np.zeros((height * width, 3), np.float32)
    canvas[cast, :2] = seen
    canvas[cast, 2] = 1
    canvas = canvas.reshape(height, width, 3)
    canvas = cv2.blur(cv2.blur(canvas, (7, 7)), (4, 4)).reshape(-1, 3)[wanted]
    share = np.maximum(canvas[:, 2], 1e-6)
    return canvas[:, 0] / share, canvas[:, 1] / share


def _surface(person, points, hits: Hits, corner, b, geometric):
    """Albedo (K,3) linear, bumped unit normal (K,3), gloss (K,) at the hits."""
    albedo = (person.tint[corner] * b[..., None]).sum(1)
    gloss = np.full(len(b), 0.10, np.float32)
    slope = np.zeros((len(b), 2), np.float32)
    uv = (person.uv[hits.face] * b[..., None]).sum(1)
    texture = person.texture[hits.face]
    for index in np.unique(texture[texture >= 0]):
        mine = np.flatnonzero(texture == index)
        sheet = person.textures[index]
        x = (uv[mine, 0] - sheet.corner[0]) * sheet.density - 0.5
        y = (sheet.corner[1] - uv[mine, 1]) * sheet.density - 0.5
        albedo[mine] = _look_up(sheet.colour, x, y)
        slope[mine] = _look_up(sheet.slope, x, y)
        gloss[mine] = sheet.gloss
    bumped = np.flatnonzero(np.abs(slope).sum(1) > 1e-3)
    normal = geometric.copy()
    p, q = points[corner[bumped]], person.uv[hits.face[bumped]]
    e1, e2, d1, d2 = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0], q[:, 1] - q[:, 0], q[:, 2] - q[:, 0]
    area = d1[:, 0] * d2[:, 1] - d1[:, 1] * d2[:, 0]
    area = np.where(np.abs(area) < 1e-9, 1e9, area)[:, None]
    along_u = (e1 * d2[:, 1:] - e2 * d1[:, 1:]) / area
    along_v = (e2 * d1[:, :1] - e1 * d2[:, :1]) / area
    # gradient of the height on the surface, with u and v nearly orthogonal
    rise = sum(
        s[:, None] * t / np.maximum((t * t).sum(1, keepdims=True), 0.05)
        for s, t in ((slope[bumped, 0], along_u), (slope[bumped, 1], along_v))
    )
    normal[bumped] = unit(geometric[bumped] - np.clip(rise, -1.2, 1.2))
    return albedo, normal, gloss


def _look_up(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    rows = -(-len(x) // 4096)
    maps = [np.resize(c, rows * 4096).reshape(rows, 4096).astype(np.float32) for c in (x, y)]
    return cv2.remap(image, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).reshape(
        rows * 4096, -1
    )[: len(x)]
