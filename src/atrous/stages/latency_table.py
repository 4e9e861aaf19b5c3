"""How long the parts of a relaxed network take on a machine, by measuring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from atrous.core import records
from atrous.core.console import note
from atrous.core.errors import AtrousError, within_memory
from atrous.core.records import Amount, Positive
from atrous.model.latency.conditions import runtime_version
from atrous.model.latency.measure import in_turns, torch_threads
from atrous.networks.compute import LatencyConditions
from atrous.relax.relaxation import TimedPart

FORMAT = 2
WARM_UP = 5
"""Passes of each part before any is timed."""

Pass = Callable[[], Any]
"""Computes once, and returns when the result is there."""


@dataclass(frozen=True)
class LatencyTable:
    """Medians in milliseconds of `repeats` passes of each part, by its name, in evaluation mode, by
    PyTorch `version`, on images as in `setting`."""

    setting: LatencyConditions
    version: str
    repeats: Positive
    milliseconds: dict[str, Amount]


def measured_once(
    path: Path, parts: Mapping[str, TimedPart], setting: LatencyConditions
) -> LatencyTable:
    """Reads the table of a run, or measures and writes it; raises `AtrousError`."""
    if path.exists():
        mend = "Delete the file to have it measured anew."
        table = records.read(path, LatencyTable, FORMAT, "a table of latencies", "", mend)
        if unlike := sorted(table.milliseconds.keys() ^ parts.keys()):
            raise AtrousError(
                f"Expected a table of latencies of {len(parts)} parts in {path}, but: milliseconds "
                f"has {unlike[0]} too much or not at all. {mend}"
            )
        return table
    note("measuring how long each operation takes on this machine")
    table = measure(parts, setting)
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write(path, table, FORMAT, "the table of latencies")
    return table


def measure(
    parts: Mapping[str, TimedPart], setting: LatencyConditions, repeats: int = 30
) -> LatencyTable:
    """Measures each part in evaluation mode, on its own, on random maps.

    After a warm-up, the median of `repeats` passes, all parts in turns. Raises `AtrousError` when
    memory runs out.
    """
    images = f"{setting.batch} images of {setting.size[0]}x{setting.size[1]}"
    where = f"of {setting.device_name} for maps of {images}"
    with (
        within_memory(where, "Take fewer or smaller, or lower --filters."),
        torch_threads(setting.threads),
    ):
        passes = [pass_of(part, setting) for part in parts.values()]
        in_turns(passes, WARM_UP)
        found = [median(times) for times in in_turns(passes, repeats)]
    version = runtime_version("pytorch")
    return LatencyTable(setting, version, repeats, dict(zip(parts, found, strict=True)))


def pass_of(part: TimedPart, setting: LatencyConditions) -> Pass:
    """Returns what computes a part once, on the device of a setting."""
    module = part.module.eval().to(setting.device)
    maps = torch.randn(setting.batch, part.channels, *part.size, device=setting.device)
    kind = setting.device.partition(":")[0]

    @torch.inference_mode()
    def once() -> Any:
        with torch.autocast(kind, torch.bfloat16, enabled=setting.precision == "bfloat16"):
            result = module(maps)
        if kind == "cuda":
            torch.cuda.synchronize(setting.device)
        return result

    return once
