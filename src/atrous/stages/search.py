"""From what the user asks to a running search: checks, the estimator, the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from atrous.core.config import GRADIENT, Request
from atrous.core.errors import AtrousError
from atrous.data.canvas import require_crop
from atrous.estimation.estimators import prepare
from atrous.execution.local import LocalExecutor
from atrous.networks.backbones import OUTPUT_STRIDES
from atrous.search.ledger import Entry
from atrous.search.loop import Estimator, Plan, search
from atrous.search.objective import OBJECTIVES, find_objective
from atrous.search.run import Run, create_run, require_no_run
from atrous.spaces import find_architecture, find_space
from atrous.stages.relax import require_relaxable
from atrous.strategies import find_strategy
from atrous.strategies.strategy import Strategy


def begin(request: Request, out: Path, cache: Path) -> tuple[Run, Estimator]:
    """Checks everything, readies what candidates are measured on, and makes the run folder.

    Raises `AtrousError` before anything expensive if the request cannot be met.
    """
    require_possible(request)
    require_no_run(out)
    prepared = prepare(request, lasting(request), cache)
    run = create_run(out, prepared.settings, prepared.context)
    return run, prepared.estimator(out)


def proceed(
    run: Run, estimator: Estimator, watch: Callable[[Entry], None], strategy: Strategy | None = None
) -> None:
    """Runs what is left of a run's trials; `strategy` stands for that of the request, where it was
    made of a differentiable search."""
    request, settings = run.request, run.settings
    space = find_space(request.space)
    plan = Plan(
        space=space,
        strategy=strategy or find_strategy(request.strategy),
        baselines=[(name, find_architecture(name)) for name in request.baselines],
        objective=find_objective(request.score),
        trials=request.trials,
        steps=request.steps,
        seed=request.seed,
        workers=settings.workers,
        seconds=request.seconds,
    )
    with run.locked(), LocalExecutor(settings.workers) as executor:
        search(plan, run.ledger(), estimator, executor, watch)


def require_possible(request: Request) -> None:
    """All that is wrong with the numbers, in one message."""
    require_relaxable(request)
    least = {"trials": 1, "filters": 1, "steps": 1, "batch": 2, "workers": 1, "seed": 0}
    wrong = [
        f"--{name} is at least {low}, got {value}"
        for name, low in least.items()
        if (value := getattr(request, name)) is not None and value < low
    ]
    if not request.rate > 0:
        wrong.append(f"--rate is a positive number, got {request.rate}")
    space = find_space(request.space)
    if space.encoder is None and request.output_stride not in OUTPUT_STRIDES:
        wrong.append(f"--output-stride is 8 or 16, got {request.output_stride}")
    if request.score not in OBJECTIVES:
        wrong.append(f"--score is one of {', '.join(OBJECTIVES)}, got {request.score!r}")
    if wrong:
        raise AtrousError("; ".join(wrong) + ".")
    if request.strategy != GRADIENT:
        find_strategy(request.strategy)
    for name in request.baselines:
        beside = find_space(find_architecture(name).space)
        if (beside.encoder is None) != (space.encoder is None):
            raise AtrousError(
                f"--baselines: {name} cannot be trained beside --space {request.space}: cells on a "
                "backbone's features and whole networks are not trained alike. Leave it out."
            )
    if request.crop:
        require_crop(request.crop, space.coarsest(request.output_stride))


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
