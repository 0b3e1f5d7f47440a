"""Garments as surfaces: shells that stand off the body, and skirts that are draped over the posed legs.

A garment's outline is a value per vertex of the canonical body, in metres: positive inside, 0 at hem and neckline.
"""

from dataclasses import dataclass, field

import numpy as np

from .anatomy import BONE, Anatomy, unit


@dataclass(frozen=True)
class Surface:
    """Triangles with a texture. points (N,3) in the rest pose and weights (N,19), or a ``drape`` that places them
    in every frame; faces (F,3); uv (F,3,2) metres on the texture; texture (F,) index; keep (N,), there above 0;
    ``source`` (N,) the body's vertices that a shell came from."""

    points: np.ndarray
    weights: np.ndarray
    faces: np.ndarray
    uv: np.ndarray
    texture: np.ndarray
    keep: np.ndarray
    drape: object = field(default=None)
    source: np.ndarray | None = None


def smoothstep(x, low, high):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def unwrapped(angle: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """(F,3) angles of the faces' corners, without a jump inside a face."""
    corners = angle[faces]
    jump = corners.max(1) - corners.min(1) > np.pi
    corners[jump] = np.where(corners[jump] < 0, corners[jump] + 2 * np.pi, corners[jump])
    return corners


def body_uv(
    anatomy: Anatomy, faces: np.ndarray, as_legs: bool, smoothing: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cloth coordinates (F,3,2) in metres and the piece of every face: 0 body, 1 arm, 2 leg.
    Smoothed like the cloth itself, or stripes would follow the muscles.

    Body: round the torso from the front middle, height. Arm: round the arm, minus the distance from the shoulder.
    Leg: round the leg (the seam down the middle comes from the two sides), height.
    """
    piece = np.where(
        (anatomy.arm_weight[faces].mean(1) > 0.5) & (anatomy.arm[faces].mean(1) > 0.06),
        1,
        2 if as_legs else 0,
    )
    canon = anatomy.canon
    for _ in range(smoothing):
        canon = 0.5 * canon + 0.5 * (anatomy.average @ canon)
    torso_angle = np.arctan2(canon[:, 0], -(canon[:, 1] + 0.03))
    uv = np.stack([unwrapped(torso_angle, faces) * 0.15, canon[faces][..., 2]], -1)
    arm = piece == 1
    uv[arm, :, 0] = unwrapped(anatomy.arm_angle, faces[arm]) * 0.055
    uv[arm, :, 1] = -anatomy.arm[faces[arm]]
    leg = piece == 2
    x, y = canon[:, 0], canon[:, 1]
    centre = np.interp(canon[:, 2], [-0.74, -0.29, 0.06, 0.38], [0.195, 0.152, 0.10, 0.08])
    angle = np.arctan2(np.abs(x) - centre, -(y + 0.02)) * np.where(anatomy.canon[:, 0] < 0, -1, 1)
    uv[leg, :, 0] = unwrapped(angle, faces[leg]) * 0.085
    return uv.astype(np.float32), piece


def shell(
    anatomy: Anatomy,
    rest: np.ndarray,
    normals: np.ndarray,
    cover: np.ndarray,
    ease: np.ndarray,
    smoothing: int,
    as_legs: bool = False,
    margin: float = 0.035,
) -> Surface:
    """A garment round the body: ``ease`` (V,) metres off the skin, smoothed so that it spans hollows.

    The texture index is the piece (see body_uv); the caller moves it to its own textures.
    """
    points = rest + normals * ease[:, None]
    weights = anatomy.weights
    least = np.minimum(ease, 0.006)
    for _ in range(smoothing):
        points = 0.5 * points + 0.5 * (anatomy.average @ points)
        depth = ((points - rest) * normals).sum(1)
        points = points + normals * np.maximum(least - depth, 0)[:, None]
    for _ in range(min(smoothing, 4)):
        weights = 0.5 * weights + 0.5 * (anatomy.average @ weights)
    faces = anatomy.faces[(cover[anatomy.faces] > -margin).all(1)]
    uv, piece = body_uv(anatomy, faces, as_legs, smoothing)
    used, faces = np.unique(faces, return_inverse=True)
    return Surface(
        points[used].astype(np.float32),
        weights[used].astype(np.float32),
        faces.reshape(-1, 3).astype(np.int32),
        uv,
        piece,
        cover[used].astype(np.float32),
        source=used,
    )


def top_cover(anatomy: Anatomy, neck: str, depth: float, sleeve: float, hem: float) -> np.ndarray:
    """Outline of an upper garment. ``neck``: crew, scoop, vee, high, strapless; ``depth`` m how low it goes;
    ``sleeve`` m along the arm (below 0: no sleeve, the armhole lies that far inside the shoulder)."""
    x, y, z = anatomy.canon.T
    front = smoothstep(-y, 0.0, 0.05)
    if neck == "strapless":
        cover = 0.585 - depth + 0.015 * np.cos(np.minimum(np.abs(x), 0.2) * 25) * front - z
    elif neck == "high":
        cover = 0.775 - z
    else:
        centre = np.array([0.0, -0.045, 0.735])
        ring = np.sqrt(x**2 + (0.8 * (y - centre[1])) ** 2 + (0.9 * (z - centre[2])) ** 2) - 0.085
        cover = ring
        if neck == "scoop":
            low = np.sqrt((0.9 * x) ** 2 + (1.1 * np.minimum(z - 0.69, 0)) ** 2) - (0.07 + 0.7 * depth)
            cover = np.minimum(cover, low + 0.2 * (1 - front) + 0.5 * np.maximum(z - 0.72, 0))
        elif neck == "vee":
            slope = 0.09 / (0.09 + depth)
            vee = (np.abs(x) - slope * (z - (0.655 - depth))) / np.hypot(1, slope)
            cover = np.minimum(cover, np.where(z > 0.5, vee + 0.2 * (1 - front), 1.0))
        cover = np.where(z > 0.79, -1.0, cover)
    cover = np.minimum(cover, np.where(anatomy.arm_weight > 0.4, 1.0, z - hem))
    limit = np.where((anatomy.arm_weight > 0.3) | (z > 0.5), sleeve - anatomy.arm, 1.0)
    cover = np.where(anatomy.head_weight > 0.6, -0.1, np.minimum(cover, limit))
    cover = np.clip(cover, -0.1, 0.1)
    for _ in range(3):
        cover = 0.5 * cover + 0.5 * (anatomy.average @ cover)
    return cover


def leg_cover(anatomy: Anatomy, waist: float, hem: float) -> np.ndarray:
    """Outline of trousers between two heights of the canonical body."""
    z = anatomy.canon[:, 2]
    cover = np.minimum(waist - z, z - hem)
    return np.where(anatomy.arm_weight > 0.3, -1.0, cover)


def leg_flare(anatomy: Anatomy, rest: np.ndarray, heads: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """(V,3) push away from the legs' bones, ``amount`` (V,) metres."""
    out = np.zeros_like(rest)
    for side in "LR":
        hip, knee, ankle = (heads[BONE[f"{n}.{side}"]] for n in ("upperleg01", "lowerleg01", "foot"))
        mine = anatomy.canon[:, 0] * (1 if side == "L" else -1) > 0
        z = rest[:, 2]
        axis = np.stack(
            [np.interp(z, [ankle[2], knee[2], hip[2]], [ankle[i], knee[i], hip[i]]) for i in (0, 1)], 1
        )
        out[mine, :2] = (unit(rest[:, :2] - axis) * amount[:, None])[mine]
    return out


@dataclass(frozen=True)
class Skirt:
    """How a skirt hangs. ``length`` m from the waist; ``flare`` m of radius per metre;
    folds of ``ripple`` m at the hem, at angles ``fold_phase`` (3,) in ``fold_count`` (3,) numbers."""

    top: float  # canonical height of its waist
    length: float
    ease_top: float  # m off the body at the waist
    ease: float  # and 15 cm lower
    flare: float
    taper: float
    ripple: float
    fold_count: np.ndarray
    fold_phase: np.ndarray
    picks: np.ndarray  # (n,) vertices of the naked body that carry it
    rows: int = 26
    columns: int = 96

    def angles(self) -> np.ndarray:
        """0 at the front middle, positive to the person's left; the last column repeats the first."""
        return np.linspace(-np.pi, np.pi, self.columns + 1)

    def place(self, body: np.ndarray, waist: np.ndarray, yaw: float) -> np.ndarray:
        """(rows*(columns+1),3) points over the posed ``body`` (V,3); ``waist`` (3,) where its waist is now.

        Level by level: the convex outline of what is inside (cloth in tension), then cloth hangs down from the
        widest place above and is lifted by the widest below; ripples are added outwards only.
        """
        theta = self.angles()
        out_dir = np.stack([np.sin(theta + yaw), -np.cos(theta + yaw)], 1)
        inside = body[self.picks]
        drop = self.length * np.linspace(0, 1, self.rows)
        levels = waist[2] - drop
        hem_slab = inside[np.abs(inside[:, 2] - levels[-1]) < 0.08]
        low = hem_slab[:, :2].mean(0) if len(hem_slab) else waist[:2]
        share = (drop / self.length)[:, None] * 0.8
        centre = waist[None, :2] * (1 - share) + low[None] * share
        radius = np.zeros((self.rows, len(theta)))
        cosine = np.cos(theta[:, None] - theta[None])
        for i, level in enumerate(levels):
            slab = inside[np.abs(inside[:, 2] - level) < 0.03, :2] - centre[i]
            if len(slab) == 0:
                radius[i] = radius[i - 1] if i else 0.1
                continue
            support = (slab @ out_dir.T).max(0)
            with np.errstate(divide="ignore"):
                radius[i] = np.where(cosine > 0.05, support[None] / cosine, np.inf).min(1)
        ease = self.ease_top + (self.ease - self.ease_top) * smoothstep(drop, 0.0, 0.15)
        radius = np.maximum(radius, 0.03) + ease[:, None]
        step = self.length / (self.rows - 1)
        radius[0] -= 0.006
        lean = self.flare * np.where(drop > 0.12, 1.0, drop / 0.12)
        for i in range(1, self.rows):
            radius[i] = np.maximum(radius[i], radius[i - 1] + (lean[i] - self.taper) * step)
        for i in range(self.rows - 2, 0, -1):
            radius[i] = np.maximum(radius[i], radius[i + 1] - (0.45 + self.flare) * step)
        for _ in range(2):
            radius[1:-1] = 0.25 * radius[:-2] + 0.5 * radius[1:-1] + 0.25 * radius[2:]
            radius[:, 1:-1] = 0.25 * radius[:, :-2] + 0.5 * radius[:, 1:-1] + 0.25 * radius[:, 2:]
            radius[:, 0] = radius[:, -1] = 0.5 * (radius[:, 1] + radius[:, -2])
        wave = sum(
            np.cos(n * theta + p) / (k + 1)
            for k, (n, p) in enumerate(zip(self.fold_count, self.fold_phase, strict=True))
        )
        growth = (drop / self.length) ** 1.3
        radius += self.ripple * growth[:, None] * (wave - wave.min())[None] * 0.5
        points = np.empty((self.rows, len(theta), 3), np.float32)
        points[..., :2] = centre[:, None] + radius[..., None] * out_dir[None]
        points[..., 2] = levels[:, None]
        return points.reshape(-1, 3)


def grid_faces(rows: int, columns: int) -> np.ndarray:
    """(2*(rows-1)*(columns-1),3) triangles of a grid of points."""
    i = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None]).reshape(-1)
    return np.concatenate(
        [np.stack([i, i + columns, i + 1], 1), np.stack([i + 1, i + columns, i + columns + 1], 1)]
    ).astype(np.int32)


def skirt_surface(skirt: Skirt, texture: int, keep: np.ndarray | None = None) -> Surface:
    """The skirt as a surface; uv: angle * 0.15 m and minus the way from the waist."""
    theta, columns = skirt.angles(), skirt.columns + 1
    drop = skirt.length * np.linspace(0, 1, skirt.rows)
    faces = grid_faces(skirt.rows, columns)
    uv = np.stack(np.broadcast_arrays(theta[None] * 0.15, -drop[:, None]), -1).reshape(-1, 2)
    count = skirt.rows * columns
    return Surface(
        np.zeros((count, 3), np.float32),
        np.zeros((count, len(BONE)), np.float32),
        faces,
        uv[faces].astype(np.float32),
        np.full(len(faces), texture),
        np.ones(count, np.float32) if keep is None else keep.astype(np.float32),
        skirt,
    )
