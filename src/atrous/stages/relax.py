"""The differentiable stage of a search: supernets are trained, and architectures decoded from them.

In the run's folder: supernet/SEED/ with `checkpoint.safetensors` and `relaxation.jsonl`; and for
FBNet's gate supernet/latency.json, how long each operation takes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import torch
from torch import Tensor

from atrous.core.config import GRADIENT, Relaxation, Request
from atrous.core.console import note, track
from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.core.trial import Origin
from atrous.data.canvas import Size as Extent
from atrous.data.canvas import largest, require_crop, round_up
from atrous.data.checks.check import require_sound
from atrous.estimation.material import Sources, sources_of, unchanged_sources
from atrous.model.latency.conditions import make_setting
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


def require_relaxable(request: Request) -> None:
    """Raises `AtrousError`, in one message, for a differentiable search that there cannot be."""
    asked = request.relaxation
    if asked is None:
        return
    if request.space.partition("-")[0] != NAME:
        raise AtrousError(
            f"--strategy {GRADIENT} searches --space {NAME} (or {NAME}-L, with L layers), got "
            f"{request.space}. Search {request.space} with --strategy local or random."
        )
    if asked.gate not in GATES:
        raise AtrousError(f"--gate is one of {', '.join(GATES)}, got {asked.gate!r}.")
    counts = {
        "search-steps": asked.steps,
        "search-filters": asked.filters,
        "search-batch": asked.batch,
        "seeds": asked.seeds,
        "candidates": asked.candidates,
    }
    wrong = [f"--{n} is at least 1, got {v}" for n, v in counts.items() if v is not None and v < 1]
    if asked.warm_up is not None and not 0 <= asked.warm_up < 1:
        wrong.append(f"--warm-up is at least 0 and below 1, got {asked.warm_up}")
    if wrong:
        raise AtrousError("; ".join(wrong) + ".")
    if asked.crop:
        require_crop(asked.crop, STRIDES[-1])
    whole_precision(pick_device(request.device), asked.precision)


def relax(run: Run, watch: loop.Watch) -> Decoded:
    """Trains what is left of a run's supernets; gives the strategy that proposes what they found.

    Raises `AtrousError` if data have changed, for lack of memory, and for a search that diverges.
    """
    sources, asked = unchanged_sources(run), _asked(run.request)
    proposals: list[Proposal] = []
    for protocol in protocols(run.request, run.settings.device, sources):
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


def memory_needed(request: Request) -> Plan:
    """The memory that a step of a request's supernets takes; raises `AtrousError` for a search
    that there cannot be."""
    require_relaxable(request)
    protocol = next(protocols(request, pick_device(request.device), sources_of(request)))
    return _memory(protocol)


def protocols(request: Request, device: str, sources: Sources) -> Iterator[SearchProtocol]:
    """How each supernet of a request is trained on a device, every number filled in."""
    asked = _asked(request)
    crop, scale = _crop(asked, require_sound(sources.dataset.root))
    first, _ = halves(sources.training, request.seed)
    steps = asked.steps or max(1, EPOCHS * len(first) // asked.batch)
    warm_up = LEARNING[asked.gate].warm_up if asked.warm_up is None else asked.warm_up
    for seed in range(request.seed, request.seed + asked.seeds):
        yield SearchProtocol(
            gate=asked.gate,
            size=size_of(request, len(sources.dataset.classes)),
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


def size_of(request: Request, classes: int) -> Size:
    """The supernet that a request asks for."""
    space = find_space(request.space)
    any_of_it = decoded(space.architecture(space.unrank(0)))
    filters = request.relaxation.filters if request.relaxation else request.filters
    return Size(len(any_of_it.path), len(any_of_it.cell), filters, classes)


def _memory(protocol: SearchProtocol) -> Plan:
    return memory_of(
        protocol.size, protocol.batch, protocol.crop, protocol.gate, protocol.checkpointing
    )


def _penalty(run: Run, size: Size) -> Penalty:
    """What is added to the architecture's loss: for FBNet's gate, the latency that is expected of
    the networks that will be trained."""
    if _asked(run.request).gate != "fbnet":
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
    setting = make_setting(run.settings.crop, device=run.settings.device, threads=cores())
    table = measure(run.request.filters, blocks, setting)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(table.to_json(), indent=2))
    return table


def _asked(request: Request) -> Relaxation:
    if request.relaxation is None:
        raise AtrousError(
            f"Expected a search by --strategy {GRADIENT}, got one by {request.strategy}."
        )
    return request.relaxation


def _crop(asked: Relaxation, sizes: list[Extent]) -> tuple[Extent, float]:
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
    precision = whole_precision(device, _asked(run.request).precision)
    return Compute(device, precision, "contiguous", cores())
