"""Re-ranking the best of a search."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atrous.cli.options import Told, given, takes
from atrous.cli.shared import CacheOption, RunPath, default_cache
from atrous.core.config import RerankConfig
from atrous.core.console import output
from atrous.core.errors import AtrousError

if TYPE_CHECKING:
    from atrous.search.run import Run


@takes(RerankConfig)
def rerank(
    context: typer.Context,
    told: Told,
    run: RunPath,
    again: Annotated[
        bool, typer.Option("--again", help="Forget an earlier re-ranking of the run.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was begun.")] = False,
    cache: CacheOption = None,
) -> None:
    """Trains the best of a search end to end with their backbone, and ranks them by that.

    The proxy's best is seldom the task's best. Interrupted, it goes on with --resume.
    """
    from atrous.search.run import open_run
    from atrous.stages.rerank import begin

    found = open_run(run)
    changed = given(context, "run", "resume", "cache")
    if resume and changed:
        raise AtrousError(
            f"With --resume, a re-ranking goes on as it began: {', '.join(changed)} cannot be "
            "changed. Begin another with --again instead of --resume."
        )
    if not resume:
        begin(found, told.on(RerankConfig()), again)
    drive_rerank(found, cache or default_cache())


def drive_rerank(run: Run, cache: Path) -> None:
    """Ranks again what is left of a run, and prints both rankings."""
    from atrous.cli.tables import rankings
    from atrous.report.rerank import second_ranking
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
    output.print(rankings(second_ranking(run)))
    output.print(f"Next: atrous train {run.path}", soft_wrap=True)
