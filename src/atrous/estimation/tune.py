"""Picks the fastest way to compute trials on this machine, by a short measurement.

Number type, memory layout and the split of cores into workers and threads matter by factors of two
to four, and which is best differs between machines and cell widths. What was picked is kept in the
cache, so that the same machine computes the same trial the same way.
"""

from __future__ import annotations

import hashlib
import json
import platform
import time
from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from atrous.core.architecture import Architecture
from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.core.files import writing
from atrous.core.records import Positive, from_text, write_plain
from atrous.data.canvas import Size, feature_size
from atrous.estimation.features import TARGET_STRIDE
from atrous.estimation.learning import geometry, make_step, tail
from atrous.execution import find_executor
from atrous.execution.executor import WorkerLostError
from atrous.networks.compute import Compute, Kept, Layout, Precision, cards, cores
from atrous.networks.layers import parameter_count
from atrous.spaces import find_space
from atrous.training.crops import BFLOAT16, LEAST_OF_WEIGHT
from atrous.training.optimiser import Schedule, make_optimiser

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
LAYOUTS: tuple[Layout, ...] = ("channels_last", "contiguous")
WARM_UP, TIMED = 2, 5
LONGEST = 60
"""After so many seconds, what has been measured must do: decoders differ in cost by hundreds."""


@dataclass(frozen=True)
class Workload:
    """The size of a training step: an architecture, `filters` wide, on maps of `channels` by
    stride, of `batch` canvases of `crop` (height, width) pixels."""

    architecture: Architecture
    channels: dict[int, int]
    crop: Size
    filters: int
    classes: int
    batch: int


@dataclass(frozen=True)
class Choice:
    """How trials are computed, and how many at a time."""

    compute: Compute
    workers: Positive


def choose(workload: Workload, device: str, workers: int | None, most: int, cache: Path) -> Choice:
    """The fastest choice for a workload; `workers` None leaves their number free, up to `most`.

    On a GPU: bfloat16 where it is native, channels last, a worker for each GPU that the device
    stands for unless said otherwise. On a CPU: measured, or remembered from an earlier measurement
    of the same workload on the same kind of machine.
    """
    if device != "cpu":
        compute = Compute(device, _gpu_precision(device), "channels_last", 1)
        return Choice(compute, workers or min(cards(device), max(1, most)))
    splits = worker_counts(workers, most)
    remembered = cache / "compute" / f"{_key(workload, splits)}.json"
    choice = _recall(remembered)
    if choice is None:
        choice = min(measure_all(workload, splits), key=lambda measured: measured[1])[0]
        _remember(choice, remembered)
    return choice


def worker_counts(workers: int | None, most: int) -> list[int]:
    """The numbers of workers to measure: the one asked for, or powers of two up to the cores."""
    if workers:
        return [workers]
    limit = max(1, min(cores(), most))
    return [count for count in (2**power for power in range(16)) if count <= limit]


def _gpu_precision(device: str) -> Precision:
    native = torch.version.hip or torch.cuda.get_device_capability(device)[0] >= 8
    return "bfloat16" if native else "float32"


def measure_all(workload: Workload, counts: list[int]) -> Iterator[tuple[Choice, float]]:
    """Each candidate with the seconds a step takes, divided by the workers that step at a time.

    Candidates that fail, for lack of memory say, are left out; `AtrousError` if all do. None is
    begun once `LONGEST` is over.
    """
    candidates, failure, failures = list(_candidates(counts)), None, 0
    end = time.monotonic() + LONGEST
    with find_executor("local", max(counts)) as executor:
        warm = candidates[-1].compute
        wait([executor.submit(step_seconds, workload, warm) for _ in range(max(counts))])
        for choice in track(candidates, "finding the fastest way to compute", len(candidates)):
            jobs = [
                executor.submit(step_seconds, workload, choice.compute)
                for _ in range(choice.workers)
            ]
            wait(jobs)
            try:
                seconds = sum(job.result() for job in jobs)
            except (WorkerLostError, MemoryError, RuntimeError) as error:
                failure, failures = error, failures + 1
                continue
            yield choice, seconds / choice.workers**2
            if time.monotonic() > end:
                return
    if failures == len(candidates):
        raise AtrousError(
            f"Expected to train a cell of {workload.filters} filters with {workload.batch} images "
            f"a step, but: {failure}. Lower --filters, --batch or --workers."
        )


def step_seconds(workload: Workload, compute: Compute) -> float:
    """The median time of a training step, on random features."""
    torch.set_num_threads(compute.threads)
    torch.manual_seed(0)
    space = find_space(workload.architecture.space)
    part = space.build(workload.architecture.genotype, workload.channels, workload.filters)
    network = tail(part, workload.classes).train()
    compute.arrange(network)
    road = geometry(workload.crop, network.stride, compute.device)
    step = make_step(
        network, road, make_optimiser(network, Schedule(workload.batch, 0.01, 0)), compute
    )
    features = {
        stride: compute.place(_random_maps(workload, stride, compute.device))
        for stride in part.reads
    }
    shape = (workload.batch, *feature_size(workload.crop, TARGET_STRIDE))
    targets = torch.randint(workload.classes, shape, device=compute.device)
    times = []
    for _ in range(WARM_UP + TIMED):
        start = time.perf_counter()
        float(step(features, targets, 0.01))
        times.append(time.perf_counter() - start)
    return sorted(times[WARM_UP:])[TIMED // 2]


def least_memory(workload: Workload) -> float:
    """Bytes that a training step takes at least: those of the weights, and of what is kept of its
    forward pass, in bfloat16. Nothing is computed, and nothing stored."""
    space = find_space(workload.architecture.space)
    with torch.device("meta"):
        part = space.build(workload.architecture.genotype, workload.channels, workload.filters)
        network = tail(part, workload.classes)
    maps = {stride: _random_maps(workload, stride, "meta") for stride in part.reads}
    kept = Kept(network.parameters())
    with kept:
        scores = network(maps)
    del scores
    return LEAST_OF_WEIGHT * parameter_count(network) + BFLOAT16 * kept.bytes


def _random_maps(workload: Workload, stride: int, device: str) -> Tensor:
    size = feature_size(workload.crop, stride)
    return torch.randn(workload.batch, workload.channels[stride], *size, device=device)


def _recall(path: Path) -> Choice | None:
    """The choice kept at `path`, if there is a sound one."""
    try:
        return from_text(Choice, path.read_bytes())
    except (OSError, ValueError):
        return None


def _remember(choice: Choice, path: Path) -> None:
    mend = "Name a folder that can be written with --cache."
    with writing(f"to {path.parent}", mend):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_plain(path, choice, "how trials are computed", mend)


def _candidates(counts: list[int]) -> Iterator[Choice]:
    for count in counts:
        for precision in PRECISIONS:
            for layout in LAYOUTS:
                compute = Compute("cpu", precision, layout, max(1, cores() // count))
                yield Choice(compute, count)


def _key(workload: Workload, counts: list[int]) -> str:
    made_of = {
        **asdict(workload),
        "workers": counts,
        "cores": cores(),
        "machine": platform.processor() or platform.machine(),
        "torch": torch.__version__,
        "features": torch.backends.cpu.get_cpu_capability(),
    }
    text = json.dumps(made_of, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
