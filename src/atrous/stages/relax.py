"""The differentiable stage of a search: supernets are trained, and architectures decoded from them.

In the run's folder: supernet/SEED/ with `checkpoint.safetensors` and `relaxation.jsonl`; and for
FBNet's gate supernet/latency.json, how long each operation takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import torch
from torch import Tensor

from atrous.core.config import GRADIENT, GradientConfig, SearchConfig
from atrous.core.console import note, track
from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.core.trial import Origin
from atrous.data.canvas import Size as Extent
from atrous.data.canvas import largest, require_crop, round_up
from atrous.data.checks.check import require_sound
from atrous.estimation.material import Sources, sources_of, unchanged_sources
from atrous.model.latency.conditions import make_conditions
from atrous.model.record import read_json
from atrous.networks.compute import Compute, cores, pick_device, whole_precision
from atrous.relax import loop
from atrous.relax.bilevel import Penalty, State, without_penalty
from atrous.relax.config import CROP, EPOCHS, LEARNING, SIDE, SearchProtocol
from atrous.relax.gates import GATES, Mixture
from atrous.relax.halves import halves
from atrous.relax.history import FOLDER
from atrous.relax.latency_table import LatencyTable, table_from_json
from atrous.relax.plan import Plan, memory_of
from atrous.search.run import Run
from atrous.spaces import find_space
from atrous.spaces.auto_deeplab.relaxation.candidates import decode_candidates
from atrous.spaces.auto_deeplab.relaxation.latency import expected_latency, latency_loss, reach
from atrous.spaces.auto_deeplab.relaxation.size import Size
from atrous.spaces.auto_deeplab.space import NAME, decoded
from atrous.spaces.auto_deeplab.trellis import STRIDES
from atrous.stages.latency_table import measure
from atrous.strategies.decoded import Decoded
from atrous.strategies.strategy import Proposal
from atrous.training.optimiser import NonFiniteError

LATENCIES = "latency.json"


def require_relaxable(config: SearchConfig) -> None:
    """Raises `AtrousError`, in one message, for a differentiable search that there cannot be."""
    asked = config.gradient
    if asked is None:
        return
    if config.space.partition("-")[0] != NAME:
        raise AtrousError(
            f"--strategy {GRADIENT} searches --space {NAME} (or {NAME}-L, with L layers), got "
            f"{config.space}. Search {config.space} with --strategy local or random."
        )
    if asked.gate not in GATES:
        raise AtrousError(f"--gate is one of {', '.join(GATES)}, got {asked.gate!r}.")
    if asked.crop:
        require_crop(asked.crop, STRIDES[-1])
    whole_precision(pick_device(config.machine.device), asked.precision)


def relax(run: Run, watch: loop.Watch) -> Decoded:
    """Trains what is left of a run's supernets; gives the strategy that proposes what they found.

    Raises `AtrousError` if data have changed, for lack of memory, and for a search that diverges.
    """
    sources, asked = unchanged_sources(run), _asked(run.config)
    proposals: list[Proposal] = []
    for protocol in protocols(run.config, run.settings.device, sources):
        if not proposals:  # all seeds need the same
            note(f"a step of the supernet needs {_memory(protocol)}")
        supernet = _searched(run, protocol, sources, watch).supernet
        alpha, beta = (p.detach().cpu() for p in supernet.architecture())
        found = decode_candidates(alpha, beta, asked.candidates, asked.neutral)
        proposals += [
            Proposal(g, Origin(asked.gate, label=f"seed {protocol.seed}, choice {place}"))
            for place, g in enumerate(found, 1)
        ]
    return Decoded(tuple(proposals))


def _searched(run: Run, protocol: SearchProtocol, sources: Sources, watch: loop.Watch) -> State:
    """A supernet at the end of its search."""
    folder = run.path / FOLDER / str(protocol.seed)
    torch.set_num_threads(cores())
    try:
        state = State(protocol, _compute(run), _penalty(run, protocol.size))
        loop.run(state, sources.training, folder, track, watch)
    except NonFiniteError as error:
        raise AtrousError(
            f"The search diverged: {error}. Begin anew with another --seed or --search-batch."
        ) from error
    except torch.OutOfMemoryError as error:
        raise AtrousError(
            f"Not enough memory on {run.settings.device} "
            f"({str(error).splitlines()[0]}). Begin anew with --checkpointing, or lower "
            "--search-batch, --search-crop or --search-filters; --plan tells what they need."
        ) from error
    return state


def memory_needed(config: SearchConfig) -> Plan:
    """The memory that a step of the supernets takes; raises `AtrousError` for a search that there
    cannot be."""
    require_relaxable(config)
    protocol = next(protocols(config, pick_device(config.machine.device), sources_of(config)))
    return _memory(protocol)


def protocols(config: SearchConfig, device: str, sources: Sources) -> Iterator[SearchProtocol]:
    """How each supernet of a configuration is trained on a device, every number filled in."""
    asked = _asked(config)
    crop, scale = _crop(asked, require_sound(sources.dataset.root))
    first, _ = halves(sources.training, config.seed)
    steps = asked.steps or max(1, EPOCHS * len(first) // asked.batch)
    warm_up = LEARNING[asked.gate].warm_up if asked.warm_up is None else asked.warm_up
    for seed in range(config.seed, config.seed + asked.seeds):
        yield SearchProtocol(
            gate=asked.gate,
            size=size_of(config, len(sources.dataset.classes)),
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


def size_of(config: SearchConfig, classes: int) -> Size:
    """The supernet that a configuration asks for."""
    space = find_space(config.space)
    any_of_it = decoded(space.architecture(space.unrank(0)))
    filters = config.gradient.filters if config.gradient else config.proxy.filters
    return Size(len(any_of_it.path), len(any_of_it.cell), filters, classes)


def _memory(protocol: SearchProtocol) -> Plan:
    return memory_of(
        protocol.size, protocol.batch, protocol.crop, protocol.gate, protocol.checkpointing
    )


def _penalty(run: Run, size: Size) -> Penalty:
    """What is added to the architecture's loss: for FBNet's gate, the latency that is expected of
    the networks that will be trained."""
    if _asked(run.config).gate != "fbnet":
        return without_penalty
    table = _latencies(run, size.blocks)

    def slow_is_bad(cross_entropy: Tensor, mixture: Mixture) -> Tensor:
        expected = expected_latency(table, mixture.operations, reach(mixture.arrows))
        return latency_loss(cross_entropy, expected)

    return slow_is_bad


def _latencies(run: Run, blocks: int) -> LatencyTable:
    """The table of a run, measured once."""
    path = run.path / FOLDER / LATENCIES
    if path.exists():
        return table_from_json(read_json(path))
    note("measuring how long each operation takes on this machine")
    setting = make_conditions(run.settings.crop, device=run.settings.device, threads=cores())
    table = measure(run.config.proxy.filters, blocks, setting)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(table.to_json(), indent=2))
    return table


def _asked(config: SearchConfig) -> GradientConfig:
    if config.gradient is None:
        raise AtrousError(
            f"Expected a search by --strategy {GRADIENT}, got one by {config.strategy}."
        )
    return config.gradient


def _crop(asked: GradientConfig, sizes: list[Extent]) -> tuple[Extent, float]:
    """The crop (height, width), and by what images are scaled before."""
    height, width = largest(sizes)
    scale = min(1.0, SIDE / min(height, width))
    if asked.crop:
        return asked.crop, scale
    sides = (round_up(round(side * scale), STRIDES[-1]) for side in (height, width))
    height, width = (min(side, CROP) for side in sides)
    return (height, width), scale


def _compute(run: Run) -> Compute:
    device = run.settings.device
    precision = whole_precision(device, _asked(run.config).precision)
    return Compute(device, precision, "contiguous", cores())
