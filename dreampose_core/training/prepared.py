"""Reading what `prepare` wrote: one array of frames for many subjects, with who belongs to whom."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

PLANES = ("frames", "carried", "alpha", "visibility", "charts", "around", "mask")


@dataclass(frozen=True)
class Prepared:
    """Frames of all subjects in one row each.

    frames, carried, charts: uint8 (N, H, W, 3); alpha, visibility, mask: uint8 (N, H, W), 255 = 1;
    around: uint8 (N, 5, h, w, 3), charts of five poses at the latent's size; photo: (N,) the row of each frame's
    photo; names: one entry a subject.
    """

    frames: np.ndarray
    carried: np.ndarray
    alpha: np.ndarray
    visibility: np.ndarray
    charts: np.ndarray
    around: np.ndarray
    mask: np.ndarray
    photo: np.ndarray
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.frames)


def load_prepared(folder: Path, most: int | None = None) -> Prepared:
    """Every prepared subject of a folder, in the order of their names; at most `most` of them."""
    paths = sorted(folder.glob("subject_*.npz"))[:most]
    if not paths:
        raise FileNotFoundError(f"There is no prepared subject in {folder}.")
    parts: dict[str, list[np.ndarray]] = {key: [] for key in PLANES}
    photo: list[np.ndarray] = []
    rows = 0
    for path in paths:
        with np.load(path) as data:
            count = len(data["frames"])
            for key in PLANES:
                parts[key].append(data[key])
        photo.append(np.full(count, rows))
        rows += count
    arrays = {key: np.concatenate(value) for key, value in parts.items()}
    return Prepared(**arrays, photo=np.concatenate(photo), names=tuple(path.stem for path in paths))
