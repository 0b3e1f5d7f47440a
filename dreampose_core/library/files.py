"""Small files of the library, each written in one piece: a reader sees the old one, or the new one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from pose_tools.files import replacing

THUMBNAIL_SIZE = (256, 320)  # pixels, width and height at most


def read_json(path: Path) -> dict | None:
    """The JSON object of a file, None where there is no file."""
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def write_json(path: Path, values: Mapping) -> None:
    """Write in one piece: a reader sees the old file, or the new one."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, sort_keys=True))


def write_picture(path: Path, picture: np.ndarray, quality: int = 90) -> None:
    """Write a picture, uint8 (H, W, 3) or (H, W), in one piece.

    The ending says the format: .png, .jpg (quality 0..100).
    """
    with replacing(path) as temporary:
        Image.fromarray(picture).save(temporary, **({} if path.suffix == ".png" else {"quality": quality}))


def write_thumbnail(path: Path, picture: np.ndarray) -> None:
    """Save a picture, uint8 (H, W, 3), no larger than THUMBNAIL_SIZE."""
    small = Image.fromarray(picture)
    small.thumbnail(THUMBNAIL_SIZE, Image.Resampling.LANCZOS)
    write_picture(path, np.asarray(small))
