"""How much memory and time a finetune takes, said before any of it is spent.

Weights, gradients and the optimizer's averages are counted as they are. What a step keeps for its backward pass is
counted in planes: a residual block keeps some of its input and output, a transformer block some of its width, each as
large as the cells of its level. How many planes (KEPT) was measured by adding up what lives at the same time in a
step on the networks of Stable Diffusion's size (`python -m benchmarks.memory`), and the tests measure it on
others. What does not fit is refused with one sentence that names settings which do. What sampling needs is in `memory`.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from torch import nn

from dreampose_core import memory
from dreampose_core.finetune.subject_cache import ENCODE_BATCH
from dreampose_core.finetune.trainable import frozen_type, training_type
from dreampose_core.finetune.tuning import DECODER, LORA_LAYERS, FinetuneSettings, has_eight_bit
from dreampose_core.modeling import LATENT_STRIDE
from dreampose_core.pipeline import DreamPosePipeline
from pose_tools.errors import BadInput


@dataclass(frozen=True)
class Planes:
    """Numbers that a step keeps for its backward pass, and most of what it needs at once.

    block: for each cell and each channel that a residual block reads or gives; transformer: for each cell and
    channel of a transformer block.
    """

    block: float
    transformer: float


KEPT = {  # by (low-rank factors, gradient checkpointing)
    (False, False): Planes(3.8, 31.0),
    (True, False): Planes(3.8, 31.0),
    (False, True): Planes(1.95, 5.5),
    (True, True): Planes(1.95, 5.5),
}
SPARE = 1.15  # an allocator keeps more than is asked of it, and convolutions put something aside
ADAM_BYTES, EIGHT_BIT_BYTES = 8.0, 2.1  # of both averages for every trained weight (8 bits: with their scales)
USED = 0.3  # of a device's rate of matrix products that training reaches; a guess for the first time
GB = 1e9
SMALLEST = {"lora_rank": 16, "gradient_checkpointing": True, "batch": 1, "decoder_batch": 1}
REMEDIES = (  # what may be changed so that a finetune fits, the least loss first
    ("gradient checkpointing", {"gradient_checkpointing": True}),
    ("gradient checkpointing and 8-bit Adam", {"gradient_checkpointing": True, "eight_bit": True}),
    ("LoRA", {"lora_rank": 16}),
    ("LoRA and gradient checkpointing", {"lora_rank": 16, "gradient_checkpointing": True}),
    ('LoRA, gradient checkpointing and one picture a step (the tuning "small")', SMALLEST),
)


@dataclass(frozen=True)
class Need:
    """Most bytes at one time, beside the model where that is on the device, and arithmetic operations of one step.

    encoding: while the training pictures are encoded; finetune, decoder: of the two stages, with weights,
    gradients, averages, what a step keeps, and the live sample.
    """

    encoding: int
    finetune: int
    decoder: int
    finetune_flops: float
    decoder_flops: float

    @property
    def bytes(self) -> int:
        return max(self.encoding, self.finetune, self.decoder)


def room_for_finetune(
    pipeline: DreamPosePipeline, settings: FinetuneSettings, height: int, width: int, seconds: float | None = None
) -> str:
    """One line about the memory and the time that a finetune takes.

    height, width: of the photo in pixels; seconds: as earlier finetunes took, None estimates from the arithmetic.
    BadInput with settings that would fit where these do not, or where 8-bit Adam is wanted and missing.
    """
    if settings.eight_bit and not has_eight_bit():
        raise BadInput("8-bit Adam needs the package bitsandbytes: pip install bitsandbytes.")
    device = pipeline._execution_device
    need, free = finetune_need(pipeline, settings, height, width), max(0, memory.free_on(device))
    if need.bytes > free:
        raise BadInput(_refusal(pipeline, settings, height, width, need.bytes, free))
    if seconds is None:
        flops = settings.steps * need.finetune_flops + settings.decoder_steps * need.decoder_flops
        seconds = flops / (USED * matrix_rate(str(device)))
    return f"The finetune takes about {_time(seconds)}, in {need.bytes / GB:.1f} of {free / GB:.1f} GB of free memory"


def finetune_need(
    pipeline: DreamPosePipeline, settings: FinetuneSettings, height: int, width: int, offloaded: bool | None = None
) -> Need:
    """What a finetune on photos of height x width pixels needs on the pipeline's device.

    offloaded: whether the model waits in the machine's memory meanwhile; None takes the pipeline's own way. Then
    what is at work is counted in full: encoders, the trained parts with all that is frozen in them, and for the live
    sample the one part that is not trained.
    """
    device = pipeline._execution_device
    offloaded = pipeline._card is not None if offloaded is None else offloaded
    unet, vae, low_rank = pipeline.unet, pipeline.vae, settings.lora_rank is not None
    size = (height // LATENT_STRIDE, width // LATENT_STRIDE)
    window = tuple(min(settings.window, side) for side in size)
    kind, frozen = training_type(device), frozen_type(device)
    sample = memory.need(unet, vae, height, width, conditions=1)
    averages = EIGHT_BIT_BYTES if settings.eight_bit else ADAM_BYTES

    trained = _trained_weights(unet, settings.lora_rank) + _count(pipeline.adapter)
    one = 4 * trained
    if low_rank and (offloaded or next(unet.parameters()).dtype != frozen):
        one += _count(unet) * frozen.itemsize
    kept = settings.batch * bytes_kept(unet, size, low_rank, settings.gradient_checkpointing, kind)
    beside = memory.bytes_of(vae) if offloaded else 0  # it makes the live sample's picture while the UNet stays
    finetune = one + averages * trained + max(_step(trained, kept, kind), sample.frame, beside + sample.picture)

    decoder_weights = sum(tensor.numel() for name, tensor in vae.named_parameters() if name.startswith(DECODER))
    kept = settings.decoder_batch * bytes_kept(vae.decoder, window, False, settings.gradient_checkpointing, kind)
    two = (4 + averages) * decoder_weights
    if offloaded:  # the tuned UNet waits too, and comes for the live sample
        two += (_count(vae) - decoder_weights) * frozen.itemsize
        beside = one - 4 * _count(pipeline.adapter)
    else:
        two, beside = two + one, 0
    decoder = two + max(_step(decoder_weights, kept, kind), beside + sample.frame, sample.picture)

    encoding = ENCODE_BATCH * sample.picture
    if offloaded:
        encoding = max(encoding + memory.bytes_of(vae), memory.bytes_of(pipeline.image_encoder))
    passes = 1 + (1 if low_rank else 2) + settings.gradient_checkpointing
    tokens = pipeline.adapter.config.tokens
    flops = settings.batch * passes * _flops(unet, size, tokens)
    decoder_flops = settings.decoder_batch * (3 + settings.gradient_checkpointing) * _flops(vae.decoder, window, tokens)
    spare = memory.APART if device.type == "cuda" else 0
    most = [encoding, finetune * bool(settings.steps), decoder * bool(settings.decoder_steps)]
    return Need(*(int(each * SPARE) + spare for each in most), flops, decoder_flops)


def matrix_rate(device: str) -> float:
    """Operations a second of a large matrix product, in the type that training computes in; measured once."""
    where = torch.device(device)
    size = 8192 if where.type == "cuda" else 512
    left, right = (torch.randn(size, size, device=where).to(training_type(where)) for _ in range(2))
    best = min(seconds_of(lambda: left @ right, where) for _ in range(6))
    return 2 * size**3 / best


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of the wall clock, until the device has finished."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - started


def _step(trained: int, kept: float, kind: torch.dtype) -> float:
    """Most bytes of a step beside weights and averages: at the end of the forward pass all that was kept and the
    weights in half precision; in the backward pass gradients grow while what was kept shrinks."""
    halves = trained * kind.itemsize if kind != torch.float32 else 0
    return max(halves + kept, halves + 4 * trained + kept / 2)


def bytes_kept(network: nn.Module, size: tuple[int, int], low_rank: bool, again: bool, kind: torch.dtype) -> float:
    """Bytes that one row of a batch keeps for the backward pass; size: cells of the latents."""
    planes, numbers = KEPT[low_rank, again], 0.0
    for cells, block in _blocks(network, size):
        if isinstance(block, ResnetBlock2D):
            numbers += planes.block * cells * (block.in_channels + block.out_channels)
        else:
            numbers += planes.transformer * cells * block.norm1.normalized_shape[0]
    return numbers * kind.itemsize


def _flops(network: nn.Module, size: tuple[int, int], tokens: int) -> float:
    """Operations of one row's forward pass, two for a multiplication and its sum; blocks only, which are nearly all."""
    total = 0.0
    for cells, block in _blocks(network, size):
        total += 2 * cells * _count(block)
        if isinstance(block, BasicTransformerBlock):
            total += 4 * block.norm1.normalized_shape[0] * cells * (cells + tokens)
    return total


