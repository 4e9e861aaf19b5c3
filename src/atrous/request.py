"""What a user asks of a search."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """What the user asks for; `None` is left to be derived from data and machine.

    `data` is the folder of a data set, `weights` may be a file, and `baselines` are names or files.
    `seconds` is a time limit, or `None` for none; `crop` the canvas (height, width) in pixels;
    `filters` the width of a cell; `rate` the base learning rate.
    """

    data: str
    select_on: str
    space: str
    strategy: str
    baselines: tuple[str, ...]
    trials: int
    seconds: float | None
    workers: int | None
    seed: int
    backbone: str
    weights: str
    output_stride: int
    crop: tuple[int, int] | None
    filters: int
    steps: int
    batch: int
    rate: float
    score: str
    device: str
