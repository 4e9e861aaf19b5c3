"""The search: begin, go on, watch."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atrous.cli.options import (
    RUNS,
    CacheOption,
    RunPath,
    default_cache,
    given,
    output,
    parse_duration,
)
from atrous.cli.relaxation_options import (
    Candidates,
    Checkpointing,
    GateOption,
    Hessian,
    Neutral,
    PlanOption,
    SearchBatch,
    SearchCrop,
    SearchFilters,
    SearchPrecision,
    SearchSteps,
    Seeds,
    Stop,
    WarmUp,
)
from atrous.cli.search_options import (
    BackboneOption,
    DeviceOption,
    FiltersOption,
    OutputStride,
    ResumeOption,
    SelectOn,
    SpaceOption,
    StepsOption,
    WeightsOption,
    Workers,
)
from atrous.core.config import GRADIENT, GradientConfig
from atrous.core.errors import AtrousError
from atrous.core.options import replaced

if TYPE_CHECKING:
    from atrous.search.loop import Estimator

RELAXATION = (
    "gate",
    "search_steps",
    "search_filters",
    "search_batch",
    "search_crop",
    "warm_up",
    "seeds",
    "candidates",
    "neutral",
    "search_precision",
    "checkpointing",
    "hessian",
    "stop_on_collapse",
    "plan",
)
"""The options of a differentiable search alone."""
RESUMABLE = {"data", "out", "resume", "cache", "trials", "time"}


def search(
    context: typer.Context,
    data: Annotated[Path | None, typer.Argument(help="The folder of a data set.")] = None,
    space: SpaceOption = "dpc",
    strategy: Annotated[str, typer.Option(help="random, local or gradient.")] = "local",
    trials: Annotated[
        int | None,
        typer.Option(
            help="How many candidates, baselines not counted [60; with gradient, what is decoded "
            "and 8 random ones]."
        ),
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="No trial begins after this: 90s, 30m, 2h.")
    ] = None,
    workers: Workers = None,
    seed: Annotated[int, typer.Option(help="Of proposals, first weights and batches.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder [runs/DATE].")] = None,
    select_on: SelectOn = "val",
    backbone: BackboneOption = None,
    weights: WeightsOption = None,
    output_stride: OutputStride = None,
    crop: Annotated[
        str | None,
        typer.Option(help="Canvas HxW of every image [the largest, 513 at most]."),
    ] = None,
    filters: FiltersOption = None,
    steps: StepsOption = None,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 8,
    rate: Annotated[
        float | None, typer.Option(help="Base learning rate [0.1; 0.05 for whole networks].")
    ] = None,
    score: Annotated[str, typer.Option(help="miou, blend or cross-entropy.")] = "miou",
    baselines: Annotated[
        str | None,
        typer.Option(help="Architectures to run beside [dpc:aspp,dpc:top1 for cells]."),
    ] = None,
    gate: GateOption = None,
    search_steps: SearchSteps = None,
    search_filters: SearchFilters = 8,
    search_batch: SearchBatch = 2,
    search_crop: SearchCrop = None,
    warm_up: WarmUp = None,
    seeds: Seeds = 1,
    candidates: Candidates = 1,
    neutral: Neutral = False,
    search_precision: SearchPrecision = None,
    checkpointing: Checkpointing = False,
    hessian: Hessian = False,
    stop_on_collapse: Stop = False,
    plan: PlanOption = False,
    device: DeviceOption = "auto",
    resume: ResumeOption = False,
    cache: CacheOption = None,
) -> None:
    """Searches the space on the data set; interrupted, it goes on with --resume."""
    from atrous.data.canvas import parse_size
    from atrous.search.run import extend, latest_run, open_run
    from atrous.stages import search as driver
    from atrous.stages.relax import memory_needed

    if resume:
        _refuse_to_change(context)
        path = data or out or latest_run(RUNS)
        if trials is not None or time:
            extend(open_run(path), trials, parse_duration(time) if time else None)
        drive(path, None, cache or default_cache())
        return
    if data is None:
        raise AtrousError("Expected the folder of a data set: atrous search DATA.")
    _refuse_what_is_not_read(context, strategy)
    gradient = GradientConfig(
        gate=gate or "softmax",
        steps=search_steps,
        filters=search_filters,
        batch=search_batch,
        crop=parse_size(search_crop) if search_crop else None,
        warm_up=warm_up,
        seeds=seeds,
        candidates=candidates,
        neutral=neutral,
        precision=search_precision,
        checkpointing=checkpointing,
        hessian=hessian,
        stop=stop_on_collapse,
    )
    told = {
        "trials": trials,
        "time": parse_duration(time) if time else None,
        "workers": workers,
        "backbone": backbone,
        "weights": weights,
        "output_stride": output_stride,
        "crop": parse_size(crop) if crop else None,
        "filters": filters,
        "steps": steps,
        "rate": rate,
        "baselines": None if baselines is None else tuple(filter(None, baselines.split(","))),
    }
    config = replaced(
        driver.usual(space, gradient if strategy == GRADIENT else None),
        data=str(data),
        select_on=select_on,
        strategy=strategy,
        seed=seed,
        batch=batch,
        score=score,
        device=device,
        **{name: value for name, value in told.items() if value is not None},
    )
    if plan:
        output.print(f"A step of a supernet needs {memory_needed(config)}.", soft_wrap=True)
        return
    out = out or RUNS / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    _, estimator = driver.begin(config, out, cache or default_cache())
    drive(out, estimator, cache or default_cache())


def status(run: RunPath) -> None:
    """Shows how far a search is; from any terminal, at any time."""
    from atrous.search.run import open_run
    from atrous.stages.search_view import status as render

    found = open_run(run)
    output.print(render(found, found.ledger().entries(), found.is_running()))


def drive(path: Path, estimator: Estimator | None, cache: Path) -> None:
    """Runs what is left of a run and says how to go on if it is interrupted."""
    from atrous.estimation.estimators import estimator_of
    from atrous.search.run import open_run
    from atrous.stages import search as driver
    from atrous.stages.moment_view import tell_moment
    from atrous.stages.relax import relax
    from atrous.stages.search_view import SearchView, state_of, total_of

    run = open_run(path)
    estimator = estimator or estimator_of(run, cache)
    view = SearchView(total_of(run), run.config.budget.seconds, run.ledger().entries())
    try:
        strategy = relax(run, tell_moment) if run.config.gradient else None
        with view.shown():
            driver.proceed(run, estimator, view.watch, strategy)
    except KeyboardInterrupt:
        done = len(run.ledger().entries())
        output.print(f"Stopped; {done} trials are kept. Go on: atrous search --resume {path}")
        raise
    state = state_of(run, run.ledger().entries(), running=False)
    output.print(f"The search is {state}. See the results: atrous report {path}", soft_wrap=True)


def _refuse_what_is_not_read(context: typer.Context, strategy: str) -> None:
    """Options that the strategy does not read are a misunderstanding."""
    idle = [name for name in given(context) if name[2:].replace("-", "_") in RELAXATION]
    if idle and strategy != GRADIENT:
        raise AtrousError(
            f"{', '.join(idle)} belong to --strategy {GRADIENT}; the strategy here is {strategy}."
        )


def _refuse_to_change(context: typer.Context) -> None:
    """A run goes on as it began: what would make its trials incomparable is refused."""
    given = (name for name in context.params if name not in RESUMABLE)
    changed = [
        f"--{name.replace('_', '-')}"
        for name in given
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]
    if changed:
        raise AtrousError(
            f"With --resume, a search goes on as it began: {', '.join(changed)} cannot be changed. "
            "Only --trials and --time can. Start a new run for anything else."
        )
