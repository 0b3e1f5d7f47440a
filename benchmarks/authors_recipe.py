"""The recipe of DreamPose as its authors released it, as code of ours, for timing alone.

What is known of it (their programs `test.py`, `finetune-unet.py`, `finetune-vae.py` and README, commit 5bf30b7):
frames are made one by one; for every frame the photo, and no photo, go through CLIP and the VAE, and the photo once
more for the start; PNDM with 100 steps calls the UNet 101 times, three rows each; the UNet's weights are float32
under float16 autocast, VAE and CLIP are float16; attention is two matrix products and a softmax between them. A
subject is tuned in float32 with one picture a step: 500 steps of UNet and adapter, every one with two passes of the
VAE's encoder and one of CLIP; then 1500 steps of the decoder on whole frames, every one with a pass of the encoder.

`Released` does the same arithmetic in the same precision; it makes no use of what it computes.
"""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, PNDMScheduler
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn

from dreampose_core.encoding import clip_pixels
from dreampose_core.modeling import LATENT_STRIDE, POSE_CHANNELS
from dreampose_core.pipeline import DreamPosePipeline

STEPS, S1, S2 = 100, 8.0, 3.0  # of the README
UNET_STEPS, DECODER_STEPS = 500, 1500
UNET_RATE, DECODER_RATE = 1e-5, 5e-5


class Released:
    """The released recipe on the parts of a model in float32, which it gives plain attention, and trains."""

    def __init__(self, model: DreamPosePipeline, photo: np.ndarray) -> None:
        self.unet, self.vae, self.adapter, self.clip = model.unet, model.vae, model.adapter, model.image_encoder
        self.unet.set_attn_processor(AttnProcessor())
        self.photo, self.device = photo, next(model.unet.parameters()).device
        self.schedule = model.scheduler.config
        self.scale = self.vae.config.scaling_factor
        height, width = photo.shape[:2]
        self.size = (height // LATENT_STRIDE, width // LATENT_STRIDE)
        self.poses = torch.rand(1, POSE_CHANNELS, height, width) * 2 - 1
        self._optimizers: dict[str, torch.optim.AdamW] = {}

    def for_sampling(self) -> Released:
        """As the sampling program keeps the parts: VAE and CLIP in float16 on a card."""
        if self.device.type == "cuda":
            nn.Module.to(self.vae, torch.float16)
            nn.Module.to(self.clip, torch.float16)
        for part in (self.unet, self.adapter, self.vae, self.clip):
            part.requires_grad_(False)
        return self

    @torch.no_grad()
    def frame(self, steps: int = STEPS) -> Tensor:
        """One frame, (1, 3, H, W) in -1…1."""
        halves = self.device.type == "cuda"
        with torch.autocast("cuda", torch.float16) if halves else nullcontext():
            seen = self._tokens(self.photo)
            unseen = self._tokens(np.zeros((self.photo.shape[1], self.photo.shape[0], 3), np.uint8))
            tokens = torch.cat([unseen, seen, seen])
            pose = F.interpolate(self.poses.to(self.device), self.size)
            poses = torch.cat([torch.zeros_like(pose), pose, torch.zeros_like(pose)])
            scheduler = PNDMScheduler.from_config(self.schedule, skip_prk_steps=True)
            scheduler.set_timesteps(steps, device=self.device)
            start = self._encode(self._pixels(self.photo) / 127.5 - 1)
            latents = scheduler.add_noise(start, torch.randn_like(start), scheduler.timesteps[:1])
            for timestep in scheduler.timesteps:
                rows = torch.cat([torch.cat([latents] * 3), poses], dim=1)
                none, full, photo = self.unet(rows, timestep, tokens, return_dict=False)[0].chunk(3)
                guided = none + S1 * (photo - none) + S2 * (full - photo)
                latents = scheduler.step(guided, timestep, latents, return_dict=False)[0]
            return self.vae.decode(latents.to(self.vae.dtype) / self.scale, return_dict=False)[0]

    def unet_step(self) -> None:
        """One step of the first stage (after train_on("unet")): float32, a batch of one."""
        schedule = DDPMScheduler.from_config(self.schedule)
        with torch.no_grad():
            pixels = self._pixels(self.photo) / 127.5 - 1
            latents, seen = self._encode(pixels), self._encode(pixels)
            clip = self._clip(self.photo)
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, schedule.config.num_train_timesteps, (1,), device=self.device)
        pose = F.interpolate(self.poses.to(self.device), self.size)
        planes = torch.cat([schedule.add_noise(latents, noise, timesteps), pose], dim=1)
        predicted = self.unet(planes, timesteps, self.adapter(clip, seen), return_dict=False)[0]
        trained = [*self.unet.parameters(), *self.adapter.parameters()]
        self._learn("unet", F.mse_loss(predicted, noise), trained, UNET_RATE)

    def decoder_step(self) -> None:
        """One step of the second stage (after train_on("decoder")): float32, one whole frame."""
        pixels = self._pixels(self.photo) / 127.5 - 1
        with torch.no_grad():
            latents = self._encode(pixels)
        made = self.vae.decode(latents / self.scale, return_dict=False)[0].clamp(-1, 1)
        self._learn("decoder", F.mse_loss(made, pixels), list(self.vae.decoder.parameters()), DECODER_RATE)

    def _learn(self, stage: str, loss: Tensor, trained: list[nn.Parameter], rate: float) -> None:
        if stage not in self._optimizers:
            self._optimizers[stage] = torch.optim.AdamW(trained, lr=rate, betas=(0.9, 0.999), weight_decay=1e-2)
        loss.backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        self._optimizers[stage].step()
        self._optimizers[stage].zero_grad()
        loss.item()  # which the released programs log at every step

    def train_on(self, stage: str) -> None:
        """Make one stage's weights take gradients, and those of the others not; "" is none of them."""
        parts = {"unet": (self.unet, self.adapter), "decoder": (self.vae.decoder,), "": ()}
        for part in (self.unet, self.adapter, self.vae, self.clip):
            part.requires_grad_(False)
        for part in parts[stage]:
            part.requires_grad_(True)
        self._optimizers.clear()

    def _pixels(self, photo: np.ndarray) -> Tensor:
        return torch.from_numpy(photo).to(self.device).movedim(-1, 0)[None].float()

    def _encode(self, pixels: Tensor) -> Tensor:
        return self.vae.encode(pixels.to(self.vae.dtype)).latent_dist.sample() * self.scale

    def _clip(self, photo: np.ndarray) -> Tensor:
        pixels = clip_pixels(photo, self.clip.config.image_size, False)[None]
        return self.clip(pixels.to(self.device, self.clip.dtype)).last_hidden_state

    def _tokens(self, photo: np.ndarray) -> Tensor:
        return self.adapter(self._clip(photo), self._encode(self._pixels(photo)))
