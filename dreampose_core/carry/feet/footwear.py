"""Feet and shoes as surfaces of their own, for the sides from which the photo does not show them.

A photo shows a foot from the front, end on: all of its length lies in a few pixels. So what stands on the foot bone is
built instead, from the figure's foot and a few numbers that were read off the photo (see reading.py): the skin of the
foot, a shoe about it that is open as far as the photo says, and a heel under a foot that stands pitched.

Lengths in metres, the body at rest: forward is -y, up is z; heights count from the sole.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from dreampose_core.carry.built import SIDES, Extremity
from dreampose_core.carry.fill import smooth
from pose_tools.body.figure import BONES, Figure, load_figure

BARE, PUMP, SANDAL, CLOSED = range(1, 5)  # the kinds of footwear; 0 is a foot of which nothing is known
SKIN, UPPER, HEEL = range(3)  # the surfaces of a foot
_ANKLE = 0.09  # above it a foot does not bend
SOLES = {PUMP: 0.006, SANDAL: 0.006, CLOSED: 0.014}  # how thick they are
_BALL, _SEAT = 0.135, 0.0  # before the ankle: where a pitched foot bends, and up to where its heel is level
_STATIONS, _DIRECTIONS = 34, 36
_SLICE = 0.012  # half the length of foot that makes one cross-section of a shoe
_TOP = 0.075  # height of a closed shoe
_STRAP = 0.004  # half of its width
_LEAST_HEEL, _SLIM = 0.028, 0.05  # of a heel's height: below the first there is none, above the second it is slim


@dataclass(frozen=True)
class Footwear(Extremity):
    """What one foot wears.

    kind; pitch: radians by which the toes point down where it stands; throat: where a pump's upper begins, 0 (heel) … 1
    (toe), or where a sandal's strap lies; row: of the photo, pixels, above which the leg is the photo's own; strap: the
    row at which one runs around the ankle, 0 without; lie (3,): shift in metres at rest that lays the foot onto the
    photo's; skin, upper and sole (3,): colours, 0…255.
    """

    kind: int
    pitch: float
    throat: float
    row: float
    strap: float
    lie: np.ndarray
    skin: np.ndarray
    upper: np.ndarray
    sole: np.ndarray


NOTHING_KNOWN = np.zeros((len(SIDES), 17), np.float32)


@dataclass(frozen=True, eq=False)
class Surface:
    """points (N,3) at rest, weights (N,B), faces (F,3); along (N,) 0 heel … 1 toe; height (N,) above the sole, before
    the foot is bent; piece: SKIN, UPPER or HEEL."""

    points: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    along: np.ndarray
    height: np.ndarray
    piece: int


def foot_surfaces(wear: Footwear, shape: np.ndarray, side: str) -> tuple[Surface, ...]:
    """The surfaces of a foot with that footwear on the body with this shape (S,); side: "L" or "R"."""
    return _surfaces(wear.to_row().tobytes(), np.asarray(shape, np.float32).tobytes(), side)


@lru_cache(maxsize=16)
def _surfaces(row: bytes, shape: bytes, side: str) -> tuple[Surface, ...]:
    wear, figure = Footwear.from_row(np.frombuffer(row, np.float32)), load_figure()
    rest, joint, bone = _rest(figure, np.frombuffer(shape, np.float32), side)
    weights = figure.weights[:, bone]
    foot = rest[weights > 0.5]
    floor, heel, toe = foot[:, 2].min(), foot[:, 1].max(), foot[:, 1].min()

    def surface(points: np.ndarray, faces: np.ndarray, piece: int, own: np.ndarray | None = None) -> Surface:
        along, height = (heel - points[:, 1]) / (heel - toe), points[:, 2] - floor
        if piece != HEEL:
            points = _stand(points, joint, floor, toe, wear)
        if own is None:
            own = np.zeros((len(points), len(BONES)), np.float32)
            own[:, bone] = 1
        # the leg above lies where it lies
        lie = np.clip((_ANKLE + 0.03 - height) / 0.06, 0, 1)[:, None] * wear.lie
        return Surface(np.float32(points + lie), own, faces, np.float32(along), np.float32(height), piece)

    used = (weights[figure.faces] > 0.003).all(1)
    index, faces = np.unique(figure.faces[used], return_inverse=True)
    out = [surface(rest[index], faces.reshape(-1, 3), SKIN, figure.weights[index])]
    if wear.kind > BARE:
        points, faces = _last(foot, floor, wear.kind, wear.pitch)
        out.append(surface(points, faces, UPPER))
        lift = _lift(joint, toe, wear.pitch)
        if wear.kind != CLOSED and lift > _LEAST_HEEL:
            out.append(surface(*_heel(joint, floor, heel, toe, wear.pitch, lift), HEEL))
    return tuple(out)


def has_heel(wear: Footwear, shape: np.ndarray, side: str) -> bool:
    """Whether a heel is built under that foot of the body with this shape (S,)."""
    rest, joint, bone = _rest(figure := load_figure(), np.asarray(shape, np.float32), side)
    toe = rest[figure.weights[:, bone] > 0.5, 1].min()
    return wear.kind in (PUMP, SANDAL) and _lift(joint, toe, wear.pitch) > _LEAST_HEEL


def _rest(figure: Figure, shape: np.ndarray, side: str) -> tuple[np.ndarray, np.ndarray, int]:
    bone = figure.bone(f"foot.{side}")
    return figure.rest_vertices(shape), figure.rest_joints(shape)[bone], bone


def _lift(joint: np.ndarray, toe: float, pitch: float) -> float:
    """How high the heel of a pitched foot is, which the leg stands on."""
    return float((joint[1] - toe) * np.tan(pitch))


def _stand(points: np.ndarray, joint: np.ndarray, floor: float, toe: float, wear: Footwear) -> np.ndarray:
    """Points (N,3) of a foot at rest, bent at the ball so that it stands flat on its forefoot when pitched: heel and
    tip stay, and what is between sinks to the floor that the tip touches. The heel of a foot that is hardly pitched
    sinks too, and half of its way that of a closed shoe: that toes seem to point down is as often the fit's or the
    camera's doing as a heel's."""
    high = _lift(joint, toe, wear.pitch) > _LEAST_HEEL
    pitch = wear.pitch * (0.5 if high and wear.kind == CLOSED else 1)
    if pitch <= 0:
        return points
    ahead = joint[1] - points[:, 1]
    above = points[:, 2] - floor
    # the straight sole of a pitched foot over that floor
    over = (joint[1] - toe - ahead * np.cos(pitch) - above * np.sin(pitch)) * np.tan(pitch)
    stays = smooth(_BALL - ahead, 0, _BALL - _SEAT) * (high and wear.kind != CLOSED)
    sink = np.clip(over, 0, None) * (1 - stays) * np.clip((_ANKLE - above) / 0.03, 0, 1)
    out = points.copy()
    out[:, 2] -= sink * np.cos(pitch)
    out[:, 1] -= sink * np.sin(pitch)
    return out


def _last(foot: np.ndarray, floor: float, kind: int, pitch: float) -> tuple[np.ndarray, np.ndarray]:
    """A shoe without an opening about the foot (N,3): convex outlines of its slices, closed at heel and toe."""
    slim = kind != CLOSED
    ease, thick = 0.006 if slim else 0.008, SOLES[kind]
    pointed = 0.014 if slim and pitch > 0.15 else 0.008
    heel, toe = foot[:, 1].max(), foot[:, 1].min()
    angle = np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS
    way = np.stack([np.cos(angle), np.sin(angle)], 1)
    cosine = np.cos(angle[:, None] - angle)
    levels = np.linspace(heel - 0.002, toe + 0.002, _STATIONS)
    low = foot[foot[:, 2] < floor + 0.085]
    centre, radius = np.empty((_STATIONS, 2)), np.empty((_STATIONS, _DIRECTIONS))
    for i, level in enumerate(levels):
        near = low[np.abs(low[:, 1] - level) < _SLICE][:, [0, 2]]
        centre[i] = (near.min(0) + near.max(0)) / 2
        support = ((near - centre[i]) @ way.T).max(0)
        radius[i] = np.where(cosine > 0.05, support / np.maximum(cosine, 0.05), np.inf).min(1) + ease
    for _ in range(2):
        radius[1:-1] = (radius[:-2] + 2 * radius[1:-1] + radius[2:]) / 4
        centre[1:-1] = (centre[:-2] + 2 * centre[1:-1] + centre[2:]) / 4
    ring = centre[:, None] + radius[..., None] * way
    # rounded ends; a pointed toe narrows along the last quarter
    along = np.linspace(0, 1, _STATIONS)
    narrow = np.sqrt(np.clip(1 - np.clip((0.07 - along) / 0.09, 0, 1) ** 2, 0, 1))
    tip = np.clip((along - 0.72) / 0.28, 0, 1)
    narrow *= np.clip(1 - tip**2, 0, 1) ** (0.75 if pointed > 0.01 else 0.4)
    ring[..., 0] = centre[:, :1] + (ring[..., 0] - centre[:, :1]) * narrow[:, None]
    ring[..., 1] = np.maximum(ring[..., 1], floor)
    ring[..., 1] = floor + (ring[..., 1] - floor) * (1 - 0.65 * tip**3)[:, None]
    flat = np.clip((-way[:, 1] - 0.45) / 0.25, 0, 1)
    ring[..., 1] = ring[..., 1] * (1 - flat) + (floor - thick) * flat
    y = levels + ease * np.interp(along, [0, 0.2, 0.8, 1], [1, 0, 0, -1]) - pointed * tip**2
    points = np.concatenate([ring, np.broadcast_to(y[:, None, None], (_STATIONS, _DIRECTIONS, 1))], -1)[..., [0, 2, 1]]
    ends = points[[0, -1]].mean(1)
    return np.concatenate([points.reshape(-1, 3), ends]), _tube_faces(_STATIONS, _DIRECTIONS)


def _heel(
    joint: np.ndarray, floor: float, heel: float, toe: float, pitch: float, lift: float
) -> tuple[np.ndarray, np.ndarray]:
    """What stands under the heel of a pitched foot, straight down to the floor that the tip touches."""
    rows, columns = 7, 16
    slim = np.clip((lift - _LEAST_HEEL) / (_SLIM - _LEAST_HEEL), 0, 1)
    t = np.linspace(0, 1, rows)[:, None]
    angle = (np.arange(columns) * 2 * np.pi / columns)[None]
    start, end = 0.027, 0.024 - 0.018 * slim
    radius = end + (start - end) * (1 - t) ** (1 + 1.5 * slim)
    down = np.array([0, -np.sin(pitch), -np.cos(pitch)])
    middle = np.array([joint[0], heel - 0.030, floor + 0.006])
    ahead = joint[1] - middle[1]
    length = (joint[1] - toe - ahead * np.cos(pitch)) * np.tan(pitch) + 0.008
    middle = middle + (t * length)[..., None] * down + ((radius - start) * -0.6)[..., None] * [0, 1, 0]
    ring = np.stack([np.cos(angle) + 0 * t, np.sin(angle) + 0 * t, 0 * t + 0 * angle], -1) * radius[..., None]
    points = middle + ring
    return np.concatenate([points.reshape(-1, 3), points[[0, -1]].mean(1)]), _tube_faces(rows, columns)


def _tube_faces(rows: int, columns: int) -> np.ndarray:
    """(F,3) triangles of a tube of that many rings, closed by two points that follow them."""
    here = np.arange(rows * columns).reshape(rows, columns)
    after = np.roll(here, -1, 1)
    quads = [np.stack(q, -1).reshape(-1, 3) for q in (
        (here[:-1], after[:-1], here[1:]), (after[:-1], after[1:], here[1:]),
        (0 * here[0] + here.size, after[0], here[0]), (0 * here[0] + here.size + 1, here[-1], after[-1]),
    )]
    return np.concatenate(quads)


def worn(wear: Footwear, surface: Surface, along: np.ndarray, height: np.ndarray) -> np.ndarray:
    """(K,) bool: whether a surface is there at `along` and `height` (K,): of the upper what covers the foot, of the
    foot what is not inside of a closed toe."""
    if surface.piece == SKIN:
        return along < {CLOSED: 0.5, PUMP: wear.throat + 0.05}.get(wear.kind, 2.0)
    if surface.piece == HEEL:
        return np.ones(len(along), bool)
    if wear.kind == CLOSED:
        return height < np.interp(along, [0, 0.15, 0.4, 0.55], [_TOP, _TOP - 0.012, _TOP, 1])
    throat = wear.throat
    if wear.kind == SANDAL:
        counter = height < np.interp(along, [0, 0.1, 0.16], [0.06, 0.03, 0.003])
        plate = height < np.interp(along, [0.1, 0.3, 0.55, 0.65], [0.003, 0.012, 0.012, 0.003])
        return counter | plate | (np.abs(along - throat) < 0.055)
    top = np.interp(
        along, [0, 0.08, 0.22, 0.4, throat - 0.1, throat - 0.03, throat], [0.052, 0.050, 0.036, 0.026, 0.028, 0.04, 1]
    )
    return height < top


def colours(
    wear: Footwear, surface: Surface, along: np.ndarray, height: np.ndarray, row: np.ndarray, scale: float
) -> np.ndarray:
    """(K,3) f32 of places on a surface, before light. row (K,) of the photo, scale: its pixels a metre."""
    if surface.piece == SKIN:
        strap = np.clip(1.5 - np.abs(row - wear.strap) / (_STRAP * scale), 0, 1)[:, None] * (wear.strap > 0)
        covered = np.clip((_TOP - height) / 0.004, 0, 1)[:, None] * (wear.kind == CLOSED)
        return wear.skin + (wear.upper - wear.skin) * np.maximum(strap, covered)
    if surface.piece == HEEL:
        return np.broadcast_to(wear.upper, (len(along), 3))
    low = np.clip((0.0015 - height) / 0.003, 0, 1)[:, None]
    return wear.upper * (1 - low) + wear.sole * low
