"""What may be chosen about a subject's finetune, and the named choices between speed, memory and freedom.

Knows networks by the names of their layers alone.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, replace

from pose_tools.errors import BadInput

LORA_LAYERS = ["to_q", "to_k", "to_v", "to_out.0"]  # ends of the names of the attention's projections
DECODER = ("decoder.", "post_quant_conv.")  # beginnings of the names that the second stage trains


@dataclass(frozen=True)
class FinetuneSettings:
    """What may be chosen about a finetune.

    steps, decoder_steps: of the two stages, 0 leaves one out. learning_rate, decoder_rate: AdamW's, at their
    height. batch, decoder_batch: pictures a step. crops, held_out: training pictures of every photo, and those
    that score. looks: sets of charts and carried pictures they are made from, for every photo. drop: share of
    rows without the photo, and of rows without the pose (the paper's 5 %). hide: share of rows with parts of the
    carried picture hidden. window: side of the decoder's crops, in cells of the latents (8 pixels).
    evaluate_every: steps between scores; patience: scores without a better one that end a stage.
    checkpoint_every, preview_every: steps between states on disk, and between live samples. lora_rank: None
    tunes every weight of the UNet; a number only factors of that rank on its attention (Hu et al. 2021,
    arXiv:2106.09685), with the first convolution in full. gradient_checkpointing: compute again in the backward
    pass what would fill the memory. eight_bit: AdamW with averages of 8 bits (Dettmers et al. 2021,
    arXiv:2110.02861; needs bitsandbytes).
    """

    steps: int = 40
    decoder_steps: int = 20
    learning_rate: float = 1e-4
    decoder_rate: float = 1e-4
    batch: int = 4
    decoder_batch: int = 4
    crops: int = 16
    held_out: int = 4
    looks: int = 4
    drop: float = 0.05
    hide: float = 0.7
    window: int = 16
    evaluate_every: int = 10
    patience: int = 3
    checkpoint_every: int = 10
    preview_every: int = 20
    preview_steps: int = 3
    lora_rank: int | None = None
    gradient_checkpointing: bool = False
    eight_bit: bool = False
    seed: int = 0


# At the paper's size: crops of 256x256 pixels for the decoder, the authors' rate for it, and pauses for scores and
# states that do not cost more than the steps between them.
_LARGE = FinetuneSettings(
    decoder_rate=5e-5,
    batch=2,
    crops=24,
    window=32,
    evaluate_every=25,
    checkpoint_every=50,
    preview_every=25,
    preview_steps=8,
    lora_rank=16,
)
TUNINGS = {
    "lora": _LARGE,
    "small": replace(_LARGE, gradient_checkpointing=True, batch=1, decoder_batch=1),
    "full": replace(_LARGE, lora_rank=None, learning_rate=1e-5, checkpoint_every=250),
}
DEFAULT_TUNINGS = {"dreampose-sd1": "lora"}  # by profile; any other one takes the settings as they stand above


def tuning_of(profile: str, name: str | None = None) -> FinetuneSettings:
    """The settings of a named tuning, or a profile's own. BadInput where there is none of that name."""
    name = name or DEFAULT_TUNINGS.get(profile)
    if name is None:
        return FinetuneSettings()
    if name not in TUNINGS:
        raise BadInput(f"There is no tuning {name!r}; there are: {', '.join(TUNINGS)}.")
    return TUNINGS[name]


def has_eight_bit() -> bool:
    """Whether the package of 8-bit Adam is installed."""
    return importlib.util.find_spec("bitsandbytes") is not None
