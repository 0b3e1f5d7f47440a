"""A face painted in front view on the canonical head, and skin."""

import cv2
import numpy as np

from .patterns import Texture, finish, smooth_noise

DENSITY = 1600.0
TONES = np.array(
    [
        [0.97, 0.84, 0.76],
        [0.93, 0.76, 0.65],
        [0.86, 0.66, 0.52],
        [0.72, 0.51, 0.38],
        [0.55, 0.37, 0.27],
        [0.36, 0.24, 0.18],
    ]
)
HAIRS = np.array(
    [
        [0.05, 0.04, 0.04],
        [0.10, 0.07, 0.05],
        [0.20, 0.12, 0.08],
        [0.33, 0.20, 0.11],
        [0.52, 0.35, 0.18],
        [0.76, 0.60, 0.36],
        [0.45, 0.17, 0.08],
        [0.62, 0.62, 0.62],
    ]
)


def random_skin(rng) -> np.ndarray:
    place = rng.uniform(0, len(TONES) - 1)
    low = min(int(place), len(TONES) - 2)
    return np.clip(
        TONES[low] * (low + 1 - place) + TONES[low + 1] * (place - low) + rng.normal(0, 0.012, 3), 0.1, 1
    )


def random_hair_colour(rng) -> np.ndarray:
    return np.clip(
        HAIRS[rng.choice(len(HAIRS), p=[0.2, 0.21, 0.19, 0.14, 0.1, 0.09, 0.06, 0.01])]
        * rng.uniform(0.85, 1.15),
        0.03,
        0.9,
    )


def _soft(distance, width):
    return np.clip(0.5 - distance / width, 0, 1)


