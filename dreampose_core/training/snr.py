"""What a diffusion model is trained to predict, and how much each noise level counts. Pure functions."""

from __future__ import annotations

import torch
from diffusers import DDPMScheduler
from torch import Tensor

NOISE, VELOCITY = "epsilon", "v_prediction"


def training_target(scheduler: DDPMScheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """The noise, or the velocity (Salimans and Ho 2022, arXiv:2202.00512), as the scheduler's configuration says."""
    if scheduler.config.prediction_type == NOISE:
        return noise
    return scheduler.get_velocity(latents, noise, timesteps)


def min_snr_weights(scheduler: DDPMScheduler, timesteps: Tensor, gamma: float) -> Tensor:
    """Weights (B,) of squared errors: Hang et al. 2023, arXiv:2303.09556, "Efficient diffusion training via min-SNR".

    min(SNR, gamma) / SNR for noise, min(SNR, gamma) / (SNR + 1) for velocity; both weigh an error of the picture by
    min(SNR, gamma). At a signal-to-noise ratio of 0 they are 1 and 0.
    """
    share = scheduler.alphas_cumprod.to(timesteps.device)[timesteps].float()
    ratio = share / (1 - share)
    if scheduler.config.prediction_type == NOISE:
        return torch.where(ratio > gamma, gamma / ratio, torch.ones_like(ratio))
    return ratio.clamp(max=gamma) / (ratio + 1)
