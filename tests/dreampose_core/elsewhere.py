"""Tensors that say they lie on another device, compute on the CPU, and refuse to meet tensors that do not.

PyTorch on a CPU lets everything meet everything; on a card what was left behind ends with an error. There is no card in
most test runs, so the device is "meta", which every build of PyTorch knows. Values that are picked by a list of rows
are lost on it, so that only the meeting is tested, not what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
MAY_MEET = ("aten::copy_", "aten::_to_copy", "aten::index", "aten::index_put_", "aten::_index_put_impl_")


class Elsewhere(torch.Tensor):
    """A tensor of DEVICE whose values are those of `inner`, which lies on the CPU."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Elsewhere:
        layout = {"strides": inner.stride(), "storage_offset": inner.storage_offset(), "dtype": inner.dtype}
        made = torch.Tensor._make_wrapper_subclass(cls, inner.size(), **layout, device=DEVICE)
        made.inner = inner
        return made

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _compute(function, args, kwargs or {})


class Watching(TorchDispatchMode):
    """Within it tensors that are made on DEVICE, or sent there, are Elsewhere."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _compute(function, args, kwargs or {})


def send(module: nn.Module) -> nn.Module:
    """The module with all its parameters and buffers Elsewhere."""
    for part in module.modules():
        for name, parameter in list(part._parameters.items()):
            if parameter is not None:
                there = Elsewhere(parameter.detach())
                part._parameters[name] = nn.Parameter(there, requires_grad=parameter.requires_grad)
        for name, buffer in list(part._buffers.items()):
            if buffer is not None:
                part._buffers[name] = Elsewhere(buffer)
    return module


def _compute(function: Callable, args: tuple, kwargs: dict) -> Any:
    tensors = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
    there = [each for each in tensors if isinstance(each, Elsewhere)]
    # numbers that lie on the CPU may meet everything
    here = [each for each in tensors if not isinstance(each, Elsewhere) and each.dim()]
    if there and here and function._schema.name not in MAY_MEET:
        raise RuntimeError(f"{function} has tensors of two devices: {[tuple(each.shape) for each in (*there, *here)]}")
    goes = bool(there)
    if kwargs.get("device") is not None:
        goes = torch.device(kwargs["device"]) == DEVICE
        kwargs = kwargs | {"device": torch.device("cpu")}
    inner_args, inner_kwargs = tree_map(lambda x: x.inner if isinstance(x, Elsewhere) else x, (args, kwargs))
    out = function(*inner_args, **inner_kwargs)
    known = {id(each.inner): each for each in there}  # what works in place gives its argument back

    def wrap(value: Any) -> Any:
        if id(value) in known:
            return known[id(value)]
        return Elsewhere(value) if goes and isinstance(value, torch.Tensor) else value

    return tree_map(wrap, out)
