"""What the headers of a model's files say of its weights, of which nothing is loaded."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError, safe_open

_FLOAT32 = 4  # bytes

Count = Callable[[str, tuple[int, ...]], int]


def whole(name: str, shape: tuple[int, ...]) -> int:
    """Every number of a weight."""
    return math.prod(shape)


def count_weights(folder: Path, count: Count = whole) -> int:
    """The numbers of all weights in a part's folder; count: of each by its name and shape, 0 leaves it out.

    A file that cannot be read counts by its size: whoever loads it says what is wrong with it.
    """
    total = 0
    for file in folder.glob("*.safetensors"):
        try:
            with safe_open(file, framework="numpy") as opened:
                for name in opened.keys():  # noqa: SIM118 (not a mapping)
                    total += count(name, tuple(opened.get_slice(name).get_shape()))
        except (SafetensorError, OSError):
            total += os.path.getsize(file) // _FLOAT32
    return total
