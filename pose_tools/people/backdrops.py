"""Backgrounds of a still camera: studio paper, gradients, rooms, walls and streets, all procedural."""

import cv2
import numpy as np

from .patterns import random_colour, smooth_noise


def random_backdrop(rng, width: int, height: int, floor: float) -> tuple[np.ndarray, str]:
    """(H,W,3) linear float picture and its name; ``floor`` is the picture row where people stand."""
    kind = str(
        rng.choice(
            ["white", "grey", "gradient", "paper", "room", "brick", "street", "park", "texture"],
            p=[0.2, 0.12, 0.14, 0.1, 0.16, 0.06, 0.1, 0.07, 0.05],
        )
    )
    y, x = np.mgrid[:height, :width].astype(np.float32)
    u, v = x / width, y / height
    edge = floor / height - rng.uniform(0.03, 0.12)
    near = np.clip((v - edge) / 0.01, 0, 1)[..., None]
    tone = random_colour(rng, True)
    if kind == "white":
        picture = np.ones((height, width, 3)) * rng.uniform(0.86, 0.97) * (1 - 0.06 * v[..., None])
    elif kind == "grey":
        picture = (
            np.ones((height, width, 3)) * rng.uniform(0.35, 0.8)
            - 0.1 * np.hypot(u - 0.5, v - 0.45)[..., None]
        )
    elif kind == "gradient":
        a, b = tone, random_colour(rng, True)
        angle = rng.uniform(-0.6, 0.6)
        t = np.clip(v * np.cos(angle) + (u - 0.5) * np.sin(angle), 0, 1)[..., None]
        picture = (0.35 + 0.6 * a) * (1 - t) + (0.35 + 0.6 * b) * t
    elif kind == "paper":
        soft = 1 / (1 + np.exp(-(v - edge) * 18))[..., None]
        picture = (
            np.clip(tone * 0.6 + 0.3, 0, 1) * (1 - 0.25 * soft * (1 - soft) * 4 * 0.4)
            - 0.08 * np.hypot(u - 0.4, v - 0.4)[..., None]
        )
    elif kind == "room":
        wall, ground = np.clip(tone * 0.5 + 0.4, 0, 1), np.array([0.5, 0.38, 0.27]) * rng.uniform(0.5, 1.3)
        picture = wall * (1 - 0.15 * np.abs(u - rng.random())[..., None]) * (1 - near)
        boards = 0.9 + 0.1 * (np.mod((u - 0.5) / np.maximum(v - edge + 0.25, 0.05) * 1.6, 1) < 0.94)
        picture = picture + near * ground * boards[..., None]
        picture[int(edge * height) - max(2, height // 90) : int(edge * height)] = np.clip(wall + 0.2, 0, 1)
        for _ in range(rng.integers(1, 4)):
            _box(rng, picture, edge)
    elif kind == "brick":
        row = np.floor(v * 34)
        joint = (np.mod(v * 34, 1) < 0.12) | (np.mod(u * 11 + 0.5 * np.mod(row, 2), 1) < 0.05)
        shade = 1 + 0.12 * smooth_noise(rng, (height, width), 3, 2)
        base = np.array([0.55, 0.28, 0.2]) if rng.random() < 0.6 else np.ones(3) * rng.uniform(0.5, 0.9)
        picture = np.where(joint[..., None], base * 0.65 + 0.15, base * shade[..., None])
        picture = picture * (1 - near) + near * np.array([0.4, 0.39, 0.38]) * shade[..., None]
    elif kind in ("street", "park"):
        picture = _outdoors(rng, width, height, u, v, edge, kind == "park")
    else:
        noise = smooth_noise(rng, (height, width), width / 12, width / 9) + 0.4 * smooth_noise(
            rng, (height, width), 4, 4
        )
        picture = np.clip(tone * 0.6 + 0.25, 0, 1) * (1 + 0.12 * noise[..., None])
    if kind not in ("white", "grey") and rng.random() < 0.7:
        blur = rng.uniform(0.4, 2.2) * width / 256
        picture = cv2.GaussianBlur(picture.astype(np.float32), (0, 0), blur)
    vignette = 1 - rng.uniform(0, 0.25) * ((u - 0.5) ** 2 + (v - 0.5) ** 2)[..., None]
    grain = 1 + rng.uniform(0, 0.012) * rng.standard_normal((height, width, 1))
    return np.power(np.clip(picture * vignette * grain, 0.01, 1), 2.2).astype(np.float32), kind


def _box(rng, picture, edge):
    """A picture on the wall, a window, a door or a piece of furniture."""
    height, width = picture.shape[:2]
    kind = rng.choice(["frame", "window", "door", "cupboard"])
    w = {"frame": 0.14, "window": 0.3, "door": 0.26, "cupboard": 0.3}[kind] * rng.uniform(0.7, 1.2)
    left = rng.uniform(-0.1, 1 - w * 0.6)
    top, low = {
        "frame": (rng.uniform(0.08, 0.35), None),
        "window": (rng.uniform(0.05, 0.15), None),
        "door": (rng.uniform(0.05, 0.15), edge),
        "cupboard": (rng.uniform(0.45, 0.65), edge),
    }[kind]
    low = top + w * rng.uniform(0.8, 1.5) * width / height if low is None else low
    x0, x1, y0, y1 = int(left * width), int((left + w) * width), int(top * height), int(low * height)
    ink = random_colour(rng, True)
    cv2.rectangle(picture, (x0, y0), (x1, y1), (ink * 0.6 + 0.15).tolist(), -1)
    pad = max(2, width // 60)
    inner = np.array([0.85, 0.92, 1.0]) if kind == "window" else random_colour(rng) * 0.6 + 0.2
    if kind in ("frame", "window"):
        cv2.rectangle(picture, (x0 + pad, y0 + pad), (x1 - pad, y1 - pad), inner.tolist(), -1)
    if kind == "window":
        cv2.line(picture, ((x0 + x1) // 2, y0), ((x0 + x1) // 2, y1), (ink * 0.6 + 0.15).tolist(), pad)
    if kind in ("door", "cupboard"):
        cv2.rectangle(
            picture, (x0 + 2 * pad, y0 + 2 * pad), (x1 - 2 * pad, y1 - 2 * pad), (ink * 0.5 + 0.1).tolist(), 1
        )


def _outdoors(rng, width, height, u, v, edge, park):
    sky = np.array([0.62, 0.77, 0.95]) * rng.uniform(0.8, 1.05)
    picture = np.broadcast_to(sky, (height, width, 3)) + (0.25 * np.clip(v / edge, 0, 1))[..., None]
    picture = np.clip(picture, 0, 1).copy()
    if park:
        skyline = edge - 0.25 - 0.05 * smooth_noise(rng, (8, width), width / 20, 1)[0]
        leaves = np.array([0.22, 0.38, 0.14]) * (
            1 + 0.3 * smooth_noise(rng, (height, width), 3, 3)[..., None]
        )
        picture = np.where((v > skyline[None])[..., None], leaves, picture)
        ground = np.array([0.35, 0.5, 0.22]) if rng.random() < 0.5 else np.array([0.6, 0.56, 0.5])
    else:
        left = -0.1
        while left < 1:
            w = rng.uniform(0.12, 0.35)
            x0, x1, y0 = (
                int(max(left, 0) * width),
                int((left + w) * width),
                int(rng.uniform(0, 0.35) * height),
            )
            wall = random_colour(rng, True) * 0.5 + 0.3
            picture[y0 : int(edge * height), x0:x1] = wall
            step = max(6, width // 18)
            for wy in range(y0 + step // 2, int(edge * height) - step, step):
                for wx in range(x0 + step // 3, x1 - step // 2, step):
                    picture[wy : wy + step // 2, wx : wx + step // 2] = wall * 0.45 + 0.1 * rng.random()
            left += w
        ground = np.ones(3) * rng.uniform(0.35, 0.65)
    grey = 1 + 0.06 * smooth_noise(rng, (height, width), 2, 1)
    return np.where((v > edge)[..., None], ground * grey[..., None], picture).astype(np.float32)


def with_shadow(
    picture: np.ndarray, feet: np.ndarray, scale: float, strength: float, lean: float
) -> np.ndarray:
    """Darkens the floor under the feet. feet (n,2) pixels of soles, ``scale`` px/m, ``lean`` m sideways."""
    height, width = picture.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32) + 0.5
    shade = np.zeros((height, width), np.float32)
    for fx, fy in feet:
        shade = np.maximum(
            shade, 0.9 * np.exp(-(((x - fx) / (0.075 * scale)) ** 2) - ((y - fy) / (0.014 * scale)) ** 2)
        )
    mx, my = feet.mean(0)
    wide = np.exp(-(((x - mx - lean * scale) / (0.30 * scale)) ** 2) - ((y - my) / (0.035 * scale)) ** 2)
    return picture * (1 - strength * np.maximum(shade, 0.55 * wide))[..., None]
