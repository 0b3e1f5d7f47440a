"""Further photos of a new subject, which its finetune learns from beside the first one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dreampose_core.photo import open_photo
from pose_tools.errors import BadInput

MOST_MORE = 8
NO_MORE = "Further photos are learnt from only while a subject is tuned; leave them out, or start from a photo."


def open_more(photo: Path) -> np.ndarray:
    """A further photo, uint8 (H, W, 3). BadInput, with the file's name, where it is none."""
    try:
        return open_photo(photo)
    except BadInput as error:
        raise BadInput(f"{Path(photo).name}: {error}") from error


def check_more(photos: Sequence[Path]) -> None:
    """BadInput, with the file's name, where one is no photo, or where there are too many."""
    if len(photos) > MOST_MORE:
        raise BadInput(f"Up to {MOST_MORE} further photos can be learnt from, and these are {len(photos)}.")
    for photo in photos:
        open_more(photo)
