"""From what the user asks to a running search: checks, the estimator, the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from atrous.core.config import (
    GRADIENT,
    DataConfig,
    EncoderConfig,
    GradientConfig,
    ProxyConfig,
    SearchConfig,
)
from atrous.core.errors import AtrousError
from atrous.core.options import problems, replaced
from atrous.data.canvas import require_crop
from atrous.estimation.estimators import prepare
from atrous.execution import find_executor
from atrous.search.ledger import Entry
from atrous.search.loop import Estimator, SearchPlan, search
from atrous.search.objective import OBJECTIVES, find_objective
from atrous.search.promotion import FullBudget
from atrous.search.run import Run, create_run, require_no_run
from atrous.spaces import family_of, find_architecture, find_space
from atrous.stages.relax import require_relaxable
from atrous.strategies import find_strategy
from atrous.strategies.strategy import AnyStrategy

RANDOM_BESIDE = 8
"""Random architectures that what is decoded is compared with."""


def usual(space: str, strategy: str = "local") -> SearchConfig:
    """Returns the search of a space by a strategy where the user says nothing else."""
    known = family_of(space).defaults
    config = SearchConfig(
        DataConfig(""),
        space,
        strategy,
        baselines=known.baselines,
        encoder=EncoderConfig(known.backbone or "", known.weights, known.output_stride or 0),
        proxy=ProxyConfig(known.filters, known.steps, rate=known.rate),
    )
    return replace(config, gradient=GradientConfig()) if strategy == GRADIENT else config


def usual_trials(config: SearchConfig) -> SearchConfig:
    """Returns a search with as many trials as are usual where it decodes architectures."""
    asked = config.gradient
    if asked is None:
        return config
    return replaced(config, trials=asked.seeds * asked.candidates + RANDOM_BESIDE)


def begin(config: SearchConfig, out: Path, cache: Path) -> tuple[Run, Estimator]:
    """Checks everything, readies what candidates are measured on, and makes the run folder.

    Raises `AtrousError` before anything expensive if that cannot be.
    """
    require_possible(config)
    require_no_run(out)
    prepared = prepare(config, lasting(config), cache)
    run = create_run(out, prepared.settings, prepared.context)
    return run, prepared.estimator(out)


def proceed(
    run: Run,
    estimator: Estimator,
    watch: Callable[[Entry], None],
    strategy: AnyStrategy | None = None,
) -> None:
    """Runs what is left of a run's trials; `strategy` stands for that of the configuration, where
    it was made of a differentiable search."""
    config, settings = run.config, run.settings
    space = find_space(config.space)
    plan = SearchPlan(
        space=space,
        strategy=strategy or find_strategy(config.strategy),
        baselines=[(name, find_architecture(name)) for name in config.baselines],
        trials=config.budget.trials,
        promotion=FullBudget(config.proxy.steps),
        seed=config.seed,
        objective=find_objective(config.proxy.score),
        workers=settings.workers,
        seconds=config.budget.seconds,
        reproducible=config.machine.reproducible,
    )
    executor = find_executor(config.machine.executor, settings.workers)
    with run.locked(), executor:
        search(plan, run.ledger(), estimator, executor, watch)


def require_possible(config: SearchConfig) -> None:
    """Raises `AtrousError` with all that is wrong with a search, before data is looked at."""
    space = find_space(config.space)
    require_relaxable(config)
    wrong = problems(config, ("output_stride",) if space.encoder else ())
    if config.proxy.score not in OBJECTIVES:
        told = ", ".join(OBJECTIVES)
        wrong.append(f"--score is one of {told}, got {config.proxy.score!r}")
    if wrong:
        raise AtrousError("; ".join(wrong) + ".")
    if config.strategy != GRADIENT:
        find_strategy(config.strategy)
    for name in config.baselines:
        beside = find_space(find_architecture(name).space)
        if (beside.encoder is None) != (space.encoder is None):
            raise AtrousError(
                f"--baselines: {name} cannot be trained beside --space {config.space}: cells on a "
                "backbone's features and whole networks are not trained alike. Leave it out."
            )
    if config.proxy.crop:
        require_crop(config.proxy.crop, space.coarsest(config.encoder.output_stride))


def lasting(config: SearchConfig) -> SearchConfig:
    """The configuration as it is kept: it means the same from any folder, and asks for no more
    trials than there are architectures."""
    return replaced(
        config,
        data=str(Path(config.data.path).resolve()),
        weights=_absolute(config.encoder.weights),
        baselines=tuple(_absolute(name) for name in config.baselines),
        trials=min(config.budget.trials, find_space(config.space).size()),
    )


def _absolute(text: str) -> str:
    """The whole path, if the text is that of a file."""
    return str(Path(text).resolve()) if Path(text).is_file() else text
