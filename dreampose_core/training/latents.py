"""What the encoders make of every frame of prepared clips, on disk, so that a step of base training costs the UNet.

    FOLDER/cache.json            what made it
    FOLDER/clips/NAME/           latents.npy, and where the model needs them raw.npy (of the photo's 0…255 values) and
                                 tokens.npy (of the vision encoder), float32, mapped into memory when read; clip.json

Frames are neither cropped nor turned in training and the posterior is taken at its mode, as it is without the cache,
so that one set of latents is all there is. A clip appears whole or not at all: an interrupted run goes on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dreampose_core.modeling import LATENT_CHANNELS, LATENT_STRIDE
from dreampose_core.pipeline import DreamPosePipeline, PhotoCode
from dreampose_core.training.clips import CLIP, Clip, Clips
from dreampose_core.weights.checkpoints import fingerprint, new_folder, plain_disk_errors
from pose_tools.errors import BadInput
from pose_tools.files import replacing

FORMAT, ABOUT = "dreampose-latents-1", "cache.json"
BATCH = 4  # frames encoded together
OPEN = 256  # clips whose files stay mapped at once
GB = 1e9


@dataclass(frozen=True)
class Encoded:
    """Of a batch of pairs: latents (B, 4, h, w) of the frames, and the code of the photos, on the processor.

    The code's tokens are empty (0,) where the vision encoder is trained.
    """

    latents: Tensor
    photo: PhotoCode


@dataclass(frozen=True)
class Latents:
    """A cache in a folder. shapes: of the arrays of a frame, by name."""

    folder: Path
    shapes: dict[str, tuple[int, ...]]

    def read(self, frames: Sequence[tuple[Clip, int]], photos: Sequence[tuple[Clip, int]]) -> Encoded:
        """BadInput where a file is missing or damaged."""
        latents = self._rows("latents", photos)
        raw = self._rows("raw", photos) if "raw" in self.shapes else latents
        tokens = self._rows("tokens", photos) if "tokens" in self.shapes else torch.empty(0)
        return Encoded(self._rows("latents", frames), PhotoCode(tokens, latents, raw))

    def bytes_of(self, clip: Clip) -> int:
        return len(clip) * sum(4 * int(np.prod(shape)) for shape in self.shapes.values())

    def has(self, clip: Clip) -> bool:
        """Whether the clip's latents are here, and of the frames that it has now."""
        try:
            return (self._of(clip) / CLIP).read_text() == _stamp(clip)
        except (OSError, UnicodeDecodeError):
            return False

    def write(self, clip: Clip, pipeline: DreamPosePipeline) -> None:
        """Encode all frames of a clip. BadInput where the disk is full or a frame is missing."""
        with new_folder(self._of(clip)) as made, ExitStack() as opened:
            files = {name: opened.enter_context((made / f"{name}.npy").open("wb")) for name in self.shapes}
            for name, file in files.items():  # written, not mapped: a full disk would end a process that maps
                header = {"descr": "<f4", "fortran_order": False, "shape": (len(clip), *self.shapes[name])}
                np.lib.format.write_array_header_1_0(file, header)
            for first in range(0, len(clip), BATCH):
                code = pipeline.encode_photo(clip.frames(first, first + BATCH))
                rows = {"latents": code.latents, "raw": code.adapter_latents, "tokens": code.clip}
                for name, file in files.items():
                    file.write(rows[name].float().cpu().numpy().astype("<f4", copy=False).tobytes())
            (made / CLIP).write_text(_stamp(clip))
        _mapped.cache_clear()

    def _of(self, clip: Clip) -> Path:
        return self.folder / "clips" / clip.name

    def _rows(self, name: str, rows: Sequence[tuple[Clip, int]]) -> Tensor:
        read = []
        for clip, index in rows:
            array = _mapped(self._of(clip) / f"{name}.npy")
            if array is None or array.shape != (len(clip), *self.shapes[name]):
                raise BadInput(f"{name}.npy of the clip {clip.name} in {self.folder} is damaged; delete that folder.")
            read.append(array[index])
        return torch.from_numpy(np.stack(read))


@lru_cache(maxsize=OPEN)
def _mapped(path: Path) -> np.ndarray | None:
    try:
        return np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None


def open_latents(folder: Path, pipeline: DreamPosePipeline, clips: Clips, vision: bool) -> Latents:
    """The cache of a folder, begun where there is none; its clips may be missing.

    vision: whether the vision encoder is trained, so that its tokens change. BadInput where the folder holds the cache
    of another model, size or precision, or something else.
    """
    size = (clips.height // LATENT_STRIDE, clips.width // LATENT_STRIDE)
    shapes = {"latents": (LATENT_CHANNELS, *size)}
    if pipeline.config.raw_photo:
        shapes["raw"] = shapes["latents"]
    if not vision:
        config = pipeline.image_encoder.config
        shapes["tokens"] = ((config.image_size // config.patch_size) ** 2 + 1, config.hidden_size)
    facts = {
        "format": FORMAT,
        "encoders": fingerprint(pipeline, ("vae",) if vision else ("vae", "image_encoder")),
        "precision": str(pipeline.vae.dtype).removeprefix("torch."),
        "whole_photo": pipeline.config.whole_photo,
        "arrays": {name: list(shape) for name, shape in shapes.items()},
    }
    path = folder / ABOUT
    if path.is_file():
        try:
            known = json.loads(path.read_text()) == facts
        except (OSError, ValueError):
            known = False
        if not known:
            raise BadInput(f"The latents in {folder} were made by other encoders or settings; choose another folder.")
    elif folder.exists() and any(folder.iterdir()):
        raise BadInput(f"The folder {folder} holds something else than latents; choose another one for --latents.")
    else:
        with plain_disk_errors():
            folder.mkdir(parents=True, exist_ok=True)
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(facts, indent=1) + "\n")
    return Latents(folder, shapes)


def say_size(latents: Latents, clips: Clips, say: Callable[[str], None]) -> None:
    """Say what is going to be written. BadInput where the disk has no room for it."""
    missing = [clip for clip in clips.clips if not latents.has(clip)]
    if not missing:
        return
    needed, free = sum(latents.bytes_of(clip) for clip in missing), shutil.disk_usage(latents.folder).free
    if needed > free:
        raise BadInput(
            f"The latents of the clips take {needed / GB:.1f} GB and the disk has {free / GB:.1f} GB free; make room, "
            "choose another folder, or train without --latents."
        )
    frames = sum(len(clip) for clip in missing)
    say(f"encoding {frames} frames of {len(missing)} clips once, {needed / GB:.2f} GB in {latents.folder}")


def fill_latents(
    latents: Latents,
    clips: Clips,
    pipeline: DreamPosePipeline,
    rank: int,
    processes: int,
    say: Callable[[str], None],
) -> None:
    """Encode what is missing of every `processes`-th clip from `rank` on. BadInput as Latents.write."""
    mine = clips.clips[rank::processes]
    for number, clip in enumerate(mine, 1):
        if not latents.has(clip):
            latents.write(clip, pipeline)
            say(f"encoded {number}/{len(mine)} clips")


def _stamp(clip: Clip) -> str:
    """Tells whether a clip was prepared anew, with other frames."""
    return hashlib.sha256((clip.folder / CLIP).read_bytes()).hexdigest() + "\n"