def _blocks(network: nn.Module, size: tuple[int, int]) -> Iterator[tuple[int, nn.Module]]:
    """Residual and transformer blocks of a UNet or of a decoder with the cells of their level."""
    levels = len(network.up_blocks)
    decoder = not hasattr(network, "down_blocks")
    for name, block in network.named_modules():
        if not isinstance(block, (ResnetBlock2D, BasicTransformerBlock)):
            continue
        where = re.match(r"(down|up)_blocks\.(\d+)\.", name)
        index = int(where[2]) if where else 0
        if decoder:  # from the latents' cells to the picture's pixels
            cells = size[0] * size[1] * 4 ** index
        else:
            down = index if where and where[1] == "down" else levels - 1 - index
            cells = -(-size[0] // 2**down) * -(-size[1] // 2**down)
        yield cells, block


def _trained_weights(unet: nn.Module, rank: int | None) -> int:
    if rank is None:
        return _count(unet)
    factors = sum(
        rank * (layer.in_features + layer.out_features)
        for name, layer in unet.named_modules()
        if isinstance(layer, nn.Linear) and name.endswith(tuple(f".{end}" for end in LORA_LAYERS))
    )
    return factors + _count(unet.conv_in)


def _count(module: nn.Module) -> int:
    return sum(tensor.numel() for tensor in module.parameters())


def _refusal(
    pipeline: DreamPosePipeline, settings: FinetuneSettings, height: int, width: int, needed: int, free: int
) -> str:
    wanted, here = math.ceil(10 * needed / GB) / 10, math.floor(10 * free / GB) / 10  # never the same number
    begin = f"The finetune needs about {wanted:.1f} GB of memory and {here:.1f} GB are free"
    least, device = needed, pipeline._execution_device
    for words, changes in REMEDIES:
        changed = replace(settings, **changes)
        if changed == settings or (changed.eight_bit and not has_eight_bit()):
            continue
        would = finetune_need(pipeline, changed, height, width).bytes
        if would <= free:
            return f"{begin}; with {words} it would need {would / GB:.1f} GB."
        least = min(least, would)
    if device.type == "cuda" and pipeline._card is None:
        would = finetune_need(pipeline, replace(settings, **SMALLEST), height, width, offloaded=True).bytes
        parts = [part for part in pipeline.components.values() if isinstance(part, nn.Module)]
        if would <= free + sum(memory.bytes_of(part) for part in parts):
            return f'{begin}; with --offload and the tuning "small" it would need {would / GB:.1f} GB in all.'
    return f"{begin}; even its smallest settings would need {least / GB:.1f} GB, so please close other programs."


def _time(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 90 else f"{max(1, round(seconds))} s"
