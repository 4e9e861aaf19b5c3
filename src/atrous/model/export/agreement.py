"""Whether an exported file computes what the network computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atrous.core.errors import AtrousError
from atrous.model.export.interface import Interface, id_type

TOLERANCE = 1e-4
"""The largest difference that is accepted, as a part of the largest logit in size; that of
probabilities as it is."""

Array = npt.NDArray[Any]


def difference(interface: Interface, logits: Tensor, found: Array) -> float:
    """How far an exported file's output `found` is from the network's `logits` [B, K, H, W].

    Logits: the largest difference; ids: the largest amount by which a pixel's class falls behind
    the best one; both divided by the largest logit in size. Probabilities: the largest
    difference. Raises AtrousError when the output has another shape or number type.
    """
    classes = logits.shape[1]
    shape = logits[:, 0].shape if interface.output == "ids" else logits.shape
    kind = id_type(classes) if interface.output == "ids" else torch.float32
    got = torch.from_numpy(np.array(found))
    if got.shape != shape or got.dtype != kind:
        raise AtrousError(
            f"expected {kind} {list(shape)} from the exported file, got {got.dtype} "
            f"{list(got.shape)}"
        )
    if interface.output == "probabilities":
        return float((got - logits.softmax(1)).abs().max())
    if interface.output == "ids":
        ids = got.to(torch.int64)[:, None]
        if int(ids.max()) >= classes:
            return float("inf")
        apart = logits.amax(1, keepdim=True) - logits.gather(1, ids)
    else:
        apart = (got - logits).abs()
    scale = logits.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    return float(apart.max() / scale)


def agrees(difference: float) -> bool:
    """Whether a difference is small enough; NaN is not."""
    return difference <= TOLERANCE
