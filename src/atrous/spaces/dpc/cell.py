"""A dense prediction cell as records: what each branch computes, and from what."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from atrous.core.errors import AtrousError
from atrous.core.records import parse

FEATURES = -1
"""The `input` of a branch that reads the backbone's feature map."""


@dataclass(frozen=True)
class Convolution1x1:
    """A 1x1 convolution."""

    def __str__(self) -> str:
        return "1x1"


@dataclass(frozen=True)
class SeparableConvolution:
    """A 3x3 depthwise-separable convolution with an atrous rate per axis (vertical, horizontal)."""

    rate: tuple[int, int]

    def __str__(self) -> str:
        return f"3x3 rate {self.rate[0]}x{self.rate[1]}"


@dataclass(frozen=True)
class GridPooling:
    """Average pooling over a grid of (rows, columns) cells, then a 1x1 convolution."""

    grid: tuple[int, int]

    def __str__(self) -> str:
        return f"pool {self.grid[0]}x{self.grid[1]}"


Operation = Convolution1x1 | SeparableConvolution | GridPooling


@dataclass(frozen=True)
class Branch:
    """One branch of a cell: `input` is `FEATURES`, or the index of an earlier branch."""

    operation: Operation
    input: int

    def __str__(self) -> str:
        source = "features" if self.input == FEATURES else f"branch {self.input}"
        return f"{self.operation} of {source}"


Cell = tuple[Branch, ...]


EXPECTED = (
    'a list of branches such as {"op": "conv", "kernel": 3, "rate": [1, 6], "input": -1} or '
    '{"op": "pyramid_pooling", "grid_size": [2, 2], "input": 0}'
)


def read_cell(text: str) -> Cell:
    """The cell in a JSON text; raises `AtrousError` that names the branch at fault."""
    try:
        listed = parse(text)
    except ValueError as error:
        raise AtrousError(f"Expected {EXPECTED}, but it is no JSON: {error}.") from error
    if not isinstance(listed, list) or not listed:
        raise AtrousError(f"Expected {EXPECTED}, got {str(listed)[:80]}.")
    return tuple(_branch(fields, number) for number, fields in enumerate(listed))


def write_cell(cell: Cell) -> str:
    """The JSON text of a cell."""
    return json.dumps([_fields(branch) for branch in cell], indent=2)


def _branch(fields: Any, number: int) -> Branch:
    try:
        if not isinstance(fields, dict):
            raise TypeError("no fields with names")
        return Branch(_operation(fields), _input(fields["input"], number))
    except (KeyError, TypeError, ValueError) as error:
        missing = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise AtrousError(
            f"Branch {number}: expected {EXPECTED}, but {missing} in {fields}."
        ) from error


def _operation(fields: dict[str, Any]) -> Operation:
    match fields["op"]:
        case "conv" if fields["kernel"] in (1, [1, 1]):
            return Convolution1x1()
        case "conv" if fields["kernel"] in (3, [3, 3]):
            return SeparableConvolution(_pair(fields["rate"]))
        case "pyramid_pooling":
            return GridPooling(_pair(fields["grid_size"]))
        case "conv":
            raise ValueError(f"an unknown kernel {fields['kernel']}")
    raise ValueError(f"an unknown op {fields['op']!r}")


def _pair(value: Any) -> tuple[int, int]:
    pair = tuple(value) if isinstance(value, list) else (value, value)
    if len(pair) != 2 or not all(type(v) is int and v > 0 for v in pair):
        raise ValueError(f"{value!r} is not two positive whole numbers")
    return pair


def _input(value: int, number: int) -> int:
    if type(value) is not int or value >= number:
        raise ValueError(f"input {value!r} is no earlier branch")
    return value if value >= 0 else FEATURES


def _fields(branch: Branch) -> dict[str, Any]:
    match branch.operation:
        case Convolution1x1():
            fields: dict[str, Any] = {"op": "conv", "kernel": 1}
        case SeparableConvolution(rate=rate):
            fields = {"op": "conv", "kernel": 3, "rate": list(rate)}
        case GridPooling(grid=grid):
            fields = {"op": "pyramid_pooling", "grid_size": list(grid)}
    return fields | {"input": branch.input}
