"""The authors' released files: pickled state dicts of UNet, adapter and VAE, and what they mean today.

The files are plain dictionaries of tensors, written by an older diffusers: keys may begin with `module.`, the
VAE's attention has its old names, and what is a linear layer today may lie there as a 1x1 convolution, or the
other way round. Nothing is computed here: every value stays what it is, bit by bit. A pickle is only read with
`weights_only`, which refuses everything but tensors. Knows nothing of downloads or of pipelines.
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from pose_tools.errors import BadInput

# The names of the VAE's attention before diffusers 0.15, and today's.
OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_OLD_NAME = re.compile(r"((?:encoder|decoder)\.mid_block\.attentions\.\d+)\.(query|key|value|proj_attn)\.(weight|bias)")
_PREFIX = "module."
PLAIN_TYPES = {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.int32, torch.int64}
_UNREADABLE = (RuntimeError, ValueError, EOFError, KeyError, IndexError, TypeError, AttributeError, OSError)


def read_checkpoint(path: str | Path) -> dict[str, Tensor]:
    """Name -> tensor of a .pth file of weights, under today's names; on the CPU.

    BadInput where there is no such file, where it is none of weights, holds code, or is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInput(f"There is no file of weights named {path}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old files make torch warn of what is none of the person's business
            mapped = zipfile.is_zipfile(path)  # then the tensors stay on the disk until they are asked for
            state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        if "global" in str(error).lower():  # the name of a class or function that the pickle wants to call
            raise BadInput(
                f"The file {path.name} holds program code beside weights, so it was not opened; only files of plain "
                "weights are read."
            ) from error
        raise _no_weights(path) from error
    except _UNREADABLE as error:
        raise _no_weights(path) from error
    if not isinstance(state, Mapping) or not state or not all(_is_plain(*item) for item in state.items()):
        raise BadInput(f"The file {path.name} holds something else than the weights of one network.")
    broken = [name for name, value in state.items() if value.is_floating_point() and not torch.isfinite(value).all()]
    if broken:
        raise BadInput(f"The file {path.name} is damaged: some of its weights are not numbers ({broken[0]}).")
    return {todays_name(name): value.detach() for name, value in state.items()}


def _is_plain(name: object, value: object) -> bool:
    """Whether an entry is a named tensor of ordinary numbers, with all of them in the file."""
    return (
        isinstance(name, str)
        and isinstance(value, Tensor)
        and value.layout == torch.strided
        and value.device.type == "cpu"
        and value.dtype in PLAIN_TYPES
    )


def todays_name(name: str) -> str:
    """A tensor's name in the authors' file -> its name in today's diffusers."""
    name = name.removeprefix(_PREFIX)
    old = _OLD_NAME.fullmatch(name)
    return f"{old[1]}.{OLD_ATTENTION[old[2]]}.{old[3]}" if old else name


def put_weights(module: nn.Module, state: Mapping[str, Tensor], path: str | Path, what: str) -> None:
    """Give a module (also one on the meta device) the tensors of a checkpoint, as they are.

    what: the network in words. BadInput where tensors are missing, left over, or of another shape.
    """
    wanted, file = module.state_dict(), Path(path).name
    missing, extra = sorted(wanted.keys() - state.keys()), sorted(state.keys() - wanted.keys())
    if len(missing) > len(wanted) // 2:
        raise BadInput(
            f"The file {file} is of another network: "
            f"of the {len(wanted)} tensors of the {what}, {len(missing)} are missing."
        )
    if missing:
        raise BadInput(
            f"The file {file} is not a whole {what}: {len(missing)} tensors are missing, the first is {missing[0]}."
        )
    if extra:
        raise BadInput(
            f"The file {file} is of another {what}: it has {len(extra)} tensors too many, the first is {extra[0]}."
        )
    fitted = {}
    for name, tensor in wanted.items():
        given = state[name]
        if _without_ones(given.shape) != _without_ones(tensor.shape):
            raise BadInput(
                f"The file {file} is of another {what}: "
                f"{name} is {_words(given.shape)} where {_words(tensor.shape)} is needed."
            )
        fitted[name] = given.reshape(tensor.shape)
    module.load_state_dict(fitted, assign=True)


def _without_ones(shape: torch.Size) -> tuple[int, ...]:
    """The shape without what a 1x1 convolution has beyond a linear layer."""
    sizes = tuple(shape)
    return sizes[:2] if len(sizes) == 4 and sizes[2:] == (1, 1) else sizes


def _words(shape: torch.Size) -> str:
    return "x".join(map(str, shape)) or "a single number"


def _no_weights(path: Path) -> BadInput:
    return BadInput(f"The file {path.name} is damaged, or it is not a file of PyTorch weights.")
