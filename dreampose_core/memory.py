"""How much memory sampling needs, said before it starts; and how many frames fit at once.

What a network keeps alive at its worst moment is proportional to its widest plane; UNET_PLANES, DECODER_PLANES
and ENCODER_PLANES count how many such planes that are, without the matrices of attention, which the kernels in use
never lay out whole. The tests measure the same on the networks of Stable Diffusion's size. Knows nothing of frames
or poses.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from dreampose_core.limits import free_memory
from dreampose_core.weights.headers import count_weights
from pose_tools.errors import BadInput

UNET_PLANES = 27  # of h x w x the first level's channels, for each row of a batch
DECODER_PLANES = 6  # of H x W x the first level's channels, for each picture
ENCODER_PLANES = 5
SPARE = 1.5  # what convolutions put aside for themselves, copies in another order, gaps
APART = 400 * 2**20  # what the libraries of a card take at once
CPU_BATCH = 4  # on a processor more at once is not faster
MOST = 16  # frames at once; a card is busy with fewer


@dataclass(frozen=True)
class Need:
    """Bytes.

    weights: of the parts that are at work together; frame: for each frame in the UNet; picture: for each picture in
    the decoder.
    """

    weights: int
    frame: int
    picture: int

    def fits(self, free: int) -> int:
        """How many frames fit into `free` bytes beside what is loaded already; 0 where not one does."""
        room = free - APART
        if room < self.picture:
            return 0
        return max(0, min(MOST, room // self.frame))


def need(unet: nn.Module, vae: nn.Module, height: int, width: int, conditions: int) -> Need:
    """What frames of height x width pixels need with these networks; conditions: rows of the UNet for each frame."""
    channels = unet.config.block_out_channels[0], vae.config.block_out_channels[0]
    frame, picture = _at_work(channels, (height, width), conditions, (_size(unet), _size(vae)))
    return Need(sum(bytes_of(part) for part in (unet, vae)), frame, picture)


def _at_work(
    channels: tuple[int, int], size: tuple[int, int], conditions: int, bytes_each: tuple[int, int]
) -> tuple[int, int]:
    """Bytes that a frame needs in the UNet and a picture in the decoder; channels: of their first levels."""
    height, width = size
    frame = UNET_PLANES * (height // 8) * (width // 8) * channels[0] * bytes_each[0] * conditions
    picture = DECODER_PLANES * height * width * channels[1] * bytes_each[1]
    return int(frame * SPARE), int(picture * SPARE)


def free_on(device: torch.device) -> int:
    """Bytes that this process can still take on a device, also where it was given a part of a card only."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        taken = torch.cuda.memory_allocated(device)
        allowed = int(torch.cuda.get_per_process_memory_fraction(device) * total)
        return min(free + torch.cuda.memory_reserved(device) - taken, allowed - taken)
    return free_memory()


def frames_at_once(needed: Need, device: torch.device, offloaded: bool = False) -> int:
    """How many frames to render together. BadInput where not one fits; on a processor a fixed number."""
    if device.type != "cuda":
        return CPU_BATCH
    free = free_on(device) - (needed.weights if offloaded else 0)
    most = needed.fits(free)
    if most == 0:
        least = max(needed.frame, needed.picture) + APART
        other = "choose the profile mini" if offloaded else "use --offload, or choose the profile mini"
        raise BadInput(
            f"A frame takes {least / 1e9:.1f} GB of the card's memory beside the model and {max(free, 0) / 1e9:.1f} GB "
            f"are free; close other programs, {other}."
        )
    return most


def pictures_at_once(needed: Need, device: torch.device) -> int:
    """How many pictures to decode together; the network that made the latents may still be there."""
    return max(1, min(MOST, (free_on(device) - APART) // needed.picture)) if device.type == "cuda" else MOST


def check_room(
    folder: Path,
    precision: torch.dtype,
    device: torch.device,
    offload: bool = False,
    size: tuple[int, int] | None = None,
    conditions: int = 3,
) -> None:
    """BadInput where a model does not fit a device, with what would fit; measured by its files' headers.

    offload: only the part that is at work is on the card, and all of them wait in the machine's memory. size: height
    and width of frames, of which one must fit beside the weights on a card; conditions: rows of the UNet for it.
    A model that is loaded to a card passes through the machine's own memory part by part.
    """
    on_card = device.type == "cuda"
    weights = {part.name: count_weights(part) * precision.itemsize for part in folder.iterdir() if part.is_dir()}
    extra = _extra(folder, precision, size, conditions) if on_card and size is not None else {}
    largest = max((count + extra.get(name, 0) for name, count in weights.items()), default=0)
    whole = largest if offload and on_card else sum(weights.values()) + max(extra.values(), default=0)
    spare = APART if extra else 0
    places = [("the card" if on_card else "this machine", whole + spare, free_on(device))]
    if offload and on_card:
        places.append(("this machine", sum(weights.values()), free_on(torch.device("cpu"))))
    for place, needed, free in places:
        if free > needed:
            continue
        choices = []
        if precision == torch.float32 and on_card and free > needed // 2:
            choices.append("half precision")
        if on_card and not offload and free > largest + spare:
            choices.append("--offload")
        choices.append("the profile mini")
        raise BadInput(
            f"This model takes {needed / 1e9:.1f} GB of memory and {place} has {free / 1e9:.1f} GB free; "
            f"close other programs, or use {' or '.join(choices)}."
        )


def _extra(folder: Path, precision: torch.dtype, size: tuple[int, int], conditions: int) -> dict[str, int]:
    """Bytes that a part needs at work beside its weights, as its configuration says."""
    try:
        channels = tuple(
            int(json.loads((folder / part / "config.json").read_text())["block_out_channels"][0])
            for part in ("unet", "vae")
        )
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return {}  # whoever loads it says what is wrong with it
    frame, picture = _at_work(channels, size, conditions, (precision.itemsize,) * 2)
    return {"unet": frame, "vae": picture}


def bytes_of(module: nn.Module) -> int:
    """Bytes of a network's weights as it is loaded."""
    return sum(value.numel() * value.element_size() for value in module.state_dict().values())


def _size(module: nn.Module) -> int:
    return next(module.parameters()).element_size()
