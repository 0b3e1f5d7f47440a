"""What a rendered frame truly shows: whose surface each pixel is, where on its cloth, and where it was before.

Read at pixel centres, one ray each. A surface is followed through the person's own triangles, so skirts and hair
move as they do in the frames.
"""

from dataclasses import dataclass

import numpy as np

from .kinds import KINDS, STEPS, UNKNOWN
from .person import Person
from .raycast import Hits, Scene
from .render import Studio

HIDDEN = 0.03  # metres behind the nearest surface from which on a point was not seen


@dataclass(frozen=True)
class Traced:
    """kind (H,W) uint8 into KINDS; piece (H,W) uint8, the texture's number plus 1, 0 without one; place (H,W,2) int16,
    millimetres on that texture; flow (H,W,2) int16, from each pixel to where its point was one frame before, in
    16ths of a pixel, UNKNOWN where it was hidden, outside of the picture, or there was no frame before."""

    kind: np.ndarray
    piece: np.ndarray
    place: np.ndarray
    flow: np.ndarray


def trace(person: Person, studio: Studio, stances: list[tuple[np.ndarray, float]], follows: list[bool]) -> list[Traced]:
    """One a frame. stances: rotations (19,3) and yaw in radians of each; follows: whether the one before is the
    moment before."""
    out, seen = [], None
    for (rotations, yaw), followed in zip(stances, follows, strict=True):
        points = person.pose(rotations, yaw)[1]
        hits = Scene(points, person.faces, person.keep).look(
            studio.width, studio.height, studio.scale, studio.cx, studio.cy
        )
        out.append(_traced(person, studio, hits, seen if followed else None))
        depth = np.full(studio.height * studio.width, np.inf)
        depth[hits.pixel] = hits.depth
        seen = points, depth.reshape(studio.height, studio.width)
    return out


def _traced(person: Person, studio: Studio, hits: Hits, before: tuple[np.ndarray, np.ndarray] | None) -> Traced:
    count = studio.height * studio.width
    kind, piece = np.zeros((2, count), np.uint8)
    place = np.zeros((count, 2), np.int16)
    flow = np.full((count, 2), UNKNOWN)
    texture = person.texture[hits.face]
    kinds = np.array([KINDS.index(name) for name in (*person.notes["textures"], "skin")], np.uint8)
    kind[hits.pixel], piece[hits.pixel] = kinds[texture], texture + 1
    share = hits.barycentric[..., None]
    place[hits.pixel] = np.round((person.uv[hits.face] * share).sum(1) * 1000)
    if before is not None:
        points, depth = before
        was = (points[person.faces[hits.face]] * share).sum(1)
        x, y = studio.scale * was[:, 0] + studio.cx, studio.cy - studio.scale * was[:, 2]
        inside = (x >= 0) & (x < studio.width) & (y >= 0) & (y < studio.height)
        column, row = (np.where(inside, v, 0).astype(int) for v in (x, y))
        known = inside & (was[:, 1] < depth[row, column] + HIDDEN)
        now = np.stack([hits.pixel % studio.width, hits.pixel // studio.width], -1) + 0.5
        moved = np.round((np.stack([x, y], -1) - now) * STEPS)
        flow[hits.pixel[known]] = moved[known]
    shape = studio.height, studio.width
    return Traced(kind.reshape(shape), piece.reshape(shape), place.reshape(*shape, 2), flow.reshape(*shape, 2))
