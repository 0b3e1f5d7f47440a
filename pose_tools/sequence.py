"""PoseSequence: DensePose charts over time, as uint8 IUV frames with a frame rate, and their files.

I is the part 0..24 (0: no person), U and V are 0..255. Two forms are read: our `.npz` (`iuv`, `fps`,
`config`) and the folders of `frame_N_densepose.npy`, one (3, H, W) array each, that the scripts of the
DreamPose authors write.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from pose_tools.errors import BadInput
from pose_tools.files import load_array, load_arrays, save_arrays

PARTS = 24
MAX_FRAMES = 8000
MAX_SIDE = 4096
MAX_BYTES = 1 << 30  # of charts once decompressed: 4369 frames of 256x320
MAX_CONFIG = 1 << 20
FRAME_NAME = re.compile(r"frame_(\d+)_densepose\.npy")


@dataclass(frozen=True, eq=False)
class PoseSequence:
    """DensePose charts of one person over time.

    iuv: uint8 (T, H, W, 3), I 0..24, U and V 0..255, T >= 1; fps: frames a second, > 0;
    config: JSON-like facts of how it was made, kept inside the file. BadInput where a value breaks this.
    """

    iuv: np.ndarray
    fps: float
    config: Mapping = field(default_factory=dict)

    def __post_init__(self):
        iuv = self.iuv
        _check_layout(getattr(iuv, "shape", ()), getattr(iuv, "dtype", None))
        if max(int(frame[..., 0].max()) for frame in iuv) > PARTS:
            raise BadInput(f"The poses name body parts above {PARTS}, which DensePose does not have.")
        object.__setattr__(self, "fps", _check_fps(self.fps))

    def __len__(self) -> int:
        return len(self.iuv)

    @property
    def height(self) -> int:
        return self.iuv.shape[1]

    @property
    def width(self) -> int:
        return self.iuv.shape[2]

    @property
    def seconds(self) -> float:
        return len(self.iuv) / self.fps

    def save(self, path: str | Path) -> Path:
        """Write an .npz of iuv, fps and config (as JSON), whole or not at all; returns its path."""
        config = np.str_(json.dumps(dict(self.config)))
        return save_arrays(path, {"iuv": self.iuv, "fps": np.float64(self.fps), "config": config})

    @staticmethod
    def load(path: str | Path, fps: float = 12.0) -> PoseSequence:
        """Read an .npz of `save`, or a folder of frame_N_densepose.npy, which has no rate: `fps` is taken.

        BadInput, one sentence, where there is nothing, or something damaged, too large or of another kind.
        """
        path = Path(path)
        if path.is_dir():
            return _load_folder(path, fps)
        if not path.is_file():
            raise BadInput(f"There is no pose file named {path.name}.")
        arrays = load_arrays(path, {"iuv": MAX_BYTES, "fps": 64, "config": MAX_CONFIG}, optional=("config",))
        if arrays["fps"].size != 1:
            raise BadInput(f"{path.name} must hold one frame rate named fps.")
        config = _read_config(arrays.get("config"), path.name)
        return PoseSequence(arrays["iuv"], arrays["fps"].item(), config)

    def resize(self, width: int, height: int) -> PoseSequence:
        """Nearest-neighbour resize: parts have no values between them."""
        if (width, height) == (self.width, self.height):
            return self
        frames = [cv2.resize(f, (width, height), interpolation=cv2.INTER_NEAREST_EXACT) for f in self.iuv]
        return replace(self, iuv=np.stack(frames))

    def resample(self, fps: float | None = None, frames: int | None = None) -> PoseSequence:
        """The nearest frames at another frame rate and the same duration, or a given number of frames.

        fps alone keeps the duration; frames alone keeps the duration and changes fps; both together start at
        frame 0 and run at fps, holding the last frame where the sequence is over.
        """
        if fps is None and frames is None:
            return self
        if frames is not None and frames < 1:
            raise BadInput("A pose sequence needs at least one frame.")
        rate = _check_fps(fps) if fps is not None else frames / self.seconds
        count = frames if frames is not None else max(1, round(self.seconds * rate))
        index = np.floor((np.arange(count) + 0.5) * self.fps / rate).astype(int)
        return replace(self, iuv=self.iuv[np.minimum(index, len(self.iuv) - 1)], fps=rate)

    def five_around(self, i: int) -> tuple[int, int, int, int, int]:
        """Indices i-2..i+2 of the poses a frame is made from; one outside the sequence is replaced by i.

        DreamPose (Karras et al. 2023) conditions each frame on five consecutive poses; the authors' data set
        falls back to the frame's own pose where a neighbour is missing.
        """
        if not 0 <= i < len(self.iuv):
            raise IndexError(f"frame {i} of {len(self.iuv)}")
        return tuple(j if 0 <= j < len(self.iuv) else i for j in range(i - 2, i + 3))


def _read_config(array: np.ndarray | None, name: str) -> dict:
    if array is None:
        return {}
    try:
        config = json.loads(str(array))
    except ValueError as error:
        raise BadInput(f"The configuration inside {name} is not JSON.") from error
    if not isinstance(config, dict):
        raise BadInput(f"The configuration inside {name} is not a JSON object.")
    return config


def _load_folder(folder: Path, fps: float) -> PoseSequence:
    """The authors' folder: frame_N_densepose.npy, sorted by N, no number left out, all of one size."""
    found = {int(m[1]): p for p in folder.iterdir() if (m := FRAME_NAME.fullmatch(p.name))}
    if not found:
        raise BadInput(f"The folder {folder.name} holds no frame_N_densepose.npy files.")
    numbers = sorted(found)
    if len(numbers) > MAX_FRAMES:
        raise BadInput(f"The folder {folder.name} holds {len(numbers)} frames, {MAX_FRAMES} are allowed.")
    if numbers[-1] - numbers[0] + 1 != len(numbers):
        missing = next(n for n in range(numbers[0], numbers[-1]) if n not in found)
        raise BadInput(f"The folder {folder.name} lacks frame_{missing}_densepose.npy.")
    frames = None
    for k, n in enumerate(numbers):
        frame = _load_frame(found[n])
        if frames is None:
            _check_layout((len(numbers), *frame.shape), frame.dtype)
            frames = np.empty((len(numbers), *frame.shape), np.uint8)
        if frame.shape != frames.shape[1:]:
            raise BadInput(f"{found[n].name} is of another size than the frames before it.")
        frames[k] = frame
    return PoseSequence(frames, fps, {"source": folder.name, "first_frame": numbers[0]})


