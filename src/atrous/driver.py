"""From what the user asks to a running search: checks, features, the fastest compute, the loop."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

from atrous.data.soundness import require_sound
from atrous.errors import AtrousError
from atrous.estimation.crop import derive_crop, require_crop
from atrous.estimation.proxy import SCORES
from atrous.estimation.tuning import Choice, Workload, choose, pick_device
from atrous.execution.local import LocalExecutor
from atrous.ledger import Entry
from atrous.material import Material, estimator, make_material, sources_of
from atrous.models.backbones import OUTPUT_STRIDES
from atrous.named import find_architecture
from atrous.request import Request
from atrous.run import Context, Run, Settings, create_run, machine, require_no_run, software
from atrous.search import Plan, search
from atrous.spaces import find_space
from atrous.strategies import find_strategy

TRIALS_PER_WORKER = 8
"""No more workers are picked than leave each so many trials: the more there are, the less a
proposal may learn from."""


def begin(request: Request, out: Path, cache: Path) -> tuple[Run, Material]:
    """Checks everything, computes features, picks how to compute, and makes the run folder.

    Raises `AtrousError` before anything expensive if the request cannot be met.
    """
    require_possible(request)
    require_no_run(out)
    device = pick_device(request.device)
    sources = sources_of(request)
    sizes = require_sound(sources.dataset.root)
    crop = request.crop or derive_crop(sizes, request.output_stride)
    material = make_material(sources, crop, device, cache)
    choice = _choice(request, material, device, cache)
    settings = Settings(
        request=lasting(request),
        workers=choice.workers,
        crop=crop,
        device=device,
        precision=choice.compute.precision,
        layout=choice.compute.layout,
        threads=choice.compute.threads,
    )
    return create_run(out, settings, _context(material)), material


def proceed(run: Run, material: Material, watch: Callable[[Entry], None]) -> None:
    """Runs what is left of a run's search."""
    request, settings = run.request, run.settings
    space = find_space(request.space)
    plan = Plan(
        space=space,
        strategy=find_strategy(request.strategy),
        baselines=[(name, find_architecture(name)) for name in request.baselines],
        trials=request.trials,
        steps=request.steps,
        seed=request.seed,
        workers=settings.workers,
        seconds=request.seconds,
    )
    with run.locked(), LocalExecutor(settings.workers) as executor:
        search(plan, run.ledger(), estimator(settings, material), executor, watch)


def require_possible(request: Request) -> None:
    """All that is wrong with the numbers, in one message."""
    least = {"trials": 1, "filters": 1, "steps": 1, "batch": 2, "workers": 1, "seed": 0}
    wrong = [
        f"--{name} is at least {low}, got {value}"
        for name, low in least.items()
        if (value := getattr(request, name)) is not None and value < low
    ]
    if not request.rate > 0:
        wrong.append(f"--rate is a positive number, got {request.rate}")
    if request.output_stride not in OUTPUT_STRIDES:
        wrong.append(f"--output-stride is 8 or 16, got {request.output_stride}")
    if request.score not in SCORES:
        wrong.append(f"--score is one of {', '.join(SCORES)}, got {request.score!r}")
    if wrong:
        raise AtrousError("; ".join(wrong) + ".")
    find_space(request.space)
    find_strategy(request.strategy)
    for name in request.baselines:
        find_architecture(name)
    if request.crop:
        require_crop(request.crop, request.output_stride)


def _choice(request: Request, material: Material, device: str, cache: Path) -> Choice:
    channels, height, width = material.training.features.shape[1:]
    workload = Workload(
        channels,
        height,
        width,
        request.filters,
        len(material.sources.dataset.classes),
        request.batch,
        request.output_stride,
    )
    most = request.workers or max(1, request.trials // TRIALS_PER_WORKER)
    return choose(workload, device, request.workers, most, cache)


def lasting(request: Request) -> Request:
    """The request as it is kept: it means the same from any folder, and no more trials than there
    are architectures."""
    return replace(
        request,
        data=str(Path(request.data).resolve()),
        weights=_absolute(request.weights),
        baselines=tuple(_absolute(name) for name in request.baselines),
        trials=min(request.trials, find_space(request.space).size()),
    )


def _absolute(text: str) -> str:
    """The whole path, if the text is that of a file."""
    return str(Path(text).resolve()) if Path(text).is_file() else text


def _context(material: Material) -> Context:
    sources = material.sources
    channels, height, width = material.training.features.shape[1:]
    return Context(
        classes=sources.dataset.classes,
        training_images=len(material.training),
        selection_images=len(material.selection),
        data_fingerprint=sources.fingerprint,
        weights_digest=sources.backbone.weights_digest,
        channels=channels,
        feature_size=(height, width),
        versions=software(),
        python=platform.python_version(),
        machine=machine(),
        begun=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )
