"""The search and the re-ranking of its best: begin, go on, watch."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atrous.cli.options import (
    RUNS,
    CacheOption,
    MovedOption,
    ResumeOption,
    RunPath,
    Told,
    default_cache,
    extendable,
    given,
    refuse_moved,
    takes,
)
from atrous.core.config import GRADIENT, RerankConfig, SearchConfig
from atrous.core.console import command, output, say
from atrous.core.errors import AtrousError

if TYPE_CHECKING:
    from atrous.search.loop import Estimator
    from atrous.search.run import Run


@takes(SearchConfig)
def search(
    context: typer.Context,
    told: Told,
    out: Annotated[Path | None, typer.Option(help="The run's folder [runs/DATE].")] = None,
    resume: ResumeOption = False,
    moved: MovedOption = None,
    plan: Annotated[
        bool,
        typer.Option(
            "--plan",
            help="Tell the memory that a supernet needs, and do nothing.",
            rich_help_panel=GRADIENT,
        ),
    ] = False,
    cache: CacheOption = None,
) -> None:
    """Searches the space on the data set; interrupted, it goes on with --resume."""
    from atrous.stages import search as driver

    kept = cache or default_cache()
    if resume:
        _refuse_to_change(
            given(context, "data", "out", "resume", "moved", "cache", *extendable(SearchConfig))
        )
        drive(_extended(told, out, moved), None, kept)
        return
    refuse_moved(moved)
    if "data" not in told:
        raise AtrousError("Expected the folder of a data set: atrous search DATA.")
    config = _asked(told, plan)
    if plan:
        from atrous.stages.relax import memory_needed

        say(f"A step of a supernet needs {memory_needed(config)}.")
        return
    out = out or RUNS / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    _, estimator = driver.begin(config, out, kept)
    drive(out, estimator, kept)


def status(run: RunPath) -> None:
    """Shows how far a search is; from any terminal, at any time."""
    from atrous.search.run import open_run
    from atrous.stages.search import status as render

    found = open_run(run)
    say(render(found, found.ledger().entries(), found.is_running()))


def drive(path: Path, estimator: Estimator | None, cache: Path) -> None:
    """Runs what is left of a run and says how to go on if it is interrupted."""
    from atrous.estimation.estimators import estimator_of
    from atrous.search.run import open_run
    from atrous.stages import search as driver
    from atrous.stages.relax import relax, tell_snapshot
    from atrous.stages.search import SearchView, state_of, total_of

    run = open_run(path)
    estimator = estimator or estimator_of(run, cache)
    view = SearchView(total_of(run), run.config.budget.seconds, run.ledger().entries())
    try:
        strategy = relax(run, tell_snapshot) if run.config.gradient else None
        with view.shown():
            driver.proceed(run, estimator, view.watch, strategy)
    except KeyboardInterrupt:
        done = len(run.ledger().entries())
        say(f"Stopped; {done} trials are kept. Go on: {command('search', '--resume', path)}")
        raise
    state = state_of(run, run.ledger().entries(), running=False)
    say(f"The search is {state}. See the results: {command('report', path)}")


def _asked(told: Told, plan: bool) -> SearchConfig:
    """The search that a user asks for."""
    from atrous.spaces import default_family
    from atrous.stages.search import usual, usual_trials

    strategy = told.get("strategy", "local")
    told.require_read_by(strategy)
    if plan and strategy != GRADIENT:
        raise AtrousError(
            f"--plan belongs to --strategy {GRADIENT}; the strategy here is {strategy}."
        )
    config = told.on(usual(told.get("space", default_family().name), strategy))
    return config if "trials" in told else usual_trials(config)


def _extended(told: Told, out: Path | None, moved: Path | None) -> Path:
    """The folder of the run to go on with, whose budget and data are elsewhere if asked for."""
    from atrous.estimation.search_data import moved as with_data
    from atrous.search.run import extend, latest_run, open_run

    path = Path(told.get("data", "")) if "data" in told else out or latest_run(RUNS)
    changed = told.values()
    with_data(open_run(path), moved)
    if "trials" in told or "time" in told:
        extend(open_run(path), changed.get("trials"), changed.get("time"))
    return path


def _refuse_to_change(changed: list[str]) -> None:
    """A run goes on as it began: what would make its trials incomparable is refused."""
    if changed:
        may = " and ".join(f"--{name.replace('_', '-')}" for name in extendable(SearchConfig))
        raise AtrousError(
            f"With --resume, a search goes on as it began: {', '.join(changed)} cannot be changed. "
            f"Only {may} can. Start a new run for anything else."
        )


@takes(RerankConfig)
def rerank(
    context: typer.Context,
    told: Told,
    run: RunPath,
    again: Annotated[
        bool, typer.Option("--again", help="Forget an earlier re-ranking of the run.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with what was begun.")] = False,
    moved: MovedOption = None,
    cache: CacheOption = None,
) -> None:
    """Trains the best of a search end to end with their backbone, and ranks them by that.

    The proxy's best is seldom the task's best. Interrupted, it goes on with --resume.
    """
    from atrous.estimation.search_data import moved as with_data
    from atrous.search.run import open_run
    from atrous.stages.rerank import begin

    found = with_data(open_run(run), moved)
    changed = given(context, "run", "resume", "moved", "cache")
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
    from atrous.search.verdict import verdict_of
    from atrous.stages import rerank as reranking
    from atrous.stages.search import SearchView

    plan = reranking.read(run)
    total = len(plan.trials) + len(run.config.baselines)
    view = SearchView(total, plan.seconds, run.reranked())
    try:
        with view.shown():
            reranking.proceed(run, cache, view.watch)
    except KeyboardInterrupt:
        again = command("rerank", "--resume", run.path)
        say(f"Stopped; {len(run.reranked())} are ranked again. Go on: {again}")
        raise
    output.print(rankings(second_ranking(run)))
    if verdict := verdict_of(run, run.ledger().entries()):
        say(verdict.words)
    say(f"Next: {command('train', run.path)}")
