"""Pulls the sampling towards pictures that are known in part.

At every step the clean latents that the model predicts are moved towards the known ones, cell by cell, by a weight
from 0 to 1; the sampler then goes on from there as if the model had said so. With weight 1 it is what inpainting by a
model without a mask does (Song et al. 2020, arXiv:2011.13456, appendix I), in the predicted picture and not in the
noisy one. It changes the model's output only, and so works with every sampler.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.schedulers.scheduling_utils import SchedulerMixin
from torch import Tensor

from dreampose_core.encoding import visibility_plane

if TYPE_CHECKING:  # a carried picture is read here, nothing is needed that makes one
    from dreampose_core.carry import Carried


@dataclass(frozen=True)
class Pull:
    """known: latents (B, 4, h, w); weight: (B, 1, h, w) in 0…1."""

    known: Tensor
    weight: Tensor

    def apply(self, output: Tensor, noisy: Tensor, timestep: Tensor, scheduler: SchedulerMixin) -> Tensor:
        """The model's output (B, 4, h, w) as it would be, had it predicted what the known latents say.

        noisy: what the model has seen. The output is noise, velocity or the picture, as the scheduler's
        `prediction_type` says.
        """
        alpha = scheduler.alphas_cumprod.to(noisy.device)[timestep.long()].sqrt()
        sigma = (1 - alpha**2).sqrt()
        kind = scheduler.config.prediction_type
        if kind == "sample":
            return output + self.weight * (self.known - output)
        if kind == "v_prediction":
            clean = alpha * noisy - sigma * output
            return output - self.weight * (self.known - clean) / sigma
        clean = (noisy - sigma * output) / alpha
        return output - self.weight * (self.known - clean) * alpha / sigma


def known_cells(carried: Sequence[Carried]) -> Tensor:
    """How far a latent's cells are known: (B, 1, h, w) in 0…1.

    On the person what the photo saw of it; 1 on the background a cell away from the person.
    """
    seen, alpha = (
        visibility_plane(torch.from_numpy(np.stack([getattr(one, name) for one in carried]))[:, None].float())
        for name in ("visibility", "alpha")
    )
    return torch.maximum(seen, 1 - F.max_pool2d(alpha, 3, stride=1, padding=1))
