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
    output,
    parse_duration,
)
from atrous.errors import AtrousError

if TYPE_CHECKING:
    from atrous.search import Estimator

TRIALS = 60
RESUMABLE = {"data", "out", "resume", "cache", "trials", "time"}


def search(
    context: typer.Context,
    data: Annotated[Path | None, typer.Argument(help="The folder of a data set.")] = None,
    space: Annotated[str, typer.Option(help="A space; atrous spaces lists them.")] = "dpc",
    strategy: Annotated[str, typer.Option(help="random or local.")] = "local",
    trials: Annotated[
        int | None, typer.Option(help="How many candidates, baselines not counted [60].")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="No trial begins after this: 90s, 30m, 2h.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Trials at a time [the fastest split, measured].")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of proposals, first weights and batches.")] = 0,
    out: Annotated[Path | None, typer.Option(help="The run's folder [runs/DATE].")] = None,
    select_on: Annotated[
        str,
        typer.Option(
            help="What scores are taken on: val, or a part of train held out by a "
            "fraction (0.2) or by file-name prefix (0006R0)."
        ),
    ] = "val",
    backbone: Annotated[str, typer.Option(help="A timm model.")] = "tf_efficientnet_lite0",
    weights: Annotated[
        str, typer.Option(help="auto (timm's hub), builtin, none, or a file.")
    ] = "auto",
    output_stride: Annotated[int, typer.Option(help="8 or 16.")] = 16,
    crop: Annotated[
        str | None,
        typer.Option(help="Canvas HxW of every image [the largest, 513 at most]."),
    ] = None,
    filters: Annotated[int, typer.Option(help="Width of the cell; the paper's is 256.")] = 64,
    steps: Annotated[int, typer.Option(help="Training steps of a trial.")] = 400,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 8,
    rate: Annotated[float, typer.Option(help="Base learning rate.")] = 0.1,
    score: Annotated[str, typer.Option(help="miou, blend or cross-entropy.")] = "miou",
    baselines: Annotated[str, typer.Option(help="Architectures to run beside.")] = (
        "dpc:aspp,dpc:top1"
    ),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run named instead of DATA, or the last."),
    ] = False,
    cache: CacheOption = None,
) -> None:
    """Searches the space on the data set; interrupted, it goes on with --resume."""
    from atrous import driver
    from atrous.estimation.crop import parse_size
    from atrous.request import Request
    from atrous.run import extend, latest_run, open_run

    if resume:
        _refuse_to_change(context)
        path = data or out or latest_run(RUNS)
        if trials is not None or time:
            extend(open_run(path), trials, parse_duration(time) if time else None)
        drive(path, None, cache or default_cache())
        return
    if data is None:
        raise AtrousError("Expected the folder of a data set: atrous search DATA.")
    request = Request(
        data=str(data),
        select_on=select_on,
        space=space,
        strategy=strategy,
        baselines=tuple(name for name in baselines.split(",") if name),
        trials=TRIALS if trials is None else trials,
        seconds=parse_duration(time) if time else None,
        workers=workers,
        seed=seed,
        backbone=backbone,
        weights=weights,
        output_stride=output_stride,
        crop=parse_size(crop) if crop else None,
        filters=filters,
        steps=steps,
        batch=batch,
        rate=rate,
        score=score,
        device=device,
    )
    out = out or RUNS / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    _, estimator = driver.begin(request, out, cache or default_cache())
    drive(out, estimator, cache or default_cache())


def status(run: RunPath) -> None:
    """Shows how far a search is; from any terminal, at any time."""
    from atrous.run import open_run
    from atrous.search_view import status as render

    found = open_run(run)
    output.print(render(found, found.ledger().entries(), found.is_running()))


def drive(path: Path, estimator: Estimator | None, cache: Path) -> None:
    """Runs what is left of a run and says how to go on if it is interrupted."""
    from atrous import driver
    from atrous.estimators import estimator_of
    from atrous.run import open_run
    from atrous.search_view import SearchView, state_of, total_of

    run = open_run(path)
    estimator = estimator or estimator_of(run, cache)
    view = SearchView(total_of(run), run.request.seconds, run.ledger().entries())
    try:
        with view.shown():
            driver.proceed(run, estimator, view.watch)
    except KeyboardInterrupt:
        done = len(run.ledger().entries())
        output.print(f"Stopped; {done} trials are kept. Go on: atrous search --resume {path}")
        raise
    state = state_of(run, run.ledger().entries(), running=False)
    output.print(f"The search is {state}. See the results: atrous report {path}", soft_wrap=True)


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
