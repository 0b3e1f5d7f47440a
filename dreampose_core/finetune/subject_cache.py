"""What a subject's finetune makes once, so that a step costs the network alone: latents, tokens, planes.

Knows nothing of losses or steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dreampose_core.encoding import fast_math, visibility_plane
from dreampose_core.finetune.crops import Look, apply_crop, draw_crops, look_of_crop
from dreampose_core.modeling import CARRIED_CHANNELS, LATENT_CHANNELS, LATENT_STRIDE, POSE_CHANNELS, chart_planes
from dreampose_core.pipeline import DreamPosePipeline

ENCODE_BATCH = 4


@dataclass(frozen=True, eq=False)
class Cache:
    """N pictures of one subject, cut from P photos.

    latents (N, 4, h, w) of the pictures; poses (N, 10, h, w); carried (N, 5, h, w), empty (0,) for a model that
    reads none; person (N, 1, h, w) in 0…1; pictures uint8 (N, H, W, 3); flip (N,) 0 or 1. clip (2 P, tokens,
    width) and adapter (2 P, 4, h, w): what the adapter reads of every photo as it is, and after those of every
    flipped photo; the main photo is the first. none_clip and none_adapter: (1, ...), the same of no photo.
    """

    latents: Tensor
    poses: Tensor
    carried: Tensor
    person: Tensor
    pictures: Tensor
    flip: Tensor
    clip: Tensor
    adapter: Tensor
    none_clip: Tensor
    none_adapter: Tensor

    @property
    def photos(self) -> int:
        return len(self.clip) // 2

    def to(self, device: torch.device) -> Cache:
        return Cache(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def shapes_of(pipeline: DreamPosePipeline, height: int, width: int, count: int, photos: int) -> dict:
    """The shape of every tensor of a cache of `count` pictures of this size, from so many photos."""
    size = (height // LATENT_STRIDE, width // LATENT_STRIDE)
    of_none = (size[1], size[0]) if pipeline.config.raw_photo else size  # see no_photo
    tokens = (pipeline.adapter.config.tokens, pipeline.adapter.config.width)
    return {
        "latents": (count, LATENT_CHANNELS, *size),
        "poses": (count, POSE_CHANNELS, *size),
        "carried": (count, CARRIED_CHANNELS, *size) if pipeline.carried else (0,),
        "person": (count, 1, *size),
        "pictures": (count, height, width, 3),
        "flip": (count,),
        "clip": (2 * photos, *tokens),
        "adapter": (2 * photos, LATENT_CHANNELS, *size),
        "none_clip": (1, *tokens),
        "none_adapter": (1, LATENT_CHANNELS, *of_none),
    }


def build_cache(
    pipeline: DreamPosePipeline, looks: Sequence[Look], count: int, seed: int, tick: Callable[[], None]
) -> Cache:
    """Cut `count` pictures from the looks in turn and encode them; `tick` is called between the batches.

    The looks of the main photo come first.
    """
    crops = draw_crops(count, seed)
    views = [apply_crop(looks[look_of_crop(index, len(looks))], crop) for index, crop in enumerate(crops)]
    photos = np.stack([photo for _, photo in sorted({look.of: look.photo for look in looks}.items())])
    photo = photos[0]
    size = (photo.shape[0] // LATENT_STRIDE, photo.shape[1] // LATENT_STRIDE)
    latents, carried = [], []
    with torch.no_grad(), fast_math(pipeline._execution_device):
        for first in range(0, count, ENCODE_BATCH):
            tick()
            part = views[first : first + ENCODE_BATCH]
            latents.append(pipeline.encode_pictures(np.stack([view.photo for view in part])))
            if not pipeline.carried:
                continue
            if part[0].carried is None:
                carried.append(torch.zeros(len(part), CARRIED_CHANNELS, *size).to(latents[-1]))
            else:
                carried.append(pipeline.encode_carried([view.carried for view in part]))
        codes = []
        for one in np.concatenate([photos, photos[:, :, ::-1]]):
            tick()
            codes.append(pipeline.encode_photo(one))
        none = pipeline.no_photo(*photo.shape[:2])
    person = torch.from_numpy(np.stack([view.mask for view in views]))[:, None].float()
    return Cache(
        latents=torch.cat(latents),
        poses=torch.stack([chart_planes(view.charts, size).flatten(0, 1) for view in views]),
        carried=torch.cat(carried) if carried else torch.empty(0),
        person=visibility_plane(person),
        pictures=torch.from_numpy(np.stack([view.photo for view in views])),
        flip=torch.tensor([int(crop.flip) for crop in crops]),
        clip=torch.cat([code.clip for code in codes]).float(),
        adapter=torch.cat([code.adapter_latents for code in codes]),
        none_clip=none.clip.float(),
        none_adapter=none.adapter_latents,
    )


def hide_parts(carried: Tensor, share: float, draw: torch.Generator) -> Tensor:
    """Hide rectangles of the carried planes (B, 5, h, w) in a share of the rows.

    What is hidden looks as what the photo did not see does: smeared, and with next to no visibility.
    """
    height, width = carried.shape[-2:]
    smeared = F.avg_pool2d(carried, 7, stride=1, padding=3, count_include_pad=False)
    smeared[:, 4] = 0.1 * carried[:, 4]
    hidden = torch.zeros(len(carried), 1, height, width)
    for row in range(len(carried)):
        chance, *places = torch.rand(13, generator=draw).tolist()
        if chance >= share:
            continue
        for y, x, tall, wide in zip(*[iter(places)] * 4, strict=True):
            side_y, side_x = (
                max(1, round(side * (0.1 + 0.3 * part))) for side, part in ((height, tall), (width, wide))
            )
            top, left = int(y * (height - side_y + 1)), int(x * (width - side_x + 1))
            hidden[row, 0, top : top + side_y, left : left + side_x] = 1
    hidden = hidden.to(carried.device)
    return carried * (1 - hidden) + smeared * hidden
