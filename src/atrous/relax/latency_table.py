"""How long the parts of a relaxed network take, as a record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from atrous.core.errors import AtrousError
from atrous.networks.compute import LatencyConditions
from atrous.spaces.auto_deeplab.cell import OPERATIONS
from atrous.spaces.auto_deeplab.trellis import LEVELS, STRIDES, exits

PLACES = tuple((level, stride) for level in LEVELS for stride in ((1, 2) if level else (1,)))
"""Where an operation can be: the level at which it ends, and the stride that takes it there."""
MOVES = tuple((source, target) for source in LEVELS for target in exits(source))
"""From the level of the layer before to that of the cell."""


@dataclass(frozen=True)
class LatencyTable:
    """Medians in milliseconds of `repeats` passes each, in evaluation mode, by PyTorch `version`.

    `operations` [places][7] in the orders of `PLACES` and of `OPERATIONS`, `inputs` [moves] in that
    of `MOVES`; for cells of `blocks` blocks in networks of F `filters`, on images as in `setting`.
    """

    filters: int
    blocks: int
    setting: LatencyConditions
    version: str
    repeats: int
    operations: tuple[tuple[float, ...], ...]
    inputs: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types, its numbers by name."""
        names = [operation.value for operation in OPERATIONS]
        rows = zip(PLACES, self.operations, strict=True)
        moves = zip(MOVES, self.inputs, strict=True)
        return {
            **asdict(self),
            "operations": {_place(p): dict(zip(names, row, strict=True)) for p, row in rows},
            "inputs": {_move(move): time for move, time in moves},
        }


def table_from_json(values: Mapping[str, Any]) -> LatencyTable:
    """The inverse of `to_json`; raises `AtrousError` for what is no such record."""
    try:
        setting = {**values["setting"], "size": tuple(values["setting"]["size"])}
        rows = [values["operations"][_place(place)] for place in PLACES]
        return LatencyTable(
            filters=int(values["filters"]),
            blocks=int(values["blocks"]),
            setting=LatencyConditions(**setting),
            version=str(values["version"]),
            repeats=int(values["repeats"]),
            operations=tuple(tuple(float(row[o.value]) for o in OPERATIONS) for row in rows),
            inputs=tuple(float(values["inputs"][_move(move)]) for move in MOVES),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise AtrousError(
            f"Expected a table of latencies, but {error!r} came of it. Measure it anew."
        ) from error


def _place(place: tuple[int, int]) -> str:
    level, stride = place
    return f"stride {STRIDES[level]}, step {stride}"


def _move(move: tuple[int, int]) -> str:
    return f"{STRIDES[move[0]]} to {STRIDES[move[1]]}"
