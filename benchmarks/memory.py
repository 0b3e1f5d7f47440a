"""What lives in memory at the same time in a step of the finetune, beside what dreampose_core.finetune.budget says.

    python -m benchmarks.memory [--size full|small|tiny]

Networks without values (torch's fake tensors) go through one step forward and backward, in the arithmetic of a card,
and the bytes of all tensors that live at once are added up. Nothing large is computed, so full size takes a minute on
any machine. From these figures come the constants of the budget.
"""

from __future__ import annotations

import argparse
import weakref
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks.random_models import SIZES, Size, build_model
from dreampose_core.finetune.budget import bytes_kept
from dreampose_core.finetune.trainable import unet_to_train, vae_to_train
from dreampose_core.finetune.tuning import FinetuneSettings
from dreampose_core.modeling import LATENT_CHANNELS, LATENT_STRIDE

WAYS = {
    "every weight": FinetuneSettings(),
    "every weight, gradient checkpointing": FinetuneSettings(gradient_checkpointing=True),
    "LoRA": FinetuneSettings(lora_rank=16),
    "LoRA, gradient checkpointing": FinetuneSettings(lora_rank=16, gradient_checkpointing=True),
}


class Live(TorchDispatchMode):
    """Adds up the bytes of the tensors made inside that live at the same time, but for the given ones."""

    def __init__(self, but: Iterable[Tensor] = ()) -> None:
        super().__init__()
        self.now = self.most = 0
        self._known = {tensor.untyped_storage()._cdata for tensor in but}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and tensor.untyped_storage()._cdata not in self._known:
                self._take(tensor.untyped_storage())
        return made

    def _take(self, storage: torch.UntypedStorage) -> None:
        self._known.add(storage._cdata)
        self.now += storage.nbytes()
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._drop, storage._cdata, storage.nbytes())

    def _drop(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


def unet_step(unet: nn.Module, tokens: int, width: int, cells: tuple[int, int], batch: int, half: bool) -> Live:
    """A step of the first stage; half: in bfloat16, as on a card."""
    planes = torch.zeros(batch, unet.config.in_channels, *cells)
    context = torch.zeros(batch, tokens, width)
    with Live(unet.parameters()) as live:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            made = unet(planes, torch.zeros(batch, dtype=torch.long), context, return_dict=False)[0].float()
        made.square().mean().backward()
    return live


def decoder_step(vae: nn.Module, cells: tuple[int, int], batch: int, half: bool) -> Live:
    """A step of the second stage."""
    with Live(vae.parameters()) as live:
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            made = vae.decode(torch.zeros(batch, LATENT_CHANNELS, *cells), return_dict=False)[0].float()
        made.square().mean().backward()
    return live


def without_values(module: nn.Module) -> nn.Module:
    """A network of meta tensors as one that can be called inside a FakeTensorMode."""
    for part in module.modules():
        for name, tensor in list(part.named_parameters(recurse=False)):
            empty = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype)
            setattr(part, name, nn.Parameter(empty, requires_grad=tensor.requires_grad))
        for name, tensor in list(part.named_buffers(recurse=False)):
            setattr(part, name, torch.empty(tensor.size(), dtype=tensor.dtype))
    return module


def table(size: Size) -> list[tuple[str, float, float]]:
    """(way, megabytes that one more picture a step takes, the same as the budget counts it)."""
    meta, half = torch.device("meta"), torch.bfloat16
    model = build_model(size, meta, half)
    cells = (size.height // LATENT_STRIDE, size.width // LATENT_STRIDE)
    window = tuple(min(32, side) for side in cells)
    tokens, width = model.adapter.config.tokens, model.adapter.config.width
    rows = []
    for way, settings in WAYS.items():
        most, again = [], settings.gradient_checkpointing
        for batch in (4, 8):
            network = unet_to_train(model.unet, settings, meta, half)
            with FakeTensorMode():
                most.append(unet_step(without_values(network), tokens, width, cells, batch, True).most)
        said = bytes_kept(model.unet, cells, settings.lora_rank is not None, again, half)
        rows.append((f"UNet, {way}", (most[1] - most[0]) / 4e6, said / 1e6))
        if settings.lora_rank is None:
            most = []
            for batch in (4, 8):
                network = vae_to_train(model.vae, settings, meta, half)
                with FakeTensorMode():
                    most.append(decoder_step(without_values(network), window, batch, True).most)
            said = bytes_kept(model.vae.decoder, window, False, again, half)
            rows.append((f"decoder, {way}", (most[1] - most[0]) / 4e6, said / 1e6))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", choices=SIZES, default="full")
    for way, measured, said in table(SIZES[parser.parse_args().size]):
        print(f"{way}: {measured:.1f} MB a picture, the budget says {said:.1f} MB", flush=True)


if __name__ == "__main__":
    main()
