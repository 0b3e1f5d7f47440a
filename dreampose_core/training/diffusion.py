"""The diffusion model of rendered people: UNet, adapter and vision encoder on pairs of photo and frame.

Latents are made once; a step costs the UNet and the (small) vision encoder only.  Training begins on pictures of
half the size, where a step is four times cheaper, and ends at the final size: the weights are the same.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDIMScheduler
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModel

from dreampose_core.encoding import clip_pixels, fast_math, visibility_plane
from dreampose_core.modeling import LATENT_STRIDE, ImageAdapter, build_unet, chart_planes, tensor_picture
from dreampose_core.pipeline import DreamPosePipeline, drop_conditions
from dreampose_core.training import loop
from dreampose_core.training.prepared import Prepared

TOKEN_WIDTH = 128
UNET_WIDTHS = (64, 128, 192)
DROP = 0.05  # share of rows without the photo, and without the pose (the paper's)
PERSON_WEIGHT = 2.0


@dataclass(frozen=True)
class Cache:
    """What a step needs, N frames of S subjects.

    latents (N, 4, h, w), carried (N, 5, h, w), poses (N, 10, h, w), person (N, 1, h, w) in 0…1; clip (S, 3, 224,
    224) and photos (S, 4, H/8, W/8) of the whole-size photos; subject (N,) the row of a frame's photo among the S.
    """

    latents: Tensor
    carried: Tensor
    poses: Tensor
    person: Tensor
    clip: Tensor
    photos: Tensor
    subject: Tensor


def new_pipeline(vae: AutoencoderKL, height: int, width: int, carried: bool = True) -> DreamPosePipeline:
    """A `mini` model with an untrained UNet, adapter and vision encoder around a trained autoencoder.

    carried: whether the UNet reads carried pictures, which the paper's does not.
    """
    torch.manual_seed(0)
    vision = CLIPVisionConfig(
        hidden_size=TOKEN_WIDTH,
        intermediate_size=4 * TOKEN_WIDTH,
        num_hidden_layers=4,
        num_attention_heads=4,
        image_size=224,
        patch_size=32,
    )
    adapter = ImageAdapter((height // 16) * (width // 16), TOKEN_WIDTH, tokens=50)
    adapter.start_from_clip()
    unet = build_unet(
        UNET_WIDTHS,
        TOKEN_WIDTH,
        carried=carried,
        layers_per_block=1,
        sample_size=(height // LATENT_STRIDE, width // LATENT_STRIDE),
        attention_head_dim=4,
        norm_num_groups=16,
    )
    scheduler = DDIMScheduler(
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
    )
    return DreamPosePipeline(
        vae, unet, CLIPVisionModel(vision), adapter, scheduler, start="noise", raw_photo=False, whole_photo=True
    )


def build_cache(pipeline: DreamPosePipeline, data: Prepared, shrink: int = 1) -> Cache:
    """Encode every frame and carried picture once, at 1/shrink of the size."""
    rows, subject = np.unique(data.photo, return_inverse=True)
    size = tuple(edge // (LATENT_STRIDE * shrink) for edge in data.frames.shape[1:3])
    around = torch.from_numpy(data.around[:, :, ::shrink, ::shrink])
    poses = chart_planes(around.flatten(0, 1).numpy(), size).unflatten(0, (len(data), -1)).flatten(1, 2)
    seen = visibility_plane(_shares(data.visibility, shrink))
    person = visibility_plane(_shares(data.mask, shrink))
    photos = data.frames[rows]
    return Cache(
        latents=_encode(pipeline, data.frames, shrink),
        carried=torch.cat([_encode(pipeline, data.carried, shrink), seen], dim=1),
        poses=poses,
        person=person,
        clip=torch.stack([clip_pixels(photo, 224, whole=True) for photo in photos]),
        photos=_encode(pipeline, photos, 1),
        subject=torch.from_numpy(subject),
    )


def train_diffusion(
    pipeline: DreamPosePipeline, cache: Cache, folder: Path, schedule: loop.Schedule, batch: int
) -> None:
    """Train the pipeline's UNet, adapter and vision encoder in place."""
    scheduler = pipeline.scheduler
    height, width = (LATENT_STRIDE * edge for edge in cache.photos.shape[-2:])
    black = clip_pixels(np.zeros((height, width, 3), np.uint8), cache.clip.shape[-1], whole=True)[None]
    black_latents = pipeline.no_photo(height, width).latents.view_as(cache.photos[:1])
    modules = {"unet": pipeline.unet, "adapter": pipeline.adapter, "image_encoder": pipeline.image_encoder}
    for module in modules.values():
        module.train().requires_grad_(True)

    def loss_of_step(step: int) -> tuple[Tensor, dict[str, float]]:
        torch.manual_seed(step)
        rows = torch.randint(0, len(cache.latents), (batch,))
        who = cache.subject[rows]
        latents = cache.latents[rows]
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (batch,))
        noisy = scheduler.add_noise(latents, noise, timesteps)
        target = scheduler.get_velocity(latents, noise, timesteps)
        with fast_math(latents.device):
            tokens = pipeline.image_encoder(torch.cat([cache.clip[who], black])).last_hidden_state
            context = pipeline.adapter(tokens, torch.cat([cache.photos[who], black_latents]))
            conditions = drop_conditions(
                context[:-1],
                context[-1:],
                cache.poses[rows],
                cache.carried[rows],
                torch.rand(batch) < DROP,
                torch.rand(batch) < DROP,
            )
            made = pipeline.predict(noisy, timesteps, *conditions)
        weight = 1 + PERSON_WEIGHT * cache.person[rows]
        loss = ((made - target) ** 2 * weight).mean() / weight.mean()
        return loss, {}

    loop.run(folder.name, modules, loss_of_step, schedule, folder)
    for module in modules.values():
        module.eval().requires_grad_(False)


