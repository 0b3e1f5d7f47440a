"""Shoes: the foot without toes, with a sole, and a heel under a pitched foot."""

from dataclasses import replace

import numpy as np

from .anatomy import BONE, FLOOR
from .cloth import Surface, grid_faces, shell, smoothstep
from .patterns import finish, folds, grid
from .pieces import line
from .rack import Rack


def wear_shoes(rack: Rack, kind: str, colour: np.ndarray, sole: np.ndarray, pitch: float) -> None:
    """Sneakers, boots, flats or heels: the smoothed foot with a sole; a heel below a pitched foot."""
    rng, a = rack.rng, rack.anatomy
    x, y, z = a.canon.T
    heel = [-0.235, -0.175, -0.15, -0.05, 0.0, 0.05]
    top = {
        "sneakers": np.interp(y, heel, [-0.70, -0.70, -0.725, -0.72, -0.735, -0.735]),
        "flats": np.interp(y, heel, [-0.70, -0.765, -0.80, -0.80, -0.765, -0.755]),
        "heels": np.interp(y, heel, [-0.70, -0.765, -0.80, -0.80, -0.765, -0.755]),
        "boots": np.full_like(y, rng.uniform(-0.66, -0.42)),
    }[kind]
    feet = rack.anatomy.weights[
        :, [BONE["foot.L"], BONE["foot.R"], BONE["lowerleg01.L"], BONE["lowerleg01.R"]]
    ].sum(1)
    cover = np.where(feet > 0.5, top - z, -1.0)
    ease = np.where(z < -0.72, 0.007, 0.009)
    floor = rack.rest[:, 2].min()
    thick = {"sneakers": 0.022, "boots": 0.02, "flats": 0.006, "heels": 0.008}[kind]
    surface = shell(a, rack.rest, rack.normals, np.where(y < -0.13, -0.1, cover), ease, 8, margin=0.02)
    kept = surface.source

    def soled(p, low):
        """Flattens the sole and bends the toes of a pitched foot back to the floor."""
        p = p.copy()
        p[:, 2] = p[:, 2] * (1 - low) + (floor - thick) * low
        for side, sign in (("L", 1), ("R", -1)):
            mine = p[:, 0] * sign > 0
            ball = rack.heads[BONE[f"foot.{side}"]] * [1, 1, 0] + [0, -0.135, floor]
            turn = np.deg2rad(pitch) * smoothstep(ball[1] - p[mine, 1], -0.02, 0.03)
            dy, dz = p[mine, 1] - ball[1], p[mine, 2] - ball[2]
            p[mine, 1] = ball[1] + np.cos(turn) * dy + np.sin(turn) * dz
            p[mine, 2] = ball[2] - np.sin(turn) * dy + np.cos(turn) * dz
        return p.astype(np.float32)

    p = soled(surface.points, smoothstep(-z[kept], 0.792, 0.802))
    u, v = grid((-0.35, 0.35), (-0.86, -0.36))
    paint = np.empty(u.shape + (3,), np.float32)
    paint[:] = colour
    height = 0.001 * folds(rng, u.shape, 1.0, 40, 0.05, 0.01)
    if kind in ("sneakers", "boots"):
        line(
            paint,
            ((np.mod(v * 55, 1) < 0.35) & (u < -0.06) & (u > -0.15) & (v > -0.775)).astype(np.float32),
            np.clip(sole, 0, 1),
            0.9 if kind == "sneakers" else 0.0,
        )
        if rng.random() < 0.5:
            line(paint, (np.abs(u + 0.06 + (v + 0.77) * 0.8) < 0.008) * (v < -0.74), sole, 0.9)
    line(paint, np.clip((-0.797 - v) / 0.004, 0, 1), sole, 1.0)
    texture = rack.texture(finish(paint, height, u, v, 0.3 if kind != "sneakers" else 0.12), "shoes")
    faces_uv = np.stack([y, z], -1)[kept][surface.faces]
    weights = a.weights[kept]
    rack.surfaces.append(
        replace(
            surface,
            points=p,
            weights=weights,
            uv=faces_uv.astype(np.float32),
            texture=np.full(len(surface.faces), texture),
        )
    )
    rack.hide_body(cover, 0.004)
    rack.hidden = np.where((y < -0.14) & (z < -0.74), 0.1, rack.hidden)
    for side, sign in (("L", 1), ("R", -1)):
        foot = rack.rest[(x * sign > 0) & (z < -0.70)]
        grid_points, faces, low = _toe_cap(foot, 0.006 if kind in ("flats", "heels") else 0.010)
        weight = np.zeros((len(grid_points), len(BONE)), np.float32)
        weight[:, BONE[f"foot.{side}"]] = 1
        coordinates = np.column_stack([grid_points[:, 1], grid_points[:, 2] - floor + FLOOR])[faces]
        open_top = (
            np.where(
                grid_points[:, 1] < -0.135,
                1.0,
                np.interp(
                    grid_points[:, 1],
                    heel,
                    np.interp(heel, y[np.argsort(y)], top[np.argsort(y)]) - FLOOR + floor,
                )
                - grid_points[:, 2],
            )
            if kind in ("flats", "heels")
            else np.ones(len(grid_points))
        )
        rack.surfaces.append(
            Surface(
                soled(grid_points, low),
                weight,
                faces,
                coordinates.astype(np.float32),
                np.full(len(faces), texture),
                open_top.astype(np.float32),
            )
        )
    if pitch > 0:
        for side in "LR":
            ankle = rack.heads[BONE[f"foot.{side}"]]
            base = np.array([ankle[0], ankle[1] + 0.022, floor + 0.012])
            slope = np.deg2rad(pitch)
            down = np.array([0, -np.sin(slope), -np.cos(slope)])
            rack.surfaces.append(
                _spike(base, down, 0.155 * np.tan(slope) + 0.01, side, texture, rng.uniform(0.005, 0.016))
            )


