"""Crops of photographs and of rendered people, at many scales, for the autoencoder."""

from pathlib import Path

import numpy as np
from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}


def load_photographs(folder: Path, edge: int = 1100, least_bytes: int = 150_000) -> list[np.ndarray]:
    """Every picture below a folder, its longer edge at most `edge` pixels; small files (icons) are left out."""
    pictures = []
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES or not path.is_file() or path.stat().st_size < least_bytes:
            continue
        with Image.open(path) as image:
            image.draft("RGB", (edge, edge))
            image = image.convert("RGB")
            image.thumbnail((edge, edge), Image.LANCZOS)
        pictures.append(np.asarray(image))
    return pictures


def load_rendered(folder: Path, most: int = 400) -> list[np.ndarray]:
    """Photos and a few frames of a people data set (see pose_tools.people), at most `most` subjects."""
    pictures: list[np.ndarray] = []
    for path in sorted(folder.glob("subject_*.npz"))[:most]:
        with np.load(path) as data:
            pictures.extend(data["frames"][:6])
    return pictures


def crop(picture: np.ndarray, size: tuple[int, int], rng: np.random.Generator, zoom: tuple[float, float]) -> np.ndarray:
    """A random cut of `size` (height, width), taken `zoom` times larger and shrunk, flipped half of the time."""
    height, width = picture.shape[:2]
    scale = min(rng.uniform(*zoom), height / size[0], width / size[1])
    tall, wide = int(size[0] * scale), int(size[1] * scale)
    y, x = rng.integers(0, height - tall + 1), rng.integers(0, width - wide + 1)
    cut = Image.fromarray(picture[y : y + tall, x : x + wide])
    if (tall, wide) != size:
        cut = cut.resize(size[::-1], Image.Resampling.LANCZOS if scale > 1 else Image.Resampling.BICUBIC)
    cut = np.asarray(cut)
    return cut[:, ::-1] if rng.random() < 0.5 else cut


def colour_jitter(cut: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Channels mixed and brightness shifted, so that a handful of renders does not fix the palette."""
    mix = np.eye(3) * rng.uniform(0.75, 1.2) + rng.normal(0, 0.08, (3, 3))
    shifted = cut.astype(np.float32) @ mix.T.astype(np.float32) + rng.uniform(-20, 20)
    return np.clip(shifted, 0, 255).astype(np.uint8)
