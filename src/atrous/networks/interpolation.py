"""Bilinear interpolation as two small matrix products, exact at any coordinates."""

from __future__ import annotations

import torch
from torch import Tensor


def interpolation(coordinates: Tensor, size: int) -> Tensor:
    """The matrix [N, size] that reads a line of `size` positions at N real coordinates.

    Coordinates count positions from 0; those beyond the last position read the last.
    """
    coordinates = coordinates.clamp(0, size - 1)
    positions = torch.arange(size, dtype=coordinates.dtype, device=coordinates.device)
    return (1 - (coordinates.unsqueeze(1) - positions).abs()).clamp_min(0)


def resample(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """[..., H, W] maps read at rows [h, H] and columns [w, W]: [..., h, w]."""
    return rows @ maps @ columns.T
