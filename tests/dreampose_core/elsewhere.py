"""Tensors that say they lie on another device, compute on the CPU, and refuse to meet tensors that do not, or that have
numbers of another floating type.

PyTorch on a CPU lets everything meet everything; on a card what was left behind ends with an error. There is no card in
most test runs, so the device is "meta", which every build of PyTorch knows. Values that are picked by a list of rows
are lost on it, so that only the meeting is tested, not what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
MAY_MEET = ("aten::copy_", "aten::_to_copy")
INDEXED = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")  # by indices of any device
PROMOTED = ("add", "add_", "sub", "mul", "mul_", "div", "where", "cat")  # where the wider of two types is meant
LOWER = (  # what a card's autocast computes in half precision, and in float32 (PyTorch, "CUDA Op-Specific Behavior")
    *(F.conv2d, F.linear, F.scaled_dot_product_attention, torch.conv2d, torch.matmul, torch.bmm, torch.baddbmm),
    *(torch.Tensor.matmul, torch.Tensor.__matmul__),
)
WIDER = (
    *(F.group_norm, F.layer_norm, F.softmax, F.mse_loss, torch.group_norm, torch.layer_norm, torch.pow, torch.sum),
    *(torch.Tensor.__pow__, torch.Tensor.pow, torch.Tensor.softmax, torch.Tensor.sum),
)


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
    """Within it tensors that are made on DEVICE, or sent there, are Elsewhere, and a module that is converted gets new
    parameters: what is assigned to .data leaves `inner` behind."""

    def __enter__(self):
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        return super().__enter__()

    def __exit__(self, *error):
        torch.__future__.set_overwrite_module_params_on_conversion(False)
        return super().__exit__(*error)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _compute(function, args, kwargs or {})


class Autocast(TorchFunctionMode):
    """torch.autocast in bfloat16 as a card has it, for Elsewhere, whose device has none."""

    inside = 0

    def __enter__(self):
        Autocast.inside += 1
        return super().__enter__()

    def __exit__(self, *error):
        Autocast.inside -= 1
        return super().__exit__(*error)

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kind = torch.bfloat16 if function in LOWER else torch.float32 if function in WIDER else None
        if kind is not None:
            args, kwargs = tree_map(lambda x: x.to(kind) if _is_float(x) else x, (args, kwargs or {}))
        return function(*args, **kwargs or {})


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
    if function._schema.name in INDEXED and isinstance(args[0], Elsewhere):
        indices = {id(each) for each in args[1]}  # of the CPU too, but not the values that are put there
        here = [each for each in here if id(each) not in indices]
    if there and here and function._schema.name not in MAY_MEET:
        raise RuntimeError(f"{function} has tensors of two devices: {[tuple(each.shape) for each in (*there, *here)]}")
    _check_types(function, there)
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


def _check_types(function: Callable, tensors: list[torch.Tensor]) -> None:
    name = function._schema.name
    met = {each.dtype for each in tensors if _is_float(each) and each.dim()}
    meant = name in (*MAY_MEET, *INDEXED) or (Autocast.inside and name.removeprefix("aten::") in PROMOTED)
    if len(met) > 1 and not meant:
        raise RuntimeError(f"{function} has numbers of two types: {[(*each.shape, each.dtype) for each in tensors]}")


def _is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()
