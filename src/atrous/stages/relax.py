"""The differentiable stage of a search: supernets are trained, and architectures decoded from them.

In the run's folder: supernet/SEED/ with `checkpoint.safetensors` and `relaxation.jsonl`; and for
FBNet's gate supernet/latency.json, how long each operation takes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console

from atrous.core import records
from atrous.core.config import GRADIENT, GradientConfig, SearchConfig
from atrous.core.console import note, track
from atrous.core.errors import AtrousError, require_all, within_memory
from atrous.core.records import Amount, Positive
from atrous.core.trial import Origin
from atrous.data.canvas import Size, largest, require_crop, round_up
from atrous.data.check import require_sound
from atrous.estimation.search_data import SearchData, search_data_of, unchanged_data
from atrous.model.latency.conditions import make_conditions, runtime_version
from atrous.model.latency.measure import in_turns, torch_threads
from atrous.networks.compute import (
    Compute,
    LatencyConditions,
    cores,
    pick_device,
    release,
    require_memory,
    whole_precision,
)
from atrous.relax import loop
from atrous.relax.bilevel import SearchState
from atrous.relax.collapse import FOLDER, Snapshot, entropy_share
from atrous.relax.config import CROP, EPOCHS, SIDE, SearchProtocol
from atrous.relax.gates import GATES
from atrous.relax.memory import MemoryPlan, memory_of
from atrous.relax.relaxation import Penalty, Relaxation, TimedPart, slow_is_bad, without_penalty
from atrous.search.run import ABOUT, Run
from atrous.spaces import FAMILIES, family_of, find_architecture
from atrous.strategies.strategy import AnyStrategy, Proposal, Stateless
from atrous.strategies.uniform import Listed
from atrous.tasks import find_task
from atrous.training.optimiser import NonFiniteError

LATENCIES = "latency.json"
MEND = (
    "Begin anew with --checkpointing, or lower --search-batch, --search-crop or --search-filters; "
    "--plan tells what they need."
)
BFLOAT16 = 0.5
"""The part of the memory of float32 that bfloat16 takes at least."""
CONSOLE = Console(stderr=True)


def require_relaxable(config: SearchConfig) -> None:
    """Raises `AtrousError`, in one message, for a differentiable search that there cannot be."""
    asked = config.gradient
    if asked is None:
        return
    require_all(
        partial(_require_gate, asked),
        partial(_require_canvas, config.space, asked),
        lambda: whole_precision(pick_device(config.machine.device), asked.precision),
    )


def _require_gate(asked: GradientConfig) -> None:
    if asked.gate not in GATES:
        raise AtrousError(f"--gate is one of {', '.join(GATES)}, got {asked.gate!r}.")


def _require_canvas(space: str, asked: GradientConfig) -> None:
    canvas = relaxation_of(space).canvas
    if asked.crop:
        require_crop(asked.crop, canvas)


def relaxation_of(space: str) -> Relaxation:
    """Returns what a search by gradients needs of a space; raises `AtrousError` where its family
    cannot be relaxed."""
    family = family_of(space)
    if family.relaxation is None:
        able = [each for each in FAMILIES.values() if each.relaxation]
        names = " or ".join(each.name for each in able)
        sizes = ", ".join(each.example for each in able if each.example)
        raise AtrousError(
            f"--strategy {GRADIENT} searches --space {names} (or other sizes: {sizes}), got "
            f"{space}. Search {space} with --strategy local or random."
        )
    return family.relaxation(space)


def relax(run: Run, watch: loop.Watch) -> AnyStrategy:
    """Trains what is left of a run's supernets; gives the strategy that proposes what they found.

    Raises `AtrousError` if data have changed, for lack of memory, and for a search that diverges.
    """
    try:
        require_relaxable(run.config)
    except AtrousError as error:
        raise AtrousError(
            f"Expected the record of a run in {run.path / ABOUT}, but: settings.config.gradient: "
            f"{error} Restore the file from a copy, or start a new run."
        ) from error
    data, asked = unchanged_data(run), _asked(run.config)
    proposals: list[Proposal] = []
    for protocol in protocols(run.config, run.settings.device, data):
        if not proposals:
            note(f"a step of the supernet needs {_memory(protocol, run.config.task)}")
            _require_room(protocol, run.settings.device, run.config.task)
        state = _searched(run, protocol, data, watch)
        logits = loop.logits_of(state)
        found = state.relaxation.candidates(logits, asked.candidates, asked.neutral)
        proposals += [
            Proposal(g, Origin(asked.gate, label=f"seed {protocol.seed}, choice {place}"))
            for place, g in enumerate(found, 1)
        ]
    return Stateless(Listed(tuple(proposals)))


def _searched(
    run: Run, protocol: SearchProtocol, data: SearchData, watch: loop.Watch
) -> SearchState:
    """A supernet at the end of its search."""
    folder = run.path / FOLDER / str(protocol.seed)
    torch.set_num_threads(cores())
    try:
        with within_memory(f"on {run.settings.device}", MEND):
            relaxation = relaxation_of(protocol.space)
            penalty = _penalty(run, relaxation)
            state = SearchState(relaxation, protocol, _compute(run), penalty, run.task)
            loop.run(state, data.training, folder, track, watch)
    except NonFiniteError as error:
        raise AtrousError(
            f"The search diverged: {error}. Begin anew with another --seed or --search-batch."
        ) from error
    finally:
        release(run.settings.device)
    return state


def require_room(config: SearchConfig, data: SearchData) -> None:
    """Raises `AtrousError` where the supernets of a search by gradients have no room on its device;
    of other searches, nothing is asked."""
    if config.gradient:
        device = pick_device(config.machine.device)
        _require_room(next(protocols(config, device, data)), device, config.task)


def _require_room(protocol: SearchProtocol, device: str, task: str) -> None:
    """Asks for the memory of one supernet, since those of all seeds need the same."""
    share = BFLOAT16 if protocol.precision == "bfloat16" else 1
    needed = share * _memory(protocol, task).total
    require_memory(needed, device, "for a step of the supernet", MEND)


def memory_needed(config: SearchConfig) -> MemoryPlan:
    """The memory that a step of the supernets takes; raises `AtrousError` for a search that there
    cannot be."""
    require_relaxable(config)
    protocol = next(protocols(config, pick_device(config.machine.device), search_data_of(config)))
    return _memory(protocol, config.task)


def protocols(config: SearchConfig, device: str, data: SearchData) -> Iterator[SearchProtocol]:
    """How each supernet of a configuration is trained on a device, every number filled in."""
    asked = _asked(config)
    sizes = require_sound(data.dataset.root, config.data.select_on)
    crop, scale = _crop(asked, sizes, relaxation_of(config.space).canvas)
    first, _ = loop.halves(data.training, config.seed)
    steps = asked.steps or max(1, EPOCHS * len(first) // asked.batch)
    warm_up = GATES[asked.gate].learning.warm_up if asked.warm_up is None else asked.warm_up
    for seed in range(config.seed, config.seed + asked.seeds):
        yield SearchProtocol(
            gate=asked.gate,
            space=config.space,
            filters=asked.filters,
            classes=len(data.dataset.classes),
            steps=steps,
            batch=asked.batch,
            crop=crop,
            scale=scale,
            warm_up=warm_up,
            seed=seed,
            precision=whole_precision(device, asked.precision),
            neutral=asked.neutral,
            checkpointing=asked.checkpointing,
            hessian=asked.hessian,
            stop=asked.stop,
        )


@lru_cache(maxsize=1)
def _memory(protocol: SearchProtocol, task: str) -> MemoryPlan:
    """Counts once what is asked for before the run's folder is made and when it is searched."""
    return memory_of(relaxation_of(protocol.space), protocol, find_task(task))