def paint_face(rng, skin: np.ndarray, hair: np.ndarray, female: bool) -> Texture:
    """Eyes, brows, lips, nose, cheeks and stubble over x -0.12..0.12 and z 0.76..1.04 (m, front view)."""
    x = (np.arange(int(0.24 * DENSITY)) + 0.5) / DENSITY - 0.12
    z = 1.04 - (np.arange(int(0.28 * DENSITY)) + 0.5) / DENSITY
    x, z = np.meshgrid(x.astype(np.float32), z.astype(np.float32))
    ax = np.abs(x)
    colour = np.broadcast_to(skin.astype(np.float32), x.shape + (3,)).copy()
    colour *= 1 + 0.012 * smooth_noise(rng, x.shape, 9, 9)[..., None]
    dark = skin.mean() < 0.45

    def lay(where, ink, strength=1.0):
        where = (np.clip(where, 0, 1) * strength)[..., None]
        colour[:] = colour * (1 - where) + np.asarray(ink, np.float32) * where

    red = skin * [1.0, 0.72, 0.68]
    lay(np.exp(-(((ax - 0.048) / 0.018) ** 2) - ((z - 0.862) / 0.018) ** 2), red, rng.uniform(0.2, 0.5))
    lay(np.exp(-((x / 0.012) ** 2) - ((z - 0.863) / 0.009) ** 2), red, 0.35)
    # sockets, sides of the nose, shadow under nose and lip
    lay(np.exp(-(((ax - 0.034) / 0.022) ** 2) - ((z - 0.907) / 0.012) ** 2), skin * [0.72, 0.62, 0.6], 0.45)
    lay(np.exp(-(((ax - 0.016) / 0.005) ** 2) - ((z - 0.875) / 0.02) ** 2), skin * 0.72, 0.35)
    lay(np.exp(-(((ax - 0.008) / 0.005) ** 2) - ((z - 0.8585) / 0.0028) ** 2), skin * [0.4, 0.3, 0.28], 0.8)
    lay(np.exp(-((x / 0.014) ** 2) - ((z - 0.817) / 0.004) ** 2), skin * 0.75, 0.4)
    if not female and rng.random() < 0.6:
        jaw = np.clip((0.862 - z) / 0.02, 0, 1) * np.clip(1.15 - ((ax / 0.075) ** 4), 0, 1)
        jaw = np.maximum(jaw * (1 - np.exp(-((x / 0.028) ** 2) - ((z - 0.831) / 0.011) ** 2)), 0)
        lay(
            np.clip(jaw + 0.08 * smooth_noise(rng, x.shape, 1, 1) * jaw, 0, 1),
            hair * 0.9,
            rng.uniform(0.1, 0.75),
        )
    # lips
    wide = rng.uniform(0.021, 0.026)
    z_lips = z - rng.uniform(0.5, 4.5) * x**2  # corners up
    full = rng.uniform(0.006, 0.009) * (1.0 if female else 0.8)
    lip = np.clip(1 - (x / wide) ** 2, 0, 1)
    upper = (z_lips - 0.8303) - full * np.sqrt(lip) * (0.75 + 0.18 * np.cos(x * 260))
    lower = (0.8303 - z_lips) - full * 1.15 * np.sqrt(lip)
    inside = _soft(np.maximum(upper, lower), 0.0022) * (ax < wide)
    makeup = female and rng.random() < 0.6
    ink = (
        np.array([rng.uniform(0.55, 0.8), rng.uniform(0.08, 0.3), rng.uniform(0.15, 0.35)])
        if makeup
        else skin * [0.82, 0.52, 0.5]
    )
    lay(inside, ink, 0.85 if makeup else 0.7)
    lay(np.exp(-(((z_lips - 0.8303) / 0.0013) ** 2)) * (ax < wide + 0.002), ink * 0.4, 0.8)
    lay(np.exp(-((x / 0.008) ** 2) - ((z - 0.8245) / 0.0016) ** 2), np.minimum(ink * 1.35 + 0.1, 1), 0.4)
    # eyes: white, iris, pupil, lids, lashes
    ex = ax - 0.0335
    eye = np.maximum(
        z - 0.9012 - 0.0053 * np.sqrt(np.clip(1 - (ex / 0.0145) ** 2, 0, 1)),
        0.9005 - 0.0044 * np.sqrt(np.clip(1 - (ex / 0.0145) ** 2, 0, 1)) - z,
    )
    white = _soft(eye, 0.0016) * (np.abs(ex) < 0.0145)
    lay(white, [0.86, 0.84, 0.82])
    lay(white * np.clip((z - 0.903) / 0.004, 0, 1), [0.45, 0.4, 0.38], 0.6)
    iris = np.asarray(
        [[0.22, 0.13, 0.07], [0.12, 0.07, 0.04], [0.25, 0.42, 0.55], [0.28, 0.38, 0.22], [0.4, 0.27, 0.12]]
    )[rng.choice(5, p=[0.1, 0.5, 0.1, 0.1, 0.2] if dark else [0.3, 0.15, 0.25, 0.15, 0.15])]
    r = np.hypot(ex * np.sign(x) - 0.0005, z - 0.9015)
    lay(white * _soft(r - 0.0063, 0.0014), iris)
    lay(white * _soft(r - 0.0028, 0.0014), [0.02, 0.02, 0.02])
    lay(_soft(np.hypot(ex * np.sign(x) - 0.002, z - 0.9035) - 0.0011, 0.001), [1, 1, 1], 0.9)
    lash = np.abs(z - 0.9013 - 0.0056 * np.sqrt(np.clip(1 - (ex / 0.0155) ** 2, 0, 1)))
    lay(
        _soft(lash - (0.0013 if female else 0.0007), 0.0015) * (np.abs(ex) < 0.0155),
        [0.05, 0.035, 0.03],
        0.95,
    )
    lay(np.exp(-(((z - 0.8945) / 0.0016) ** 2)) * (np.abs(ex) < 0.013), skin * 0.6, 0.45)
    if female and rng.random() < 0.5:
        shade = np.array([rng.uniform(0.25, 0.55), rng.uniform(0.2, 0.35), rng.uniform(0.25, 0.45)])
        lay(np.exp(-((ex / 0.016) ** 2) - ((z - 0.910) / 0.005) ** 2) * (1 - white), shade, 0.45)
    # brows
    arch, thick = rng.uniform(0.002, 0.006), rng.uniform(0.0022, 0.0034) * (1 if female else 1.35)
    middle = 0.917 + arch * np.cos((ex + 0.004) * 90) + 0.02 * ex
    brow = _soft(np.abs(z - middle) - thick * np.clip(1.25 - np.maximum(ex, 0) / 0.025, 0.25, 1), 0.003)
    lay(
        brow * (np.abs(ex + 0.001) < 0.0205) * (0.85 + 0.15 * smooth_noise(rng, x.shape, 1, 2)),
        hair * 0.75,
        0.85,
    )
    if rng.random() < 0.2:
        spots = smooth_noise(rng, x.shape, 1.5, 1.5) > 2.3
        lay(
            cv2.GaussianBlur(spots.astype(np.float32), (0, 0), 1) * (z < 0.9) * (z > 0.84),
            skin * [0.75, 0.6, 0.5],
            0.6,
        )
    height = np.zeros_like(x)
    return finish(colour, height, x, z, 0.12, DENSITY)


def skin_colours(skin: np.ndarray, canon: np.ndarray, arm: np.ndarray) -> np.ndarray:
    """(V,3) sRGB: redder hands, knees, elbows, ears and a darker neck under the chin."""
    x, y, z = canon.T
    ear = np.exp(-(((np.abs(x) - 0.082) / 0.012) ** 2) - ((z - 0.88) / 0.03) ** 2)
    knee = np.exp(-(((z + 0.29) / 0.04) ** 2)) * (y < -0.03)
    hand = np.clip((arm - 0.52) / 0.1, 0, 1)
    red = np.clip(0.5 * ear + 0.35 * knee + 0.3 * hand, 0, 1)[:, None]
    return skin * (1 - red) + skin * [0.97, 0.78, 0.72] * red
