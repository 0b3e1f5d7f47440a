"""The paper's networks at their whole size: Stable Diffusion 1.x and CLIP ViT-B/32, by their configurations."""

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPVisionConfig, CLIPVisionModel

HEIGHT, WIDTH = 640, 512
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "latent_channels": 4,
}


def whole_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(sample_size=64, in_channels=14, cross_attention_dim=768, attention_head_dim=8)


def whole_vae() -> AutoencoderKL:
    return AutoencoderKL(**VAE)


def whole_clip() -> CLIPVisionModel:
    return CLIPVisionModel(CLIPVisionConfig(hidden_size=768, intermediate_size=3072, patch_size=32, image_size=224))
