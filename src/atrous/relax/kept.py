"""What autograd keeps of a forward pass, in bytes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class Kept(torch.autograd.graph.saved_tensors_hooks):
    """A context that counts the storages which are kept for gradients, each once, and those of some
    tensors, such as parameters, not at all. What passes it computes has to outlive it."""

    def __init__(self, without: Iterable[Tensor] = ()) -> None:
        self.bytes = 0
        self._seen = {_key(tensor) for tensor in without}
        super().__init__(self._pack, lambda tensor: tensor)

    def __enter__(self) -> Kept:  # type: ignore[override]
        super().__enter__()
        return self

    def _pack(self, tensor: Tensor) -> Tensor:
        if (key := _key(tensor)) not in self._seen:
            self._seen.add(key)
            self.bytes += tensor.untyped_storage().nbytes()
        return tensor


def _key(tensor: Tensor) -> int:
    number: int = tensor.untyped_storage()._cdata
    return number
