"""Copies of networks that are ready to be trained, beside the given ones, which stay as they are.

What is trained is copied in float32. What stays frozen is shared with the given network where its type is
already the one that training computes in. Knows nothing of losses, steps or data.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn

from dreampose_core.encoding import fast_math
from dreampose_core.finetune.tuning import DECODER, LORA_LAYERS, FinetuneSettings


def training_math(device: torch.device) -> AbstractContextManager:
    """bfloat16 arithmetic where the device has it; trained weights, losses and sums stay float32."""
    kind = training_type(device)
    return nullcontext() if kind == torch.float32 else torch.autocast(device.type, kind)


def training_type(device: torch.device) -> torch.dtype:
    """What large products are computed in: bfloat16 where the device is faster with it, as `fast_math` decides on a
    CPU."""
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(False) else torch.float32
    return torch.float32 if isinstance(fast_math(device), nullcontext) else torch.bfloat16


def frozen_type(device: torch.device) -> torch.dtype:
    """What frozen weights are kept in: float32, but on cards that compute in half of it anyway."""
    return training_type(device) if device.type == "cuda" else torch.float32


def unet_to_train(
    unet: UNet2DConditionModel, settings: FinetuneSettings, device: torch.device, frozen: torch.dtype
) -> UNet2DConditionModel:
    """A copy of the UNet for the first stage: all of it trained, or low-rank factors and the first convolution."""
    whole = settings.lora_rank is None
    made = copy_to_train(unet, lambda name: whole or name.startswith("conv_in."), device, frozen)
    if not whole:
        _add_factors(made, settings.lora_rank, settings.seed)
    if settings.gradient_checkpointing:
        made.enable_gradient_checkpointing()
    return made


def vae_to_train(
    vae: AutoencoderKL, settings: FinetuneSettings, device: torch.device, frozen: torch.dtype
) -> AutoencoderKL:
    """A copy of the VAE for the second stage, its decoder trained."""
    made = copy_to_train(vae, lambda name: name.startswith(DECODER), device, frozen)
    if settings.gradient_checkpointing:
        made.enable_gradient_checkpointing()
    return made


def copy_to_train(
    module: nn.Module, trained: Callable[[str], bool], device: torch.device, frozen: torch.dtype
) -> nn.Module:
    """A copy on the device; the parameters whose names are `trained` are its own, in float32, and take gradients.

    frozen: type of all others.
    """
    mine = {id(tensor) for name, tensor in module.named_parameters() if trained(name)}
    values = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}  # not copied twice
    made = copy.deepcopy(module, values)
    for part in made.modules():
        for name, tensor in list(part.named_parameters(recurse=False)):
            own = id(tensor) in mine
            value = tensor.detach().to(device, torch.float32 if own else frozen, copy=own)
            setattr(part, name, nn.Parameter(value, requires_grad=own))
        for name, tensor in list(part.named_buffers(recurse=False)):
            setattr(part, name, tensor.to(device, copy=True))
    return made


def _add_factors(unet: UNet2DConditionModel, rank: int, seed: int) -> None:
    """Low-rank factors on the attention's projections (arXiv:2106.09685), in float32; the seed decides their start."""
    from peft import LoraConfig

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=LORA_LAYERS))
    for part in unet.modules():
        for name, tensor in list(part.named_parameters(recurse=False)):
            if tensor.requires_grad:
                setattr(part, name, nn.Parameter(tensor.detach().float()))
    unet.conv_in.requires_grad_(True)  # which peft has frozen
