"""Real classes at a tiny size with random weights: a pipeline for pictures of 48x64 pixels, and its food."""

from dataclasses import replace

import cv2
import numpy as np
import torch
from diffusers import DDIMScheduler, PNDMScheduler
from transformers import CLIPVisionConfig, CLIPVisionModel

from dreampose_core.carry import Carried
from dreampose_core.finetune.crops import Look
from dreampose_core.modeling import ImageAdapter, build_autoencoder, build_unet
from dreampose_core.pipeline import DreamPosePipeline
from dreampose_core.refiner import Refiner
from pose_tools.sequence import PoseSequence

HEIGHT, WIDTH = 64, 48
CELLS = (HEIGHT // 16) * (WIDTH // 16)
TOKENS, TOKEN_WIDTH = 17, 16


def tiny_pipeline(
    carried: bool = True, refiner: bool = True, velocity: bool = True, **flags
) -> DreamPosePipeline:
    """flags: as the pipeline's own."""
    torch.manual_seed(0)
    vision = CLIPVisionConfig(
        hidden_size=TOKEN_WIDTH,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
    )
    mender = Refiner((8, 8, 8))
    torch.nn.init.normal_(mender.tail.weight, std=0.05)
    pipeline = DreamPosePipeline(
        vae=build_autoencoder((8, 8, 8, 8), groups=4),
        unet=build_unet(
            (8, 16), TOKEN_WIDTH, carried, layers_per_block=1, norm_num_groups=4, attention_head_dim=2
        ),
        image_encoder=CLIPVisionModel(vision),
        adapter=ImageAdapter(CELLS, TOKEN_WIDTH, TOKENS),
        scheduler=scheduler(velocity),
        refiner=mender if refiner else None,
        **flags,
    )
    for part in (pipeline.vae, pipeline.unet, pipeline.image_encoder, pipeline.adapter, mender):
        part.eval()
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def scheduler(velocity: bool):
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    if velocity:
        return DDIMScheduler(
            **betas,
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            clip_sample=False,
        )
    return PNDMScheduler(**betas, skip_prk_steps=True, steps_offset=1, set_alpha_to_one=False)


def tiny_photo(seed: int = 0) -> np.ndarray:
    """A smooth picture with a bright figure in its middle, uint8 (HEIGHT, WIDTH, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    photo = 90 + 40 * np.sin(
        x[..., None] * rng.uniform(0.05, 0.2, 3) + y[..., None] * rng.uniform(0.05, 0.2, 3)
    )
    photo[10:58, 16:32] += rng.uniform(20, 90, 3)
    return photo.clip(0, 255).astype(np.uint8)


def tiny_charts(shift: int = 0) -> np.ndarray:
    """A figure of one part with even charts, uint8 (HEIGHT, WIDTH, 3)."""
    charts = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    columns = slice(16 + shift, 32 + shift)
    charts[10:58, columns, 0] = 2
    charts[10:58, columns, 1] = np.linspace(0, 255, 48).astype(np.uint8)[:, None]
    charts[10:58, columns, 2] = np.linspace(0, 255, 16).astype(np.uint8)
    return charts


def tiny_poses(frames: int = 5) -> PoseSequence:
    return PoseSequence(np.stack([tiny_charts(i % 8) for i in range(frames)]), fps=12)


def tiny_carried(frames: int = 5) -> list[Carried]:
    """Carried pictures that go with `tiny_poses`."""
    made = []
    for i in range(frames):
        iuv = tiny_charts(i % 8)
        alpha = (iuv[..., 0] > 0).astype(np.float32)
        picture = np.roll(tiny_photo(), i % 8, axis=1)
        made.append(Carried(picture=picture, alpha=alpha, visibility=alpha * 0.8, iuv=iuv))
    return made


def tiny_looks() -> list[Look]:
    """Two looks of the tiny photo, the second one caught in a movement."""
    charts = tiny_charts()
    mask = (charts[..., 0] > 0).astype(np.float32)
    carried = Carried(tiny_photo(), mask, mask, charts)
    moving = np.stack([tiny_charts(shift) for shift in (-2, -1, 0, 1, 2)])
    blurred = replace(carried, picture=cv2.blur(tiny_photo(), (5, 5)), visibility=mask * 0.6)
    return [
        Look(tiny_photo(), mask, np.stack([charts] * 5), carried),
        Look(tiny_photo(), mask, moving, blurred),
    ]
