"""The search and the re-ranking of its best: begin, go on, watch."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atrous.cli.options import (
    RUNS,
    Told,
    cache_of,
    dated,
    extendable,
    refuse_to_change,
    require_dataset,
    resumed,
    takes,
)
from atrous.core.config import SearchConfig
from atrous.core.console import command, output, say, stoppable
from atrous.core.errors import require_all
from atrous.core.requests import Folders, RerankRequest, RunRequest, SearchRequest

if TYPE_CHECKING:
    from atrous.search.loop import Estimator
    from atrous.search.run import Run


@takes(SearchRequest)
def search(told: Told) -> None:
    """Searches the space on the data set; interrupted, it goes on with --resume."""
    from atrous.search.run import latest_run
    from atrous.stages import search as driver

    if "resume" in told:
        may = " and ".join(f"--{name}" for name in extendable(SearchConfig))
        may = f"Only {may} can. Start a new run for anything else."
        changed = told.values(lambda _: refuse_to_change(told, "a search", may))
        folders = told.part("folders").on(Folders())
        path = resumed(told, folders, latest_run)
        _extend(path, changed, folders)
        drive(path, None, cache_of(folders))
        return
    asked = _asked(told)
    if asked.foresight.plan:
        from atrous.stages.relax import memory_needed

        say(f"A step of a supernet needs {memory_needed(asked.search)}.")
        return
    out, cache = asked.folders.out or dated(RUNS), cache_of(asked.folders)
    _, estimator = driver.begin(asked.search, out, cache)
    drive(out, estimator, cache)


@takes(RunRequest)
def status(told: Told) -> None:
    """Shows how far a search is; from any terminal, at any time."""
    from atrous.search.run import open_run
    from atrous.stages.search import status as render

    found = open_run(told.made(RunRequest).run)
    say(render(found, found.ledger().entries(), found.is_running()))


def drive(path: Path, estimator: Estimator | None, cache: Path) -> None:
    """Runs what is left of a run and says how to go on if it is interrupted."""
    from atrous.estimation.estimators import estimator_of
    from atrous.search.run import open_run
    from atrous.search.verdict import verdict_of
    from atrous.stages import search as driver
    from atrous.stages.compare import reread
    from atrous.stages.relax import relax, tell_snapshot
    from atrous.stages.search import SearchView, state_of, total_of

    run = open_run(path)
    estimator = estimator or estimator_of(run, cache)
    view = SearchView(total_of(run), run.config.budget.seconds, run.ledger().entries())

    def stopped() -> str:
        again = command("search", "--resume", path)
        return f"Stopped; {len(run.ledger().entries())} trials are kept. Go on: {again}"

    with stoppable(stopped):
        strategy = relax(run, tell_snapshot) if run.config.gradient else None
        with view.shown():
            driver.proceed(run, estimator, view.watch, strategy)
        if run.config.reading.reread:
            reread(run, cache)
    if run.compared() and (verdict := verdict_of(run, run.ledger().entries())):
        say(verdict.words)
    state = state_of(run, run.ledger().entries(), running=False)
    say(f"The search is {state}. See the results: {command('report', path)}")


def _asked(told: Told) -> SearchRequest:
    """The search that a user asks for; raises `AtrousError` with all that is wrong with it."""
    from atrous.spaces import known_space
    from atrous.stages.search import require_possible, usual, usual_trials

    strategy = told.get("strategy", "local")

    def check(asked: SearchRequest) -> None:
        require_all(
            partial(require_dataset, told, "search", asked.folders),
            partial(told.require_read_by, strategy),
            partial(require_possible, asked.search, asked.folders.out),
        )

    usual_one = usual(known_space(told.get("space", "")), strategy)
    asked = told.on(SearchRequest(usual_one), check)
    return asked if "trials" in told else replace(asked, search=usual_trials(asked.search))


def _extend(path: Path, changed: dict[str, Any], folders: Folders) -> None:
    """Gives the run to go on with another budget, and its data from elsewhere, if asked for."""
    from atrous.estimation.search_data import moved as with_data
    from atrous.search.run import extend, open_run

    with_data(open_run(path), folders.moved)
    if changed.keys() & {"trials", "time"}:
        extend(open_run(path), changed.get("trials"), changed.get("time"))


@takes(RerankRequest)
def rerank(told: Told) -> None:
    """Trains the best of a search end to end with their backbone, and ranks them by that.

    The proxy's best is seldom the task's best. Interrupted, it goes on with --resume.
    """
    from atrous.estimation.search_data import moved as with_data
    from atrous.search.run import open_run
    from atrous.stages.rerank import begin

    def check(asked: RerankRequest) -> None:
        may = "Begin another with --again instead of --resume."
        fixed = partial(refuse_to_change, told, "a re-ranking", may)
        require_all(partial(open_run, asked.run), fixed if asked.folders.resume else str)

    asked = told.made(RerankRequest, check)
    found = with_data(open_run(asked.run), asked.folders.moved)
    if not asked.folders.resume:
        begin(found, asked.how, asked.again)
    drive_rerank(found, cache_of(asked.folders))


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
    again = command("rerank", "--resume", run.path)

    def stopped() -> str:
        return f"Stopped; {len(run.reranked())} are ranked again. Go on: {again}"

    with stoppable(stopped), view.shown():
        reranking.proceed(run, cache, view.watch)
    output.print(rankings(second_ranking(run)))
    if verdict := verdict_of(run, run.ledger().entries()):
        say(verdict.words)
    say(f"Next: {command('train', run.path)}")
