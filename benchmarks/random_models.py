"""Models of random weights at three sizes, and what they are fed: for timings and counts that need no trained ones."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from transformers import CLIPVisionConfig, CLIPVisionModel

from dreampose_core.finetune.crops import Look
from dreampose_core.modeling import LATENT_STRIDE, ImageAdapter, unet_channels
from dreampose_core.pipeline import DreamPosePipeline
from pose_tools.sequence import PoseSequence


@dataclass(frozen=True)
class Size:
    """Pictures in pixels; channels of the UNet's and the VAE's levels; heads of attention; CLIP's width, layers,
    picture and patch."""

    height: int
    width: int
    unet: tuple[int, ...]
    vae: tuple[int, ...]
    vae_groups: int
    heads: int
    clip: tuple[int, int, int, int]


SIZES = {
    "full": Size(640, 512, (320, 640, 1280, 1280), (128, 256, 512, 512), 32, 8, (768, 12, 224, 32)),
    "small": Size(160, 128, (32, 64, 128, 128), (16, 32, 64, 64), 8, 4, (64, 4, 64, 16)),
    "tiny": Size(64, 64, (16, 32, 32, 32), (8, 8, 16, 16), 4, 2, (32, 1, 32, 16)),
}


def build_model(size: Size, device: torch.device, precision: torch.dtype) -> DreamPosePipeline:
    """Networks of Stable Diffusion 1.4's kind with random weights."""
    torch.manual_seed(0)
    width, layers, side, patch = size.clip
    attention = ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",)
    with torch.device(device):
        parts = {
            "unet": UNet2DConditionModel(
                in_channels=unet_channels(False),
                out_channels=4,
                block_out_channels=size.unet,
                down_block_types=attention,
                up_block_types=tuple(name.replace("Down", "Up") for name in reversed(attention)),
                cross_attention_dim=width,
                attention_head_dim=size.heads,
                norm_num_groups=size.vae_groups,
            ),
            "vae": AutoencoderKL(
                block_out_channels=size.vae,
                down_block_types=("DownEncoderBlock2D",) * 4,
                up_block_types=("UpDecoderBlock2D",) * 4,
                layers_per_block=2,
                latent_channels=4,
                norm_num_groups=size.vae_groups,
            ),
            "image_encoder": CLIPVisionModel(
                CLIPVisionConfig(
                    hidden_size=width,
                    intermediate_size=4 * width,
                    num_hidden_layers=layers,
                    num_attention_heads=max(1, width // 64),
                    image_size=side,
                    patch_size=patch,
                )
            ),
            "adapter": ImageAdapter(
                (size.height // (2 * LATENT_STRIDE)) * (size.width // (2 * LATENT_STRIDE)),
                width,
                (side // patch) ** 2 + 1,
            ),
        }
    for name, part in parts.items():
        torch.nn.Module.to(part, precision).eval().requires_grad_(False)
        if name in ("unet", "vae"):
            part.to(memory_format=torch.channels_last)
    schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    return DreamPosePipeline(**parts, scheduler=PNDMScheduler(**schedule, skip_prk_steps=True))


def scene(size: Size, frames: int) -> tuple[np.ndarray, PoseSequence, Look]:
    """A photo, poses and a look that are formulas: only their sizes count."""
    rows, columns = np.mgrid[: size.height, : size.width]
    photo = np.stack([np.sin(rows / a + columns / b) for a, b in ((9, 17), (23, 7), (13, 29))], -1)
    photo = ((photo + 1) * 127.5).astype(np.uint8)
    charts = np.zeros((size.height, size.width, 3), np.uint8)
    inside = (abs(columns - size.width / 2) < size.width / 6) & (abs(rows - size.height / 2) < size.height / 2.5)
    iuv = np.stack([np.full_like(rows, 2), rows * 255 // size.height, columns * 255 // size.width], -1)
    charts[inside] = iuv[inside]
    poses = np.stack([np.roll(charts, shift, axis=1) for shift in range(frames)])
    mask = cv2.blur(inside.astype(np.float32), (5, 5))
    return photo, PoseSequence(poses, fps=12), Look(photo, mask, np.stack([charts] * 5), None)
