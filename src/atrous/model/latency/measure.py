"""Measuring a network's latency: warmed up, repeated, in turns where runtimes are compared."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atrous.core.console import track
from atrous.core.errors import within_memory
from atrous.model.export.exported import export_network
from atrous.model.export.interface import INPUT, ExportInterface
from atrous.model.export.onnx_file import OUTPUT
from atrous.model.facts import Latency
from atrous.model.latency.conditions import check_runtime, provider, runtime_version
from atrous.networks.compute import LatencyConditions, require_memory
from atrous.networks.network import Network

WINDOW, STEADY = 5, 0.05
"""Warm is when the median of this many passes is within this part of that of the ones before."""
IMAGE = 12
"""Bytes of a pixel's three colours, as numbers."""
MOST, LONGEST = 100, 20.0
"""Warming up ends after this many passes or seconds in any case."""
Tracker = Callable[[Iterable[int], str, int], Iterator[int]]
"""Shows how far a loop is, or nothing: `core.console.track`, `untracked`."""
Pass = Callable[[], object]
"""Computes once, and returns when the result is there."""


def summarised(
    runtime: str, conditions: LatencyConditions, warm_up: int, milliseconds: Sequence[float]
) -> Latency:
    """Returns the passes of a runtime in numbers, with all that they depend on."""
    lower, middle, upper = map(float, np.quantile(milliseconds, (0.25, 0.5, 0.75)))
    return Latency(
        runtime,
        runtime_version(runtime),
        **vars(conditions),
        warm_up=warm_up,
        median_ms=middle,
        quartiles_ms=(lower, upper),
        range_ms=(min(milliseconds), max(milliseconds)),
        milliseconds=tuple(milliseconds),
    )


def compare_latency(
    network: Network,
    conditions: LatencyConditions,
    runtimes: Sequence[str],
    repeats: int = 30,
    progress: Tracker = track,
) -> tuple[Latency, ...]:
    """Measures each runtime in passes taken in turns: what disturbs one, disturbs all.

    Raises AtrousError for a runtime that cannot be measured here and when memory runs out.
    """
    for runtime in runtimes:
        check_runtime(runtime, conditions)
    height, width = conditions.size
    where = f"of {conditions.device_name} for {conditions.batch} images of {height}x{width}"
    pixels = conditions.batch * conditions.size[0] * conditions.size[1]
    mend = "Lower --batch or --size."
    require_memory(IMAGE * pixels, conditions.device, where, mend)
    with within_memory(where, mend), torch_threads(conditions.threads):
        passes = [PREPARE[runtime](network, conditions) for runtime in runtimes]
        warm = [warm_up(once, progress) for once in passes]
        times = in_turns(passes, repeats, progress)
    return tuple(
        summarised(runtime, conditions, warmed, measured)
        for runtime, warmed, measured in zip(runtimes, warm, times, strict=True)
    )


def warm_up(once: Pass, progress: Tracker = track) -> int:
    """Repeats a pass until its time is steady; returns the number of passes."""
    taken: list[float] = []
    for _ in progress(range(MOST), "warming up", MOST):
        taken.append(timed(once))
        if is_steady(taken) or sum(taken) > 1000 * LONGEST:
            break
    return len(taken)


def is_steady(milliseconds: Sequence[float]) -> bool:
    """Tells whether the last passes took as long as those before them."""
    if len(milliseconds) < 2 * WINDOW:
        return False
    before = median(milliseconds[-2 * WINDOW : -WINDOW])
    return abs(median(milliseconds[-WINDOW:]) - before) <= STEADY * before


def timed(once: Pass) -> float:
    """Times a pass in milliseconds."""
    start = time.perf_counter()
    once()
    return 1000 * (time.perf_counter() - start)


def in_turns(passes: Sequence[Pass], repeats: int, progress: Tracker = track) -> list[list[float]]:
    """Times passes in turns, in milliseconds; every second round goes backwards."""
    # So that none always comes first.
    times: list[list[float]] = [[] for _ in passes]
    for turn in progress(range(repeats), "timing", repeats):
        order = range(len(passes))
        for number in order if turn % 2 == 0 else reversed(order):
            times[number].append(timed(passes[number]))
    return times


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Lets torch compute with this many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _pytorch(network: Network, conditions: LatencyConditions) -> Pass:
    copied = copy.deepcopy(network).eval().to(conditions.device)
    images = _images(conditions).to(conditions.device)
    kind = conditions.device.partition(":")[0]
    reduced = conditions.precision == "bfloat16"

    @torch.inference_mode()
    def once() -> Tensor:
        with torch.autocast(kind, torch.bfloat16, enabled=reduced):
            logits: Tensor = copied(images)
        if kind == "cuda":
            torch.cuda.synchronize(conditions.device)
        return logits

    return once


def _onnxruntime(network: Network, conditions: LatencyConditions) -> Pass:
    """Prepares a pass of the network as `atrous export --normalise out` writes it."""
    import onnxruntime

    with TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        backbone = network.backbone
        export_network(network, path, "onnx", ExportInterface(backbone.mean, backbone.std, "out"))
        session = onnxruntime.InferenceSession(
            str(path), _options(onnxruntime, conditions), [_provider(conditions)]
        )
    kind, _, index = conditions.device.partition(":")
    place = (kind, int(index or 0))
    binding = session.io_binding()
    given = onnxruntime.OrtValue.ortvalue_from_numpy(_images(conditions).numpy(), *place)
    binding.bind_ortvalue_input(INPUT, given)
    binding.bind_output(OUTPUT, *place)

    def once() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return once


PREPARE: dict[str, Callable[[Network, LatencyConditions], Pass]] = {
    "pytorch": _pytorch,
    "onnxruntime": _onnxruntime,
}


def _options(onnxruntime: Any, conditions: LatencyConditions) -> Any:
    """Returns options for as many threads as asked for."""
    # They rest between passes: waiting threads would slow the other runtime down.
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = conditions.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _provider(conditions: LatencyConditions) -> tuple[str, dict[str, str]]:
    index = conditions.device.partition(":")[2]
    return provider(conditions.device), {"device_id": index} if index else {}


def _images(conditions: LatencyConditions) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(conditions.batch, 3, *conditions.size, generator=generator)
