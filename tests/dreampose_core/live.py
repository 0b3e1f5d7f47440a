"""How many bytes of tensors are alive at the worst moment of a computation, also where nothing is computed."""

from __future__ import annotations

import weakref

import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class Live(TorchDispatchMode):
    """peak: bytes of what was made inside, without views of the given modules' weights.

    On the meta device attention would be laid out as a matrix; it counts as its result alone, as the kernels
    of real devices work.
    """

    def __init__(self, *modules: torch.nn.Module):
        super().__init__()
        self.now = self.peak = 0
        self.known = {p.untyped_storage()._cdata for module in modules for p in module.parameters()}

    def __enter__(self):
        self.attention = F.scaled_dot_product_attention
        F.scaled_dot_product_attention = lambda query, key, value, **_: torch.empty_like(query)
        return super().__enter__()

    def __exit__(self, *error):
        F.scaled_dot_product_attention = self.attention
        return super().__exit__(*error)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        made = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(made):
            if isinstance(tensor, torch.Tensor):
                self._count(tensor.untyped_storage())
        return made

    def _count(self, storage) -> None:
        key, size = storage._cdata, storage.nbytes()
        if key in self.known:
            return
        self.known.add(key)
        self.now += size
        self.peak = max(self.peak, self.now)

        def gone() -> None:
            self.known.discard(key)
            self.now -= size

        weakref.finalize(storage, gone)
