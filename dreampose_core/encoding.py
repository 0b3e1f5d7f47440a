"""Pictures as the encoders want them, and how precisely a machine computes.

Small pure functions that the pipeline, the training and the finetune share; knows nothing of networks.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from dreampose_core.modeling import LATENT_STRIDE

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


def fast_math(device: torch.device) -> AbstractContextManager:
    """bfloat16 arithmetic on a processor that multiplies it faster; weights, latents and sums stay float32.

    Cards are left alone: there the parts themselves are cast.
    """
    if device.type == "cpu" and torch.cpu._is_avx512_bf16_supported():
        return torch.autocast("cpu", torch.bfloat16)
    return nullcontext()


def visibility_plane(visibility: Tensor) -> Tensor:
    """(B, 1, H, W) -> (B, 1, H/8, W/8), the mean of every cell."""
    return F.avg_pool2d(visibility, LATENT_STRIDE)


def clip_pixels(photo: np.ndarray, size: int, whole: bool) -> Tensor:
    """What CLIP's own preprocessing makes of uint8 (H, W, 3): float32 (3, size, size), normalised.

    Short side to `size` by Pillow's bicubic, then the middle square; with `whole` both sides to `size`.
    """
    height, width = photo.shape[:2]
    short = min(height, width)
    target = (size, size) if whole else (size * width // short, size * height // short)
    image = Image.fromarray(photo).resize(target, Image.Resampling.BICUBIC)
    left, top = (target[0] - size) // 2, (target[1] - size) // 2
    square = np.asarray(image.crop((left, top, left + size, top + size)), np.float32) / 255
    normal = (square - np.float32(CLIP_MEAN)) / np.float32(CLIP_STD)
    return torch.from_numpy(normal).permute(2, 0, 1)


def byte_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 (B, H, W, 3) -> float32 (B, 3, H, W), still 0…255."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, 1).float()
