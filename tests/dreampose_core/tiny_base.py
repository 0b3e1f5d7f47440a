"""A base like Stable Diffusion 1.4 and CLIP at a tiny size, and files as the authors wrote theirs."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, PNDMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPModel

from dreampose_core.modeling import ImageAdapter, unet_channels
from dreampose_core.profiles import Profile
from dreampose_core.weights.authors import OLD_ATTENTION

HEIGHT, WIDTH = 64, 48
TOKENS, TOKEN_WIDTH, CELLS = 17, 16, 12
UNET = {
    "sample_size": 8,
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "attention_head_dim": 2,
    "block_out_channels": (8, 16),
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
    "cross_attention_dim": TOKEN_WIDTH,
}
VAE = {
    "block_out_channels": (8, 8, 8, 8),
    "layers_per_block": 1,
    "norm_num_groups": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
}


def save_base(folder: Path) -> tuple[Path, Path]:
    """Folders as they lie on the Hub: the diffusion model (the VAE under its old names), and CLIP whole."""
    torch.manual_seed(0)
    diffusion, vision = folder / "diffusion", folder / "clip"
    UNet2DConditionModel(**UNET).save_pretrained(diffusion / "unet")
    AutoencoderKL(**VAE).save_pretrained(diffusion / "vae")
    weights = diffusion / "vae" / "diffusion_pytorch_model.safetensors"
    save_file({old_name(name): value for name, value in load_file(weights).items()}, weights, {"format": "pt"})
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    rest = {"skip_prk_steps": True, "steps_offset": 1, "set_alpha_to_one": False}
    PNDMScheduler(**betas, **rest).save_pretrained(diffusion / "scheduler")
    small = {"hidden_size": TOKEN_WIDTH, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = small | {"vocab_size": 64, "max_position_embeddings": 8}
    config = CLIPConfig(text_config=text, vision_config=small | {"image_size": 32, "patch_size": 8}, projection_dim=8)
    CLIPModel(config).save_pretrained(vision)
    return diffusion, vision


def save_authors(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """unet_epoch_1.pth, adapter_1.pth, vae_1.pth with other weights than the base's; returns them by file.

    Keys with `module.`, the VAE's attention under its old names and as 1x1 convolutions.
    """
    torch.manual_seed(1)
    networks = {
        "unet_epoch_1.pth": UNet2DConditionModel(**UNET | {"in_channels": unet_channels(False)}),
        "adapter_1.pth": ImageAdapter(CELLS, TOKEN_WIDTH, TOKENS),
        "vae_1.pth": AutoencoderKL(**VAE),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, network in networks.items():
        state = {"module." + old_name(key): old_shape(key, value) for key, value in network.state_dict().items()}
        torch.save(state, folder / name)
    return {name: network.state_dict() for name, network in networks.items()}


def old_name(name: str) -> str:
    """As diffusers wrote it in 2023."""
    if "mid_block.attentions" in name and name.startswith(("encoder.", "decoder.")):
        for old, new in OLD_ATTENTION.items():
            name = name.replace(f".{new}.", f".{old}.")
    return name


def old_shape(name: str, value: torch.Tensor) -> torch.Tensor:
    linear = "mid_block.attentions" in name and ".to_" in name and value.ndim == 2
    return value[:, :, None, None] if linear else value


def small_profile(folder: Path) -> Profile:
    """The paper's profile, for pictures of 48x64 pixels."""
    from dataclasses import replace

    from dreampose_core.profiles import PROFILES, SD1

    return replace(PROFILES[SD1], folder=folder, height=HEIGHT, width=WIDTH)
