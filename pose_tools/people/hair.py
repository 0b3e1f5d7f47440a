"""Hair: a cap on the skull, and pieces that hang from it under gravity and lie on the shoulders."""

from dataclasses import dataclass

import numpy as np

from .anatomy import BONE, Anatomy, unit
from .cloth import Surface, grid_faces, smoothstep, unwrapped
from .patterns import Texture, finish, grid, smooth_noise

AXIS = np.array([0.0, -0.055])  # the skull's middle, canonical x and y


def hair_texture(rng, colour: np.ndarray) -> Texture:
    """Strands along v over u -1.2..1.2 and v -1.1..0.4 metres."""
    u, v = grid((-1.2, 1.2), (-1.1, 0.4), 300)
    fine = smooth_noise(rng, u.shape, 0.9, 60) + 0.8 * smooth_noise(rng, u.shape, 2.5, 90)
    broad = smooth_noise(rng, u.shape, 9, 120)
    light = np.clip(1 + 0.16 * fine + 0.12 * broad, 0.45, 1.7)
    tint = colour[None, None] * light[..., None] + 0.02 * np.clip(fine, 0, 2)[..., None]
    return finish(tint, 0.0012 * fine + 0.002 * broad, u, v, 0.3, 300)


def hairline(anatomy: Anatomy, kind: str, rise: float) -> np.ndarray:
    """(V,) positive where hair grows: forehead, temples, round the ears, nape."""
    x, y, z = anatomy.canon.T
    angle = np.abs(np.arctan2(x - AXIS[0], -(y - AXIS[1])))
    covers_ears = kind in ("bob", "long", "waves")
    low = np.interp(
        angle,
        [0, 0.55, 0.85, 1.05, 1.35, 1.75, 2.1, 3.2],
        [
            0.972 + rise,
            0.968 + rise,
            0.945,
            0.90 if covers_ears else 0.912,
            0.875 if covers_ears else 0.905,
            0.85 if covers_ears else 0.905,
            0.835,
            0.815,
        ],
    )
    return np.where(anatomy.eyeball | (z < 0.78), -1.0, z - low)


def cap(
    anatomy: Anatomy,
    rest: np.ndarray,
    normals: np.ndarray,
    cover: np.ndarray,
    volume: float,
    part: float,
    kind: str,
    texture: int,
) -> Surface:
    """The hair that lies on the skull, ``volume`` m thick; strands fall from a parting at ``part`` m, or are
    combed back where ``kind`` is tied."""
    x, y, z = anatomy.canon.T
    thick = volume * (0.35 + 0.65 * smoothstep(cover, 0.0, 0.06)) * np.where(cover > -0.04, 1, 0)
    thick += 0.012 * smoothstep(cover, -0.01, 0.03)
    points = rest + normals * thick[:, None]
    ear = (np.abs(x) > 0.074) & (z < 0.92) & (z > 0.84)
    least = np.where(ear, -1.0, np.where(cover > 0, 0.008, 0.002))
    for _ in range(16):
        points = 0.5 * points + 0.5 * (anatomy.average @ points)
        depth = ((points - rest) * normals).sum(1)
        points += normals * np.maximum(least - depth, 0)[:, None]
    groove = np.exp(-(((x - part) / 0.006) ** 2)) * (y < 0.0) * smoothstep(cover, 0.02, 0.05)
    if kind != "tied":
        points[:, 2] -= 0.007 * groove
    faces = anatomy.faces[(cover[anatomy.faces] > -0.03).all(1)]
    if kind == "tied":
        across = np.arctan2(x, np.maximum(z - 0.90, 0.005) + 0.01)
        uv = np.stack([unwrapped(across, faces) * 0.1, -y[faces] - 0.2], -1)
    else:
        round_ear = np.arctan2(y + 0.05, np.maximum(z - 0.87, -0.2) + 0.12)
        uv = np.stack([round_ear[faces] * 0.16, -np.abs(x - part)[faces] + 0.6 * z[faces] - 0.7], -1)
    used, faces = np.unique(faces, return_inverse=True)
    faces = faces.reshape(-1, 3).astype(np.int32)
    return Surface(
        points[used].astype(np.float32),
        anatomy.weights[used],
        faces,
        uv.astype(np.float32),
        np.full(len(faces), texture),
        cover[used].astype(np.float32),
    )