def _toe_cap(foot: np.ndarray, ease: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The front of a shoe: convex outlines of the foot's slices, closed at the tip. Points (N,3), faces, and how
    much (N,) each belongs to the flat sole."""
    tip, start = foot[:, 1].min(), -0.085
    rows, columns = 16, 37
    theta = np.linspace(0, 2 * np.pi, columns)
    way = np.stack([np.cos(theta), np.sin(theta)], 1)
    cosine = np.cos(theta[:, None] - theta[None])
    points = np.empty((rows, columns, 3))
    radius = np.empty((rows, columns))
    levels = start + (tip + 0.012 - start) * np.linspace(0, 1, rows - 3)
    centre = np.empty((rows - 3, 2))
    for i, level in enumerate(levels):
        near = foot[np.abs(foot[:, 1] - level) < 0.016][:, [0, 2]]
        centre[i] = near.min(0) * 0.5 + near.max(0) * 0.5
        support = ((near - centre[i]) @ way.T).max(0)
        with np.errstate(divide="ignore"):
            radius[i] = np.where(cosine > 0.05, support / cosine, np.inf).min(1) + ease
    radius[1 : rows - 4] = (
        0.25 * radius[: rows - 5] + 0.5 * radius[1 : rows - 4] + 0.25 * radius[2 : rows - 3]
    )
    for i in range(rows):
        j = min(i, rows - 4)
        shrink = [1, 0.86, 0.55, 0.0][max(0, i - rows + 4)]
        points[i, :, [0, 2]] = (centre[j] + radius[j][:, None] * shrink * way - [0, 0.006 * (1 - shrink)]).T
        points[i, :, 1] = levels[j] - [0, 0.010, 0.018, 0.022][max(0, i - rows + 4)]
    low = smoothstep(-np.broadcast_to(np.sin(theta), (rows, columns)), 0.55, 0.75)
    low = np.where(np.arange(rows)[:, None] == rows - 1, 0, low)
    return points.reshape(-1, 3), grid_faces(rows, columns), low.reshape(-1)


def _spike(base, down, length, side, texture, end) -> Surface:
    rows, columns = 6, 13
    t, a = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    radius = 0.022 * (1 - t) ** 1.5 + end
    points = (
        base
        + down * (t * length)[..., None]
        + radius[..., None] * np.stack([np.cos(a), np.sin(a), 0 * a], -1)
    )
    weights = np.zeros((rows * columns, len(BONE)), np.float32)
    weights[:, BONE[f"foot.{side}"]] = 1
    faces = grid_faces(rows, columns)
    uv = np.zeros((len(faces), 3, 2), np.float32)
    uv[..., 1] = -0.78
    return Surface(
        points.reshape(-1, 3).astype(np.float32),
        weights,
        faces,
        uv,
        np.full(len(faces), texture),
        np.ones(rows * columns, np.float32),
    )
