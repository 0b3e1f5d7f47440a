"""What the encoders make of a photo, of poses and of carried pictures; and where the parts of a model run.

The half of `DreamPosePipeline` that makes its conditions. Knows nothing of sampling, guidance or memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from diffusers import DiffusionPipeline
from torch import Tensor

from dreampose_core.encoding import byte_tensor, clip_pixels, visibility_plane
from dreampose_core.modeling import LATENT_STRIDE, chart_planes, picture_tensor, stack_poses
from pose_tools.sequence import PoseSequence

if TYPE_CHECKING:  # a carried picture is read here, nothing is needed that makes one
    from typing_extensions import Self

    from dreampose_core.carry import Carried


@dataclass(frozen=True)
class PhotoCode:
    """A photo as the encoders see it; the adapter makes context tokens of it.

    clip: (B, tokens, width) hidden state of the vision encoder; latents: (B, 4, h, w) of the picture in -1…1,
    scaled; adapter_latents: what the adapter reads, the same or of the raw 0…255 values.
    """

    clip: Tensor
    latents: Tensor
    adapter_latents: Tensor


class ConditionPipeline(DiffusionPipeline):
    """Encodes conditions. Who inherits registers vae, unet, image_encoder and adapter, and `raw_photo` and
    `whole_photo` in its configuration (see DreamPosePipeline)."""

    _card: torch.device | None = None
    _stays: frozenset[str] = frozenset()  # parts that are on the card also while others work

    # where and how it runs

    def offload(self, device: torch.device | str) -> Self:
        """For small cards: every part waits in the machine's memory, and is on the device only while it works.

        The device then needs room for the largest part alone. A batch costs two moves of the UNet and of the VAE.
        """
        self._card = torch.device(device)
        return self.to("cpu")

    def keep_at_work(self, *parts: str) -> None:
        """The parts that are trained: they stay where they are, and those of an earlier call wait again."""
        if self._card is not None:
            for part in self._stays - set(parts):
                getattr(self, part).to("cpu")
            self._stays = frozenset(parts)

    def rest(self, device: torch.device | str, *parts: str) -> Self:
        """These parts wait in the machine's memory from now on, each of them is on the device only while it works; the
        others stay where they are."""
        self._card = torch.device(device)
        self._stays = frozenset(name for name, part in self.components.items() if name not in parts)
        for name in parts:
            getattr(self, name).to("cpu")
        return self

    def compile(self, **options: Any) -> Self:
        """Compile the UNet and the VAE's decoder (options: as torch.compile's); the first frames then take a minute
        longer, and so does every other size of a batch."""
        self.unet.compile(**options)
        self.vae.decoder.compile(**options)
        return self

    @property
    def _execution_device(self) -> torch.device:
        return self._card or super()._execution_device

    @contextmanager
    def _at_work(self, part: str) -> Iterator[None]:
        """The part is on the device meanwhile."""
        if self._card is None or part in self._stays:
            yield
            return
        module = getattr(self, part)
        module.to(self._card)
        try:
            yield
        finally:
            module.to("cpu")

    # encoders

    @torch.no_grad()
    def encode_photo(self, photos: np.ndarray) -> PhotoCode:
        """uint8 (H, W, 3) or (B, H, W, 3) -> what both encoders make of it; done once a subject.

        H and W are multiples of 8. The VAE's posterior is taken at its mode.
        """
        photos = photos if photos.ndim == 4 else photos[None]
        latents = self.encode_pictures(photos)
        raw = self._vae_latents(byte_tensor(photos)) if self.config.raw_photo else latents
        return PhotoCode(self._clip_tokens(photos), latents, raw)

    @torch.no_grad()
    def encode_pictures(self, pictures: np.ndarray) -> Tensor:
        """uint8 (B, H, W, 3) -> scaled latents (B, 4, H/8, W/8) of the pictures in -1…1."""
        return self._vae_latents(picture_tensor(pictures))

    def no_photo(self, height: int, width: int) -> PhotoCode:
        """The code of no photo at all: a black picture (beside raw values with the authors' slip, its sides
        exchanged)."""
        size = (width, height) if self.config.raw_photo else (height, width)
        return self.encode_photo(np.zeros((*size, 3), np.uint8))

    @torch.no_grad()
    def encode_carried(self, carried: Sequence[Carried]) -> Tensor:
        """Carried pictures -> (B, 5, h, w): their latents, and how much of each cell the photo saw (0…1)."""
        latents = self.encode_pictures(np.stack([one.picture for one in carried]))
        seen = torch.from_numpy(np.stack([one.visibility for one in carried])).to(latents)
        return torch.cat([latents, visibility_plane(seen[:, None])], dim=1)

    def pose_channels(self, poses: PoseSequence) -> Tensor:
        """Poses of T frames -> (T, 10, h, w): U and V of the five poses around every frame, in -1…1."""
        size = (poses.height // LATENT_STRIDE, poses.width // LATENT_STRIDE)
        frames = [list(poses.five_around(i)) for i in range(len(poses))]
        return stack_poses(chart_planes(poses.iuv, size), frames)

    def context(self, code: PhotoCode) -> Tensor:
        """The UNet's context tokens (B, tokens, width) of a photo; keeps gradients."""
        with self._at_work("adapter"):
            return self.adapter(code.clip.to(self.adapter.dtype), code.adapter_latents.to(self.adapter.dtype))

    # inside

    def _vae_latents(self, pictures: Tensor) -> Tensor:
        with self._at_work("vae"):
            posterior = self.vae.encode(pictures.to(self._execution_device, self.vae.dtype)).latent_dist
        return posterior.mode().float() * self.vae.config.scaling_factor

    def _clip_tokens(self, photos: np.ndarray) -> Tensor:
        size = self.image_encoder.config.image_size
        pixels = torch.stack([clip_pixels(photo, size, self.config.whole_photo) for photo in photos])
        pixels = pixels.to(self._execution_device, self.image_encoder.dtype)
        with self._at_work("image_encoder"):
            return self.image_encoder(pixels).last_hidden_state