@dataclass(frozen=True)
class Curtain:
    """Hair that hangs from a ring round the skull: columns at angles (0 in front, positive to the left)."""

    roots: np.ndarray  # (columns,3) rest positions, moved by the head
    lengths: np.ndarray  # (columns,) metres
    spread: np.ndarray  # (columns,) metres of waviness
    picks: np.ndarray  # vertices of torso and neck it lies on
    wave: float
    clearance: float  # metres off the torso
    rows: int = 18

    def place(self, body: np.ndarray, transforms: np.ndarray) -> np.ndarray:
        """(rows*columns,3): strands start down the head's own axis, turn to the vertical, and stay outside the
        torso (its radius by sector and height round the neck)."""
        head = transforms[BONE["head"]]
        roots = self.roots @ head[:, :3].T + head[:, 3]
        down = head[:, :3] @ np.array([0, 0, -1.0])
        columns = len(roots)
        points = np.empty((self.rows, columns, 3))
        points[0] = roots
        step = self.lengths / (self.rows - 1)
        torso = body[self.picks]
        middle = torso[torso[:, 2] > torso[:, 2].max() - 0.1, :2].mean(0)
        outward = unit(roots[:, :2] - middle)
        for i in range(1, self.rows):
            hang = smoothstep(np.float64(i), 0, 6)
            way = unit(down * (1 - hang) + np.array([0, 0, -1.0]) * hang)
            nxt = points[i - 1] + way[None] * step[:, None]
            sway = self.wave * np.sin(i * 0.9 + np.arange(columns) * 0.7) * min(i / 6, 1)
            offset = nxt[:, :2] - middle
            # out of the cap within the first rows
            radius = np.linalg.norm(offset, axis=1) + (0.003 if i < 5 else 0.0)
            level = nxt[:, 2].mean()
            near = torso[np.abs(torso[:, 2] - level) < 0.025, :2] - middle
            if len(near):
                along = near @ outward.T
                across = np.abs(near @ np.stack([-outward[:, 1], outward[:, 0]]))
                limit = np.where(across < 0.035, along, -1).max(0)
                radius = np.maximum(radius, limit + self.clearance + self.spread)
            nxt[:, :2] = middle + unit(offset) * (radius + sway * 0.15)[:, None]
            points[i] = nxt
        smooth = points.copy()
        for _ in range(3):
            smooth[1:-1] = 0.25 * smooth[:-2] + 0.5 * smooth[1:-1] + 0.25 * smooth[2:]
            smooth[:, 1:-1] = 0.25 * smooth[:, :-2] + 0.5 * smooth[:, 1:-1] + 0.25 * smooth[:, 2:]
            smooth[0] = points[0]
        return smooth.reshape(-1, 3).astype(np.float32)


def curtain_surface(curtain: Curtain, texture: int, ragged: np.ndarray) -> Surface:
    columns = len(curtain.roots)
    faces = grid_faces(curtain.rows, columns)
    column = np.broadcast_to(np.arange(columns)[None], (curtain.rows, columns))
    drop = np.linspace(0, 1, curtain.rows)[:, None] * curtain.lengths[None]
    uv = np.stack([column * 0.012, -drop], -1).reshape(-1, 2)
    keep = (1 - np.linspace(0, 1, curtain.rows)[:, None]) * curtain.lengths[None] - ragged[None]
    count = curtain.rows * columns
    return Surface(
        np.zeros((count, 3), np.float32),
        np.zeros((count, len(BONE)), np.float32),
        faces,
        uv[faces].astype(np.float32),
        np.full(len(faces), texture),
        keep.reshape(-1).astype(np.float32),
        curtain,
    )


def ball(centre: np.ndarray, radii: np.ndarray, texture: int, bone: str = "head") -> Surface:
    """An ellipsoid that moves with one bone: a bun."""
    rows, columns = 14, 25
    a, b = np.linspace(0, np.pi, rows), np.linspace(-np.pi, np.pi, columns)
    a, b = np.meshgrid(a, b, indexing="ij")
    points = centre + radii * np.stack([np.sin(a) * np.sin(b), -np.sin(a) * np.cos(b), np.cos(a)], -1)
    faces = grid_faces(rows, columns)
    uv = np.stack([a * 0.1, b * 0.05], -1).reshape(-1, 2)
    weights = np.zeros((rows * columns, len(BONE)), np.float32)
    weights[:, BONE[bone]] = 1
    return Surface(
        points.reshape(-1, 3).astype(np.float32),
        weights,
        faces,
        uv[faces].astype(np.float32),
        np.full(len(faces), texture),
        np.ones(rows * columns, np.float32),
    )
