"""The networks of DreamPose, and what turns charts into their inputs.

Knows shapes and channel orders; knows nothing of files, sampling, or people.  The same classes serve every
profile: `mini` and Stable Diffusion size differ in configuration only.

Channel order of the UNet's input: noisy latents (4), poses (10), and, where the configuration says
``carried``, the latents of the carried picture (4) and its visibility (1).
"""

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from torch import Tensor, nn

LATENT_CHANNELS = 4
POSES_AROUND = 5
POSE_CHANNELS = 2 * POSES_AROUND
CARRIED_CHANNELS = LATENT_CHANNELS + 1
LATENT_STRIDE = 8


class ImageAdapter(ModelMixin, ConfigMixin):
    """Mixes CLIP tokens and VAE latents of the photo into the UNet's context tokens (DreamPose, section 4.2).

    Args:
        latent_size: how many cells a latent channel has after pooling by 2 (1280 for 512x640 pictures).
        width: width of a token.
        tokens: how many tokens the CLIP encoder gives, class token included.
    """

    @register_to_config
    def __init__(self, latent_size: int = 1280, width: int = 768, tokens: int = 50):
        super().__init__()
        self.vae2clip = nn.Linear(latent_size, width)
        self.linear1 = nn.Linear(tokens + LATENT_CHANNELS, tokens)

    def start_from_clip(self) -> None:
        """Let the CLIP tokens through unchanged, so that training starts from what they mean already."""
        with torch.no_grad():
            self.linear1.weight.zero_()
            self.linear1.weight[:, : self.config.tokens] = torch.eye(self.config.tokens)
            self.linear1.bias.zero_()

    def forward(self, clip_tokens: Tensor, latents: Tensor) -> Tensor:
        """clip_tokens (B, tokens, width), latents (B, 4, h, w) -> context (B, tokens, width)."""
        from_vae = self.vae2clip(F.max_pool2d(latents, 2).flatten(2))
        both = torch.cat([clip_tokens, from_vae], dim=1)
        return self.linear1(both.transpose(1, 2)).transpose(1, 2)


def unet_channels(carried: bool) -> int:
    """How many channels the first convolution reads."""
    return LATENT_CHANNELS + POSE_CHANNELS + (CARRIED_CHANNELS if carried else 0)


def build_unet(widths: tuple[int, ...], context_width: int, carried: bool, **options) -> UNet2DConditionModel:
    """A UNet with attention to the photo on every level but the first.

    Args:
        widths: channels of the levels, from fine to coarse.
        context_width: width of the adapter's tokens.
        carried: whether carried latents and visibility are read as well.
    """
    coarse = len(widths) - 1
    return UNet2DConditionModel(
        in_channels=unet_channels(carried),
        out_channels=LATENT_CHANNELS,
        block_out_channels=widths,
        down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * coarse,
        up_block_types=("CrossAttnUpBlock2D",) * coarse + ("UpBlock2D",),
        cross_attention_dim=context_width,
        **options,
    )


def build_autoencoder(widths: tuple[int, ...], layers: int = 1, groups: int = 8) -> AutoencoderKL:
    """A KL autoencoder with 4 latent channels; four levels give the stride of 8 that the UNet expects.

    Without attention in the middle, so that what it learns on crops holds for whole pictures.
    """
    return AutoencoderKL(
        block_out_channels=widths,
        layers_per_block=layers,
        norm_num_groups=groups,
        down_block_types=("DownEncoderBlock2D",) * len(widths),
        up_block_types=("UpDecoderBlock2D",) * len(widths),
        latent_channels=LATENT_CHANNELS,
        mid_block_add_attention=False,
    )


class RowNorm(nn.GroupNorm):
    """Group normalisation that gives a row the same values in every batch.

    On a processor with several threads PyTorch cuts the pixels of all rows together into as many shares, so that the
    order of a row's sums, and with it their last bits, depend on the other rows. bfloat16 makes steps of that, and a
    film levels of its colours.
    """

    def forward(self, planes: Tensor) -> Tensor:
        if planes.device.type != "cpu" or len(planes) == 1 or torch.is_grad_enabled():
            return super().forward(planes)
        return torch.cat([super(RowNorm, self).forward(row) for row in planes.split(1)])


def norm_by_rows(part: nn.Module) -> None:
    """Make all group normalisations of a network such ones, in place; its weights and their names stay."""
    for module in part.modules():
        if type(module) is nn.GroupNorm:
            module.__class__ = RowNorm


def picture_tensor(pictures: np.ndarray) -> Tensor:
    """uint8 (..., H, W, 3) -> float32 (..., 3, H, W) in -1…1."""
    tensor = torch.from_numpy(np.ascontiguousarray(pictures)).movedim(-1, -3)
    return tensor.float() / 127.5 - 1.0


def tensor_picture(tensor: Tensor) -> np.ndarray:
    """float (..., 3, H, W) in -1…1 -> uint8 (..., H, W, 3)."""
    levels = (tensor.detach().float().clamp(-1, 1) + 1.0) * 127.5
    return levels.round().to(torch.uint8).movedim(-3, -1).cpu().numpy()


def chart_planes(iuv: np.ndarray, latent_size: tuple[int, int]) -> Tensor:
    """U and V of charts at the latent's size.

    iuv: uint8 (T, H, W, 3) -> float32 (T, 2, h, w) in -1…1 (-1 where nobody is), by nearest neighbour as the
    authors do.
    """
    uv = torch.from_numpy(np.ascontiguousarray(iuv[..., 1:])).movedim(-1, 1).float() / 127.5 - 1.0
    return F.interpolate(uv, size=latent_size, mode="nearest")


def stack_poses(planes: Tensor, frames: list[list[int]]) -> Tensor:
    """Five poses a frame: planes (T, 2, h, w), frames = five indices each -> (len(frames), 10, h, w)."""
    index = torch.tensor(frames, device=planes.device)
    return planes[index].flatten(1, 2)
