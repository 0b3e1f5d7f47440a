"""Cloth patterns as small tiles, and the baking of tiles, seams and folds into a garment's texture.

Colours are sRGB floats 0..1. A tile repeats; its size is in metres. Textures are laid out in metres on the cloth.
"""

import colorsys
from dataclasses import dataclass

import cv2
import numpy as np

PIXELS = 192  # a tile's side
DENSITY = 450.0  # texture pixels per metre


@dataclass(frozen=True)
class Texture:
    """colour (h,w,3) linear float32; slope (h,w,2): rise of the folds along u and v; corner (u0,v0) metres."""

    colour: np.ndarray
    slope: np.ndarray
    corner: tuple[float, float]
    density: float
    gloss: float


@dataclass(frozen=True)
class Fabric:
    """A repeating pattern: tile (n,n,3) sRGB, size metres, weave depth metres, gloss 0..1, and its names."""

    tile: np.ndarray
    size: float
    weave: float
    gloss: float
    kind: str
    colours: tuple[str, ...]

    def sample(self, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """(h,w,3) colours at cloth coordinates in metres."""
        x = np.mod(u / self.size, 1).astype(np.float32) * PIXELS
        y = np.mod(-v / self.size, 1).astype(np.float32) * PIXELS
        return cv2.remap(self.tile, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def linear(colour: np.ndarray) -> np.ndarray:
    return np.power(np.clip(colour, 0, 1), 2.2).astype(np.float32)


def hex_of(colour: np.ndarray) -> str:
    return "#" + "".join(f"{int(round(255 * float(c))):02x}" for c in np.clip(colour, 0, 1))


def random_colour(rng, muted: bool = False) -> np.ndarray:
    """Colours as clothes have them: many neutrals and dark ones, some strong ones."""
    kind = rng.random()
    if kind < (0.45 if muted else 0.25):
        value = rng.choice([0.10, 0.13, 0.22, 0.42, 0.65, 0.85, 0.95])
        return np.clip(value + rng.normal(0, 0.015, 3), 0.02, 0.97)
    if kind < (0.75 if muted else 0.45):
        hue, saturation, value = (
            rng.choice([0.6, 0.62, 0.08, 0.1, 0.28]),
            rng.uniform(0.2, 0.6),
            rng.uniform(0.15, 0.8),
        )
    else:
        hue, saturation, value = rng.random(), rng.uniform(0.35, 0.9), rng.uniform(0.25, 0.95)
    return np.asarray(colorsys.hsv_to_rgb(hue, saturation, value))


def _contrast(rng, colour: np.ndarray) -> np.ndarray:
    for _ in range(20):
        other = random_colour(rng)
        if abs(other.mean() - colour.mean()) > 0.25 or np.abs(other - colour).max() > 0.5:
            return other
    return 1 - colour


def _stamp(rng, tile: np.ndarray, count: int, draw) -> np.ndarray:
    """Draws ``count`` things that wrap around the tile's edges."""
    for _ in range(count):
        x, y = rng.uniform(0, PIXELS, 2)
        state = rng.bit_generator.state
        for dx in (-PIXELS, 0, PIXELS):
            for dy in (-PIXELS, 0, PIXELS):
                rng.bit_generator.state = state
                draw(tile, x + dx, y + dy)
    return tile


def _flowers(rng, base, inks):
    tile = np.empty((PIXELS, PIXELS, 3), np.float32)
    tile[:] = base

    def leaf(image, x, y):
        ink = inks[rng.integers(len(inks))] * rng.uniform(0.5, 0.8)
        size = rng.uniform(8, 18)
        cv2.ellipse(
            image,
            (int(x), int(y)),
            (int(size), int(size / 3)),
            rng.uniform(0, 180),
            0,
            360,
            ink.tolist(),
            -1,
            cv2.LINE_AA,
        )

    def flower(image, x, y):
        ink, heart = inks[rng.integers(len(inks))], inks[rng.integers(len(inks))] * 0.6
        size, turn, petals = rng.uniform(7, 20), rng.uniform(0, 6), int(rng.integers(4, 7))
        for i in range(petals):
            a = turn + i * 2 * np.pi / petals
            spot = (int(x + np.cos(a) * size * 0.6), int(y + np.sin(a) * size * 0.6))
            cv2.ellipse(
                image,
                spot,
                (int(size * 0.5), int(size * 0.33)),
                np.rad2deg(a),
                0,
                360,
                ink.tolist(),
                -1,
                cv2.LINE_AA,
            )
        cv2.circle(image, (int(x), int(y)), max(int(size * 0.25), 1), heart.tolist(), -1, cv2.LINE_AA)

    _stamp(rng, tile, int(rng.integers(6, 16)), leaf)
    return _stamp(rng, tile, int(rng.integers(7, 20)), flower)


def smooth_noise(rng, shape, sigma_x: float, sigma_y: float) -> np.ndarray:
    """Wrapping smooth noise (h,w) of unit deviation. Broad noise is made small and enlarged, which is as good."""
    shrink = [max(1.0, sigma / 3) for sigma in (sigma_y, sigma_x)]
    small = [max(int(np.ceil(n / f)), 4) for n, f in zip(shape, shrink, strict=True)]
    sigmas = [sigma * n / full for sigma, n, full in zip((sigma_y, sigma_x), small, shape, strict=True)]
    noise = rng.standard_normal(small).astype(np.float32)
    pad = int(3 * max(sigmas)) + 2
    noise = cv2.copyMakeBorder(noise, pad, pad, pad, pad, cv2.BORDER_WRAP)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=sigmas[1], sigmaY=sigmas[0])[pad:-pad, pad:-pad]
    if tuple(small) != tuple(shape):
        noise = cv2.resize(noise, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return (noise - noise.mean()) / (noise.std() + 1e-9)


KINDS = (
    "plain",
    "denim",
    "stripes across",
    "stripes down",
    "check",
    "tartan",
    "dots",
    "floral",
    "marble",
    "diagonal",
    "knit",
    "tweed",
)


def random_fabric(rng, patterned: float = 0.5, muted: bool = False) -> Fabric:
    """A fabric; ``patterned`` is the chance of a pattern."""
    a = random_colour(rng, muted)
    b = _contrast(rng, a)
    c = _contrast(rng, b)
    if rng.random() < patterned:
        kind = str(rng.choice(KINDS[2:], p=[0.13, 0.11, 0.13, 0.1, 0.13, 0.18, 0.06, 0.05, 0.06, 0.05]))
    else:
        kind = str(rng.choice(["plain", "denim"], p=[0.85, 0.15]))
    tile = np.empty((PIXELS, PIXELS, 3), np.float32)
    tile[:] = a
    y, x = np.mgrid[:PIXELS, :PIXELS].astype(np.float32) / PIXELS
    size, weave, gloss = rng.uniform(0.14, 0.3), 0.0, rng.choice([0.0, 0.0, 0.05, 0.25])
    colours = (a,)

    def lay(where, colour):
        tile[:] = tile * (1 - where[..., None]) + np.asarray(colour, np.float32) * where[..., None]

    def bands(axis, count, share, soft=0.03):
        phase = np.mod(axis * count, 1)
        edge = soft * count / 4
        return np.clip((share / 2 - np.abs(phase - 0.5)) / edge + 0.5, 0, 1)

    if kind == "denim":
        tile[:] = np.asarray(colorsys.hsv_to_rgb(0.6, rng.uniform(0.3, 0.6), rng.uniform(0.25, 0.75)))
        a = tile[0, 0].copy()
        tile += 0.03 * smooth_noise(rng, (PIXELS, PIXELS), 0.8, 5)[..., None]
        colours, weave = (a,), 0.0003
    elif kind in ("stripes across", "stripes down", "diagonal"):
        axis = {"stripes across": y, "stripes down": x, "diagonal": x + y}[kind]
        count = int(rng.integers(3, 8))
        lay(bands(axis, count, rng.uniform(0.15, 0.55)), b)
        if rng.random() < 0.3:
            lay(bands(axis + 0.5 / count, count, 0.12), c)
        colours = (a, b)
    elif kind == "check":
        count = int(rng.integers(3, 8))
        lay(0.5 * bands(x, count, 0.5), b)
        lay(0.5 * bands(y, count, 0.5), b)
        colours = (a, b)
    elif kind == "tartan":
        for axis in (x, y):
            lay(0.5 * bands(axis, 2, 0.45), b)
            lay(0.6 * bands(axis + 0.2, 2, 0.06), c)
            lay(0.45 * bands(axis + 0.1, 4, 0.08), b * 0.4)
        colours = (a, b, c)
    elif kind == "dots":
        count = int(rng.integers(3, 7))
        r = np.full_like(x, 1e9)
        for offset in (0.0, 0.5):
            r = np.minimum(
                r, np.hypot(np.mod(x * count + offset, 1) - 0.5, np.mod(y * count + offset, 1) - 0.5)
            )
        lay(np.clip((rng.uniform(0.14, 0.28) - r) * PIXELS / count / 2 + 0.5, 0, 1), b)
        colours = (a, b)
    elif kind == "floral":
        size = rng.uniform(0.2, 0.45)
        inks = [b, c, np.clip(b * 0.7 + 0.25, 0, 1)]
        tile = _flowers(rng, a.astype(np.float32), [np.asarray(i, np.float32) for i in inks])
        colours = (a, b, c)
    elif kind == "marble":
        noise = smooth_noise(rng, (PIXELS, PIXELS), 9, 12)
        size = rng.uniform(0.25, 0.5)
        lay(np.clip(noise * 4 - 1, 0, 1), b)
        lay(np.clip(-noise * 4 - 3, 0, 1), c)
        colours = (a, b, c)
    elif kind == "knit":
        tile *= (0.8 + 0.2 * np.abs(np.sin(np.pi * x * 12)))[..., None]
        size, weave = 0.2, 0.002
    elif kind == "tweed":
        tile += 0.10 * (smooth_noise(rng, (PIXELS, PIXELS), 1.2, 1.2) > 0)[..., None] - 0.05
        lay(np.clip(0.35 * bands(x + y, 12, 0.5), 0, 1), b)
        weave, colours = 0.0006, (a, b)
    names = tuple(hex_of(colour) for colour in colours)
    return Fabric(
        np.clip(tile, 0.015, 0.98).astype(np.float32), float(size), weave, float(gloss), kind, names
    )


def folds(rng, shape, amount: float, angle: float, length: float = 0.10, width: float = 0.016) -> np.ndarray:
    """Heights (m) of long wrinkles that run at ``angle`` degrees from the vertical."""
    h, w = shape
    side = int(np.hypot(h, w)) + 8
    noise = smooth_noise(rng, (side, side), width * DENSITY, length * DENSITY)
    ridges = np.clip(np.abs(noise), 0, 1.6) - 0.6
    turn = cv2.getRotationMatrix2D((side / 2, side / 2), angle, 1)
    ridges = cv2.warpAffine(ridges, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
    top, left = (side - h) // 2, (side - w) // 2
    return ridges[top : top + h, left : left + w] * amount


def grid(u_range, v_range, density: float = DENSITY):
    """Cloth coordinates u (h,w) and v (h,w) in metres of a texture's pixels; v runs upwards from the last row."""
    w, h = (int(np.ceil((b - a) * density)) for a, b in (u_range, v_range))
    u = u_range[0] + (np.arange(w, dtype=np.float32) + 0.5) / density
    v = v_range[1] - (np.arange(h, dtype=np.float32) + 0.5) / density
    return np.meshgrid(u, v)


def finish(
    colour: np.ndarray,
    height: np.ndarray,
    u: np.ndarray,
    v: np.ndarray,
    gloss: float,
    density: float = DENSITY,
) -> Texture:
    """Turns painted sRGB and heights (m) into a texture."""
    du = cv2.Sobel(height.astype(np.float32), cv2.CV_32F, 1, 0, scale=density / 8)
    dv = -cv2.Sobel(height.astype(np.float32), cv2.CV_32F, 0, 1, scale=density / 8)
    corner = (float(u[0, 0] - 0.5 / density), float(v[0, 0] + 0.5 / density))
    return Texture(linear(colour), np.stack([du, dv], -1), corner, density, gloss)
