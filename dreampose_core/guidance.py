"""Guidance by the photo and by the pose, as pure functions on predictions of the UNet.

The paper's rule (DreamPose, arXiv:2304.06025; the authors' program) is

    e = e_none + s1 * (e_photo - e_none) + s2 * (e_full - e_photo)

with three conditions: *none* (neither photo nor pose), *photo* (the photo, no pose) and *full* (both).
Collected by prediction it reads `(1 - s1) * e_none + (s1 - s2) * e_photo + s2 * e_full`; a condition with
weight 0 need not be computed at all. Knows nothing of networks; works for noise and for velocity predictions
alike, since both are linear in the model's output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

NONE, PHOTO, FULL = "none", "photo", "full"


@dataclass(frozen=True)
class Guidance:
    """Strengths of the guidance, and the part of the sampling in which it is on.

    s1: strength of the photo; s2: strength of the pose; 1 and 1 is no guidance. interval: first and last part
    of the sampling, 0 (first step) to 1 (last step), in which the guidance is on; outside of it only the full
    condition is computed (Kynkäänniemi et al. 2024, arXiv:2404.07724, there in noise levels).
    """

    s1: float = 1.0
    s2: float = 1.0
    interval: tuple[float, float] = (0.0, 1.0)

    def weights(self, step: int, steps: int) -> dict[str, float]:
        """The weight of every condition that counts at step 0 ≤ step < steps; they sum to 1."""
        part = step / max(steps - 1, 1)
        if not self.interval[0] <= part <= self.interval[1]:
            return {FULL: 1.0}
        return guidance_weights(self.s1, self.s2)

    @property
    def most_conditions(self) -> int:
        """How many conditions the costliest step computes."""
        return len(guidance_weights(self.s1, self.s2))


def guidance_weights(s1: float, s2: float) -> dict[str, float]:
    """Weights of the conditions by the paper's rule, without those of weight 0."""
    weights = {NONE: 1.0 - s1, PHOTO: s1 - s2, FULL: s2}
    return {condition: weight for condition, weight in weights.items() if weight != 0}


def combine(predictions: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of predictions (B, C, h, w) by condition; exact where a weight is 1."""
    total = None
    for condition, weight in weights.items():
        part = predictions[condition] if weight == 1 else predictions[condition] * weight
        total = part if total is None else total + part
    return total
