"""The whole way in one go."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from atrous.cli.options import given, parse_duration
from atrous.cli.search_options import (
    DeviceOption,
    ResumeOption,
    SelectOn,
    SpaceOption,
    Workers,
)
from atrous.cli.shared import (
    RUNS,
    CacheOption,
    default_cache,
    tell_score,
)
from atrous.core.console import output
from atrous.core.errors import AtrousError

RESUMABLE = frozenset({"data", "out", "resume", "cache", "budget"})
"""What may be given with --resume; the budget as long as it is not split."""
MANY = 1000
"""Trials, before a measurement tells how many fit into the budget."""


def run(
    context: typer.Context,
    data: Annotated[
        Path | None, typer.Argument(help="The folder of a data set; with --resume, of a run.")
    ] = None,
    budget: Annotated[str, typer.Option(help="Time for everything: 30m, 2h, 12h.")] = "2h",
    out: Annotated[Path | None, typer.Option(help="The run's folder [runs/DATE].")] = None,
    space: SpaceOption = "dpc",
    select_on: SelectOn = "val",
    backbone: Annotated[str, typer.Option(help="A timm model.")] = "tf_efficientnet_lite0",
    weights: Annotated[
        str, typer.Option(help="auto (timm's hub), builtin, none, or a file.")
    ] = "auto",
    output_stride: Annotated[int, typer.Option(help="8 or 16.")] = 16,
    filters: Annotated[int, typer.Option(help="Width of the cell; the paper's is 256.")] = 64,
    steps: Annotated[int, typer.Option(help="Training steps of a trial of the search.")] = 400,
    crop: Annotated[
        str | None,
        typer.Option(help="HxW of a training crop, end to end [the largest image, 513 at most]."),
    ] = None,
    batch: Annotated[int, typer.Option(help="Images a step, end to end.")] = 8,
    workers: Workers = None,
    seed: Annotated[int, typer.Option(help="Of everything drawn by chance.")] = 0,
    device: DeviceOption = "auto",
    resume: ResumeOption = False,
    cache: CacheOption = None,
) -> None:
    """Checks, searches, re-ranks, trains, evaluates, exports and reports, within a budget of time.

    How the budget is split follows from a trial and a few training steps measured first.
    """
    from atrous.core.options import replaced
    from atrous.data.canvas import parse_size
    from atrous.search.run import latest_run
    from atrous.stages.search import usual
    from atrous.stages.whole.whole import begin, give
    from atrous.stages.whole.wish import WISH, Wish

    kept = cache or default_cache()
    if resume:
        _refuse_to_change(given(context, *RESUMABLE))
        folder = data or out or latest_run(RUNS, WISH)
        if "--budget" in given(context):
            give(folder, parse_duration(budget))
        drive_whole(folder, kept)
        return
    if data is None:
        raise AtrousError("Expected the folder of a data set: atrous run DATA.")
    config = replaced(
        usual(space),
        data=str(data),
        select_on=select_on,
        trials=MANY,
        time=parse_duration(budget),
        seed=seed,
        workers=workers,
        device=device,
        backbone=backbone,
        weights=weights,
        output_stride=output_stride,
        filters=filters,
        steps=steps,
    )
    out = out or RUNS / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    begin(Wish(config, batch, parse_size(crop) if crop else None), out)
    drive_whole(out, kept)


def drive_whole(out: Path, cache: Path) -> None:
    """Goes through the stages that are left, and says how to go on if it is interrupted."""
    from atrous.stages.whole.whole import finish

    try:
        page = finish(out, cache, _say, tell_score)
    except KeyboardInterrupt:
        output.print(f"Stopped. Go on: atrous run --resume {out}", soft_wrap=True)
        raise
    output.print(f"report: {page.resolve()}", soft_wrap=True)
    output.print(f"the model: {out / 'trained' / 'best' / 'model'}", soft_wrap=True)


def _refuse_to_change(changed: list[str]) -> None:
    if changed:
        raise AtrousError(
            f"With --resume, a run goes on as it began: {', '.join(changed)} cannot be changed. "
            "Begin another with another --out."
        )


def _say(text: str) -> None:
    output.print(text, soft_wrap=True)