@torch.no_grad()
def sample_rows(
    pipeline: DreamPosePipeline, cache: Cache, data: Prepared, rows: np.ndarray, steps: int, batch: int = 8
) -> np.ndarray:
    """What the model makes of frames `rows` of the data, decoded, without guidance: uint8 (M, H, W, 3)."""
    scheduler, made = pipeline.scheduler, []
    for part in np.array_split(rows, max(1, len(rows) // batch)):
        with fast_math(cache.latents.device):
            who = cache.subject[part]
            tokens = pipeline.image_encoder(cache.clip[who]).last_hidden_state
            context = pipeline.adapter(tokens, cache.photos[who])
            latents = torch.randn(cache.latents[part].shape, generator=torch.Generator().manual_seed(int(part[0])))
            scheduler.set_timesteps(steps)
            for timestep in scheduler.timesteps:
                velocity = pipeline.predict(latents, timestep, context, cache.poses[part], cache.carried[part])
                latents = scheduler.step(velocity, timestep, latents).prev_sample
            made.append(tensor_picture(pipeline.decode(latents)))
    return np.concatenate(made)


def _shares(planes: np.ndarray, shrink: int) -> Tensor:
    """uint8 (N, H, W) -> float (N, 1, H/shrink, W/shrink) in 0…1."""
    whole = torch.from_numpy(planes)[:, None].float() / 255
    return F.avg_pool2d(whole, shrink) if shrink > 1 else whole


@torch.no_grad()
def _encode(pipeline: DreamPosePipeline, pictures: np.ndarray, shrink: int) -> Tensor:
    size = (pictures.shape[2] // shrink, pictures.shape[1] // shrink)
    latents = []
    for part in np.array_split(pictures, max(1, len(pictures) // 8)):
        small = np.stack([cv2.resize(p, size, interpolation=cv2.INTER_AREA) if shrink > 1 else p for p in part])
        with fast_math(pipeline.device):
            latents.append(pipeline.encode_pictures(small).float())
    return torch.cat(latents)
