"""The paper's table: how near generated clips are to the real ones (DreamPose, arXiv:2304.06025, section 5).

Of two folders of clips, or of pairs that somebody else makes (see reenactment). One clip is in memory at a time.
Knows nothing of models.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from dreampose_core.evaluation.metrics import l1, psnr, ssim
from dreampose_core.evaluation.perceptual import FID, Networks, frechet_distance
from pose_tools.errors import BadInput
from pose_tools.video import VIDEOS, read_frames

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
TABLE = ("l1", "ssim", "psnr", "lpips", "fid", "fvd", "aed")  # the paper's order
BETTER = {"l1": "lower", "ssim": "higher", "psnr": "higher", "lpips": "lower", "fid": "lower", "fvd": "lower"}
NUMBER = re.compile(r"(\d+)")
PLAIN = {"l1": l1, "ssim": ssim, "psnr": psnr}
Say = Callable[[str], None]


@dataclass(frozen=True)
class Compared:
    """name: of the clip; made, truth: uint8 (T, H, W, 3)."""

    name: str
    made: NDArray[np.uint8]
    truth: NDArray[np.uint8]


def evaluate(clips: Iterable[Compared], networks: Networks, say: Say = print) -> dict:
    """{"table": measure -> value, "missing": measure -> why, "clips": name -> its own values, "frames": how many}.

    Values are means over clips of means over frames; of FID over all frames, of FVD over all windows of 16 frames.
    A value that is not finite (PSNR of equal clips, FVD of a single window) is None. BadInput where there is no clip.
    """
    each: dict[str, dict[str, float]] = {}
    features: dict[str, tuple[list, list]] = {name: ([], []) for name in networks.features}
    frames = 0
    for clip in clips:
        frames += len(clip.made)
        measures = PLAIN | dict(networks.distances)
        each[clip.name] = {name: float(np.mean(of(clip.made, clip.truth))) for name, of in measures.items()}
        for name, of in networks.features.items():
            for kept, pictures in zip(features[name], (clip.made, clip.truth), strict=True):
                kept.append(of(pictures))
        say(f"{clip.name}: " + ", ".join(f"{name} {value:.4f}" for name, value in each[clip.name].items()))
    if not each:
        raise BadInput("There is no clip to evaluate.")
    table = {name: float(np.mean([row[name] for row in each.values()])) for name in next(iter(each.values()))}
    missing = dict(networks.missing)
    for name, both in features.items():
        one, other = (np.concatenate([rows for rows in kept if len(rows)] or [np.zeros((0, 1))]) for kept in both)
        table[name] = frechet_distance(one, other)
        if not np.isfinite(table[name]):
            missing[name] = "needs at least two frames." if name == FID else "needs at least 32 frames of clips."
    return {
        "table": {name: _finite(table.get(name)) for name in TABLE},
        "missing": missing,
        "clips": {clip: {name: _finite(value) for name, value in row.items()} for clip, row in each.items()},
        "frames": frames,
    }


def table_lines(result: Mapping) -> list[str]:
    """The table for a terminal, and which measures are missing and why."""
    lines = [f"{'':8}{'value':>10}   {'better':8}"]
    for name in TABLE:
        if name in result["missing"]:
            continue
        value = result["table"][name]
        shown = "equal" if value is None else f"{value:.4f}"
        lines.append(f"{name.upper():8}{shown:>10}   {BETTER.get(name, 'lower'):8}")
    count = len(result["clips"])
    lines.append(f"{count} clip{'s' if count != 1 else ''}, {result['frames']} frames.")
    lines += [f"{name.upper()} is missing: {why.removesuffix('.')}." for name, why in result["missing"].items()]
    return lines


# two folders


def find_clips(folder: Path) -> dict[str, Path]:
    """Name -> video, or folder of pictures. BadInput where there is none, or two of one name."""
    if not folder.is_dir():
        raise BadInput(f"There is no folder {folder}.")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir() and clip_pictures(path):
            name = path.name
        elif path.suffix.lower() in VIDEOS:
            name = path.stem
        else:
            continue
        if name in found:
            raise BadInput(f"There are two clips named {name} in {folder}.")
        found[name] = path
    if not found:
        raise BadInput(f"There is no clip in {folder}: neither a video nor a folder with pictures.")
    return found


def compare_folders(
    generated: Path, real: Path, size: tuple[int, int] | None = None, frames: int | None = None
) -> Iterator[Compared]:
    """Clips of the same name in two folders. size: (width, height) both are brought to; frames: only the first ones.

    BadInput where a clip has no partner, or the two are not of one size and length.
    """
    made, truth = find_clips(generated), find_clips(real)
    if alone := sorted(made.keys() ^ truth.keys()):
        where = real if alone[0] in made else generated
        raise BadInput(f"The clip {alone[0]} has no partner in {where}.")
    for name in made:
        one, other = (read_clip(paths[name], size, frames) for paths in (made, truth))
        if one.shape[1:] != other.shape[1:]:
            sizes = " and ".join(f"{clip.shape[2]}x{clip.shape[1]}" for clip in (one, other))
            raise BadInput(f"The clips {name} are of {sizes} pixels; choose one size by --size.")
        if len(one) != len(other):
            raise BadInput(f"The clips {name} have {len(one)} and {len(other)} frames; choose a number by --frames.")
        yield Compared(name, one, other)


def read_clip(path: Path, size: tuple[int, int] | None, frames: int | None) -> NDArray[np.uint8]:
    """uint8 (T, H, W, 3) of a video or of a folder of pictures, these in the order of the numbers in their names."""
    if path.is_file():
        clip = []
        for frame in read_frames(path, size=size):
            clip.append(frame)
            if len(clip) == frames:
                break
        return np.stack(clip)
    clip = [_open(picture, size) for picture in clip_pictures(path)[:frames]]
    if any(picture.shape != clip[0].shape for picture in clip):
        raise BadInput(f"The pictures in {path} are not of one size.")
    return np.stack(clip)


def _open(path: Path, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            picture = image.convert("RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise BadInput(f"{path} is not a picture that can be read.") from error
    return np.asarray(picture if size is None else picture.resize(size, Image.Resampling.LANCZOS))


def clip_pictures(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of the numbers in their names."""
    found = [path for path in folder.iterdir() if path.suffix.lower() in PICTURES and not path.name.startswith(".")]
    return sorted(found, key=lambda path: [int(part) if part.isdigit() else part for part in NUMBER.split(path.name)])


def _finite(value: float | None) -> float | None:
    return value if value is not None and np.isfinite(value) else None
