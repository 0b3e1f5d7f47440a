"""Clips of people with their charts on disk, as `prepare` writes them and base training and evaluation read them.

    FOLDER/manifest.json         size, rate, and the name of every clip; written last
    FOLDER/clips/NAME/           frame_00001.jpg (or .png) …, poses.npz (a PoseSequence of the frames' size),
                                 cells.npy (the same at the latents' size, mapped into memory when read), clip.json

Knows nothing of networks, nor of how charts are found.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from dreampose_core.modeling import LATENT_STRIDE, POSES_AROUND
from dreampose_core.weights.checkpoints import new_folder, plain_disk_errors
from pose_tools.errors import BadInput
from pose_tools.files import replacing
from pose_tools.sequence import PoseSequence

FORMAT = "dreampose-clips-1"
MANIFEST, CLIP = "manifest.json", "clip.json"
JPEG, PNG = "jpg", "png"
QUALITY = 95  # of JPEG
GRID = 2 * LATENT_STRIDE  # sides are multiples of it, since the adapter halves the latents


@dataclass(frozen=True)
class Clip:
    """One clip: frames 0…T-1 of one person, T >= 2.

    numbers: which frame of the video each one is, at the clip's own rate; where it jumps, a part was left out.
    """

    name: str
    folder: Path
    numbers: tuple[int, ...]
    kind: str

    def __len__(self) -> int:
        return len(self.numbers)

    def frame(self, index: int) -> np.ndarray:
        """uint8 (H, W, 3). BadInput where the file is missing or damaged."""
        path = self.folder / f"frame_{index + 1:05d}.{self.kind}"
        picture = cv2.imread(str(path), cv2.IMREAD_COLOR) if path.is_file() else None
        if picture is None:
            raise BadInput(f"{path.name} of the clip {self.name} is missing or damaged; prepare that clip again.")
        return cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)

    def frames(self, first: int = 0, end: int | None = None) -> np.ndarray:
        """uint8 (T, H, W, 3)."""
        return np.stack([self.frame(index) for index in range(len(self))[first:end]])

    def poses(self) -> PoseSequence:
        """The charts of all frames, of their size."""
        return PoseSequence.load(self.folder / "poses.npz")

    @cached_property
    def cells(self) -> np.ndarray:
        """uint8 (T, h, w, 3): what nearest-neighbour shrinking keeps of the charts at the latents' size."""
        path = self.folder / "cells.npy"
        try:
            cells = np.load(path, mmap_mode="r")
        except (OSError, ValueError) as error:
            raise BadInput(f"cells.npy of the clip {self.name} is missing or damaged; prepare it again.") from error
        if cells.dtype != np.uint8 or cells.ndim != 4 or len(cells) != len(self):
            raise BadInput(f"cells.npy of the clip {self.name} does not belong to its frames; prepare it again.")
        return cells

    def around(self, index: int) -> list[int]:
        """Five frames around one; one outside of the clip, or beyond a part that was left out, is the frame itself."""
        near = range(index - POSES_AROUND // 2, index + POSES_AROUND // 2 + 1)
        whole = [j for j in near if 0 <= j < len(self) and self.numbers[j] - self.numbers[index] == j - index]
        return [j if j in whole else index for j in near]


@dataclass(frozen=True)
class Clips:
    """A prepared folder. height, width: of the frames in pixels; fps: frames a second."""

    folder: Path
    height: int
    width: int
    fps: float
    clips: tuple[Clip, ...]

    def summary(self) -> dict:
        """What tells one set of clips from another."""
        frames = sum(len(clip) for clip in self.clips)
        return {"height": self.height, "width": self.width, "clips": len(self.clips), "frames": frames}


def check_size(height: int, width: int) -> None:
    """BadInput where a model of this family could not read pictures of that size."""
    if height < GRID or width < GRID or height % GRID or width % GRID:
        raise BadInput(f"Height and width must be multiples of {GRID} pixels, not {height} and {width}.")


def write_clip(
    folder: Path,
    frames: Iterable[np.ndarray],
    poses: PoseSequence,
    numbers: Iterable[int],
    kind: str,
    about: Mapping,
) -> None:
    """Write one clip, whole or not at all. frames: uint8 (H, W, 3), as many as poses. BadInput where the disk is full.

    about: JSON-like facts that go into clip.json beside the numbers.
    """
    with new_folder(folder) as made:
        count = 0
        for count, frame in enumerate(frames, 1):
            path = made / f"frame_{count:05d}.{kind}"
            Image.fromarray(frame).save(path, **({"quality": QUALITY, "subsampling": 0} if kind == JPEG else {}))
        numbers = [int(number) for number in numbers][:count]
        if count < len(poses):
            poses = PoseSequence(poses.iuv[:count], poses.fps, poses.config)
        poses.save(made / "poses.npz")
        np.save(made / "cells.npy", poses.iuv[:, ::LATENT_STRIDE, ::LATENT_STRIDE])
        (made / CLIP).write_text(json.dumps(dict(about) | {"numbers": numbers, "kind": kind}))


def write_manifest(folder: Path, about: Mapping, names: Iterable[str], failed: Mapping[str, str]) -> None:
    """about: height, width, fps and what else a reader may want to know; failed: file -> why, one sentence."""
    manifest = {"format": FORMAT} | dict(about) | {"clips": sorted(names), "failed": dict(sorted(failed.items()))}
    with plain_disk_errors(), replacing(folder / MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n")


def read_manifest(folder: Path) -> dict:
    """BadInput where there is none, or one of something else."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise BadInput(f"There is no {MANIFEST} in the folder {folder}; `prepare` makes one of a folder of videos.")
    try:
        manifest = json.loads(path.read_text())
        fine = manifest["format"] == FORMAT and isinstance(manifest["clips"], list)
        check_size(int(manifest["height"]), int(manifest["width"]))
        fine = fine and float(manifest["fps"]) > 0
    except (ValueError, TypeError, KeyError, UnicodeDecodeError):
        fine = False
    if not fine:
        raise BadInput(f"{path} is damaged, or it is not a list of prepared clips.")
    return manifest


def load_clips(folder: Path) -> Clips:
    """The clips of a prepared folder. BadInput where there are none, or one of them is not there any more."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    if not manifest["clips"]:
        raise BadInput(f"There is no clip in the folder {folder}.")
    clips = tuple(load_clip(folder / "clips" / str(name)) for name in manifest["clips"])
    return Clips(folder, int(manifest["height"]), int(manifest["width"]), float(manifest["fps"]), clips)


def load_clip(folder: Path) -> Clip:
    """BadInput where it is missing or damaged."""
    try:
        facts = json.loads((folder / CLIP).read_text())
        numbers = tuple(int(number) for number in facts["numbers"])
        fine = len(numbers) >= 2 and facts["kind"] in (JPEG, PNG)
    except (OSError, ValueError, TypeError, KeyError):
        fine = False
    if not fine:
        raise BadInput(f"The clip {folder.name} is missing or damaged; `prepare` the videos again.")
    return Clip(folder.name, folder, numbers, facts["kind"])
