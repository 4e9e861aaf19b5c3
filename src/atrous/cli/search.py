"""The search and the re-ranking of its best: begin, go on, watch."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from atrous.cli.options import takes
from atrous.core.console import command, output, say, stoppable
from atrous.core.errors import require_all
from atrous.core.requests import RerankRequest, RunRequest, SearchRequest
from atrous.stages.told import Told, cache_of, refuse_to_change

if TYPE_CHECKING:
    from atrous.search.run import Run


@takes(SearchRequest)
def search(told: Told) -> None:
    """Searches the space on the data set; interrupted, it goes on with --resume."""
    from atrous.search.verdict import verdict_of
    from atrous.stages import asked
    from atrous.stages.search import state_of

    if "plan" in told:
        from atrous.stages.relax import memory_needed

        say(f"A step of a supernet needs {memory_needed(asked.searched(told).search)}.")
        return
    run = asked.search.of(told).run
    entries = run.ledger().entries()
    if run.compared() and (verdict := verdict_of(run, entries)):
        say(verdict.words)
    state = state_of(run, entries, running=False)
    say(f"The search is {state}. See the results: {command('report', run.path)}")


@takes(RunRequest)
def status(told: Told) -> None:
    """Shows how far a search is; from any terminal, at any time."""
    from atrous.search.run import open_run
    from atrous.stages.search import status as render

    found = open_run(told.made(RunRequest).run)
    say(render(found, found.ledger().entries(), found.is_running()))


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