def _load_frame(path: Path) -> np.ndarray:
    """One frame as uint8 (H, W, 3), from (3, H, W) or (H, W, 3) of whole or real numbers 0..255."""
    array = load_array(path, 8 * 3 * MAX_SIDE * MAX_SIDE)
    if array.ndim != 3 or 3 not in (array.shape[0], array.shape[2]) or array.dtype.kind not in "iuf":
        raise BadInput(f"{path.name} must hold numbers of shape (3, height, width) or (height, width, 3).")
    if array.shape[2] != 3:
        array = array.transpose(1, 2, 0)
    if array.size == 0 or not np.isfinite(array).all() or array.min() < 0 or array.max() > 255:
        raise BadInput(f"{path.name} must hold parts 0 to {PARTS} and U, V from 0 to 255.")
    if array.dtype.kind == "f":
        part, uv = array[..., 0], array[..., 1:]
        if (part != np.round(part)).any() or (uv.max() <= 1 and (uv != np.round(uv)).any()):
            raise BadInput(f"{path.name} must hold whole parts, and U, V from 0 to 255 rather than 0 to 1.")
    return np.ascontiguousarray(np.round(array).astype(np.uint8))


def _check_layout(shape: tuple[int, ...], dtype: np.dtype | None) -> None:
    if len(shape) != 4 or shape[3] != 3 or dtype != np.uint8:
        raise BadInput("Poses must be whole numbers 0 to 255 (uint8) of shape (frames, height, width, 3).")
    if not 1 <= shape[0] <= MAX_FRAMES:
        raise BadInput(f"A pose sequence has 1 to {MAX_FRAMES} frames, this one has {shape[0]}.")
    if not (1 <= shape[1] <= MAX_SIDE and 1 <= shape[2] <= MAX_SIDE):
        size = f"{shape[2]}x{shape[1]}"
        raise BadInput(f"Pose frames are 1 to {MAX_SIDE} pixels wide and high, these are {size}.")
    if math.prod(shape) > MAX_BYTES:
        raise BadInput("The pose sequence is too large: shorten it or make its frames smaller.")


def _check_fps(fps: float) -> float:
    try:
        fps = float(fps)
    except (TypeError, ValueError) as error:
        raise BadInput("The frame rate must be a number above 0.") from error
    if not (math.isfinite(fps) and 0 < fps <= 240):
        raise BadInput("The frame rate must be above 0 and at most 240 frames a second.")
    return fps
