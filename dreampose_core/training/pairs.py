"""Random pairs of frames of one clip: the photo, and the frame that is to be made of it with its five poses.

What is drawn depends on (seed, step, rank) alone, so that a run that goes on sees what an uninterrupted one would
have seen, and so that processes see different pairs. Knows nothing of networks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from dreampose_core.modeling import chart_planes
from dreampose_core.training.clips import Clip, Clips
from dreampose_core.training.latents import Encoded, Latents
from pose_tools.errors import BadInput

AHEAD = 2  # batches that are read while another one is worked on


class Pair(NamedTuple):
    """photo, frame: indices into the clip, never the same."""

    clip: Clip
    photo: int
    frame: int


@dataclass(frozen=True, eq=False)
class Batch:
    """photos, frames: uint8 (B, H, W, 3); poses: float32 (B, 10, h, w), U and V of the five poses, in -1…1.

    encoded: what a cache knows of both; frames are None then, and photos where nobody needs them.
    """

    photos: np.ndarray | None
    frames: np.ndarray | None
    poses: Tensor
    encoded: Encoded | None = None


def draw_pairs(clips: Clips, count: int, seed: int, step: int, rank: int) -> list[Pair]:
    """Every frame of all clips is as likely as any other to be made, and every other frame of its clip to be the photo.

    Karras et al. 2023 (arXiv:2304.06025), section 4: input image and target are random frames of one video.
    """
    rng = np.random.default_rng([seed, step, rank])
    ends = np.cumsum([len(clip) for clip in clips.clips])
    drawn = []
    for place in rng.integers(0, ends[-1], count):
        which = int(np.searchsorted(ends, place, side="right"))
        clip = clips.clips[which]
        frame = int(place - (ends[which] - len(clip)))
        photo = int(rng.integers(0, len(clip) - 1))
        drawn.append(Pair(clip, photo + (photo >= frame), frame))
    return drawn


def pose_planes(clip: Clip, index: int) -> Tensor:
    """float32 (10, h, w) of the five poses around a frame."""
    cells = np.stack([clip.cells[j] for j in clip.around(index)])
    return chart_planes(cells, cells.shape[1:3]).flatten(0, 1)


def read_batch(pairs: list[Pair], size: tuple[int, int], latents: Latents | None = None) -> Batch:
    """size: (height, width) of the frames; latents: a cache of them.

    BadInput where a file is missing, damaged or of another size.
    """
    poses = torch.stack([pose_planes(pair.clip, pair.frame) for pair in pairs])
    encoded = photos = frames = None
    if latents is None or "tokens" not in latents.shapes:  # the vision encoder is trained, on the photos themselves
        photos = _read([(pair.clip, pair.photo) for pair in pairs], size)
    if latents is None:
        frames = _read([(pair.clip, pair.frame) for pair in pairs], size)
    else:
        encoded = latents.read([(pair.clip, pair.frame) for pair in pairs], [(pair.clip, pair.photo) for pair in pairs])
    return Batch(photos, frames, poses, encoded)


def _read(frames: list[tuple[Clip, int]], size: tuple[int, int]) -> np.ndarray:
    pictures = [clip.frame(index) for clip, index in frames]
    for (clip, _), picture in zip(frames, pictures, strict=True):
        if picture.shape[:2] != size:
            raise BadInput(f"The frames of the clip {clip.name} are not of one size; prepare that clip again.")
    return np.stack(pictures)


def batches(
    clips: Clips,
    steps: range,
    count: int,
    size: int,
    seed: int,
    rank: int,
    threads: int,
    latents: Latents | None = None,
) -> Iterator[list[Batch]]:
    """For every step its `count` batches of `size` pairs, read ahead by threads (pictures are decoded outside of
    Python's lock)."""
    shape = (clips.height, clips.width)
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[list[Future]] = deque()
        for step in steps:
            pairs = draw_pairs(clips, count * size, seed, step, rank)
            parts = [pairs[k * size : (k + 1) * size] for k in range(count)]
            waiting.append([pool.submit(read_batch, part, shape, latents) for part in parts])
            if len(waiting) > AHEAD:
                yield [future.result() for future in waiting.popleft()]
        while waiting:
            yield [future.result() for future in waiting.popleft()]