def _penalty(run: Run, relaxation: Relaxation) -> Penalty:
    """Returns the architecture's loss by its cross-entropy: with a gate that counts time, times the
    latency that is expected of the networks that will be trained."""
    if not GATES[_asked(run.config).gate].timed:
        return without_penalty
    setting = make_conditions(run.settings.crop, device=run.settings.device, threads=cores())
    parts = relaxation.parts(run.config.proxy.filters, setting.size)
    table = measured_once(run.path / FOLDER / LATENCIES, parts, setting)
    return slow_is_bad(relaxation, table.milliseconds)


def _asked(config: SearchConfig) -> GradientConfig:
    if config.gradient is None:
        raise AtrousError(
            f"Expected a search by --strategy {GRADIENT}, got one by {config.strategy}."
        )
    return config.gradient


def _crop(asked: GradientConfig, sizes: list[Size], canvas: int) -> tuple[Size, float]:
    """The crop (height, width), k * `canvas` + 1 pixels a side where it is derived, and by what
    images are scaled before."""
    height, width = largest(sizes)
    scale = min(1.0, SIDE / min(height, width))
    if asked.crop:
        return asked.crop, scale
    sides = (round_up(round(side * scale), canvas) for side in (height, width))
    height, width = (min(side, CROP) for side in sides)
    return (height, width), scale


def _compute(run: Run) -> Compute:
    device = run.settings.device
    precision = whole_precision(device, _asked(run.config).precision)
    return Compute(device, precision, "contiguous", cores())


def tell_snapshot(snapshot: Snapshot, warning: str | None) -> None:
    """Prints how far the search is, how undecided, and what would be decoded."""
    CONSOLE.print(in_words(snapshot), soft_wrap=True, markup=False)
    if warning:
        CONSOLE.print(f"warning: {warning}", soft_wrap=True, markup=False)


def in_words(snapshot: Snapshot) -> str:
    """Tells in a line: step, losses, entropies as shares of their maxima, what would be decoded."""
    view = family_of(find_architecture(snapshot.architecture)).search_view
    learnt = snapshot.architecture_loss
    undecided = ", ".join(
        f"{entropy_share(rows):.2f} of {name}" for name, rows in snapshot.probabilities.items()
    )
    return (
        f"step {snapshot.step:>6}  loss {snapshot.loss:.3f}  "
        f"{'warming up' if learnt is None else f'architecture {learnt:.3f}'}  "
        f"entropy {undecided}  {view.line(snapshot) if view else snapshot.architecture}"
    )


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
    table = measure_parts(parts, setting)
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write(path, table, FORMAT, "the table of latencies")
    return table


def measure_parts(
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
