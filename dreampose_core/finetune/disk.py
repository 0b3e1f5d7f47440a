"""How much a subject's finetune may write, known from its settings and the model's headers before it starts."""

from __future__ import annotations

import math
from pathlib import Path

from dreampose_core.finetune.tuning import DECODER, LORA_LAYERS, FinetuneSettings
from dreampose_core.modeling import CARRIED_CHANNELS, LATENT_CHANNELS, LATENT_STRIDE, POSE_CHANNELS
from dreampose_core.weights.headers import count_weights, whole

STATE = 4 * 4  # bytes for each trained weight in a stage's state: as it is, at its best, and two averages of Adam
KEPT = 2  # bytes for each in the tuned subject, which has half precision

PLANES = LATENT_CHANNELS + POSE_CHANNELS + CARRIED_CHANNELS + 1  # of a training picture in float32, see shapes_of
PICTURE = 3 + 4 * PLANES / LATENT_STRIDE**2  # bytes for each pixel of a training picture


def written_by_finetune(folder: Path, settings: FinetuneSettings, pixels: int = 0, photos: int = 1) -> int:
    """Most bytes that a finetune of the model in `folder` has on the disk at one time: the states of both stages, one
    of them twice while it is replaced, the result, and the training pictures, each of so many pixels."""
    rank = settings.lora_rank

    def of_unet(name: str, shape: tuple[int, ...]) -> int:
        if rank is None or name.startswith("conv_in."):
            return whole(name, shape)
        projection = name.endswith(tuple(f".{layer}.weight" for layer in LORA_LAYERS)) and len(shape) == 2
        return rank * sum(shape) if projection else 0

    def of_decoder(name: str, shape: tuple[int, ...]) -> int:
        return whole(name, shape) if name.startswith(DECODER) else 0

    one = count_weights(folder / "unet", of_unet) + count_weights(folder / "adapter") if settings.steps else 0
    two = count_weights(folder / "vae", of_decoder) if settings.decoder_steps else 0
    pictures = math.ceil(photos * (settings.crops + settings.held_out) * pixels * PICTURE)
    return (STATE + KEPT) * (one + two) + STATE * max(one, two) + pictures
