"""Re-ranking the best of a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atrous.cli.options import given, parse_duration
from atrous.cli.shared import CacheOption, RunPath, default_cache
from atrous.core.console import output
from atrous.core.errors import AtrousError

if TYPE_CHECKING:
    from atrous.search.run import Run


def rerank(
    context: typer.Context,
    run: RunPath,
    top: Annotated[int, typer.Option(help="So many of the best are ranked again.")] = 50,
    steps: Annotated[int, typer.Option(help="Training steps of each.")] = 1000,
    batch: Annotated[int, typer.Option(help="Images a step.")] = 8,
    rate: Annotated[
        float | None, typer.Option(help="Base learning rate [0.01; 0.0005 below 500 steps].")
    ] = None,
    crop: Annotated[
        str | None, typer.Option(help="HxW of a training crop [the largest image, 513 at most].")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="At a time [as many as searched].")] = None,
    time: Annotated[str | None, typer.Option(help="None begins after this: 90s, 30m, 2h.")] = None,
    warm: Annotated[
        bool,
        typer.Option("--warm/--cold", help="Start with the cell as the proxy trains it, or anew."),
    ] = True,
    again: Annotated[
        bool, typer.Option("--again", help="Forget an earlier re-ranking of the run.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was begun.")] = False,
    cache: CacheOption = None,
) -> None:
    """Trains the best of a search end to end with their backbone, and ranks them by that.

    The proxy's best is seldom the task's best. Interrupted, it goes on with --resume.
    """
    from atrous.data.canvas import parse_size
    from atrous.search.run import open_run
    from atrous.stages import rerank as reranking

    found = open_run(run)
    changed = given(context, "run", "resume", "cache")
    if resume and changed:
        raise AtrousError(
            f"With --resume, a re-ranking goes on as it began: {', '.join(changed)} cannot be "
            "changed. Begin another with --again instead of --resume."
        )
    if not resume:
        asked = reranking.Ask(
            top=top,
            steps=steps,
            batch=batch,
            rate=rate,
            crop=parse_size(crop) if crop else None,
            workers=workers,
            seconds=parse_duration(time) if time else None,
            warm=warm,
        )
        reranking.begin(found, asked, again)
    drive_rerank(found, cache or default_cache())


def drive_rerank(run: Run, cache: Path) -> None:
    """Ranks again what is left of a run, and prints both rankings."""
    from atrous.report.rerank import render, second_ranking
    from atrous.stages import rerank as reranking
    from atrous.stages.search_view import SearchView

    plan = reranking.read(run)
    total = len(plan.trials) + len(run.config.baselines)
    view = SearchView(total, plan.seconds, run.reranked())
    try:
        with view.shown():
            reranking.proceed(run, cache, view.watch)
    except KeyboardInterrupt:
        again = f"Go on: atrous rerank --resume {run.path}"
        output.print(f"Stopped; {len(run.reranked())} are ranked again. {again}", soft_wrap=True)
        raise
    output.print(render(second_ranking(run)))
    output.print(f"Next: atrous train {run.path}", soft_wrap=True)
