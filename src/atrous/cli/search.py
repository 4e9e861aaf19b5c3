"""The search, the re-ranking of its best, and what they found: reports, comparisons, fidelity."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from atrous.cli.options import Json, show, takes
from atrous.core.console import command, output, say, stoppable
from atrous.core.errors import require_all
from atrous.core.requests import (
    CompareConfig,
    FidelityRequest,
    ReportRequest,
    RerankRequest,
    RunRequest,
    SearchRequest,
)
from atrous.stages.told import RUNS, Told, cache_of, refuse_to_change, require_dataset

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


@takes(ReportRequest)
def report(told: Told) -> None:
    """Prints the leaderboard and writes it as CSV beside a page with everything about the run."""
    from atrous.cli.tables import front_table, leaderboard_table, rankings
    from atrous.report.front import front_of
    from atrous.report.leaderboard import leaderboard
    from atrous.report.page import answer, write_report
    from atrous.report.rerank import second_ranking
    from atrous.search.run import open_run

    asked = told.made(ReportRequest)
    found = open_run(asked.run)
    page = write_report(found, open_run(asked.against) if asked.against else None)
    entries = found.ledger().entries()
    rows = leaderboard(found, entries)
    output.print(leaderboard_table(rows, entries))
    if front := front_of(found, rows):
        output.print(front_table(front))
    if found.reranked():
        output.print(rankings(second_ranking(found)))
    say(answer(found).words)
    say(f"report: {page.resolve()}")


@takes(CompareConfig)
def compare(told: Told, as_json: Json = False) -> None:
    """Trains the best of a run and others with fresh seeds, and scores them on other images."""
    from atrous.cli.tables import comparison_table
    from atrous.estimation.search_data import moved as with_data
    from atrous.search.run import open_run
    from atrous.stages import compare as comparison
    from atrous.stages.search import usual

    asked = told.made(CompareConfig)
    opened = with_data(open_run(asked.run), asked.folders.moved)
    beside = ("best", *usual(opened.config.space).baselines)
    chosen = beside if asked.architectures is None else asked.architectures
    kept = cache_of(asked.folders)
    found = comparison.compare(opened, chosen, asked.on, asked.seeds, kept)
    show(found, as_json, comparison_table)


@takes(FidelityRequest)
def fidelity(told: Told) -> None:
    """Trains 31 small cells by proxy and in full, and tells how far their ranks agree.

    Interrupted, it goes on where it stopped when it is asked for again.
    """
    from atrous.stages.fidelity.measure import measure, prepare, require_possible
    from atrous.stages.fidelity.result import gather
    from atrous.stages.fidelity.summary import StudyView, render, write_summary

    def check(asked: FidelityRequest) -> None:
        require_all(
            partial(require_dataset, told, "fidelity", asked.folders),
            partial(require_possible, asked.study),
        )

    asked = told.on(FidelityRequest(), check)
    out = asked.folders.out or RUNS / "fidelity"
    study, ways = prepare(asked.study, out, cache_of(asked.folders))
    view = StudyView(asked.study.cells)
    try:
        with view.shown():
            measure(study, ways, view.begin, view.watch)
    except KeyboardInterrupt:
        done = sum(map(len, study.entries().values()))
        say(f"Stopped; {done} trials are kept. Go on: ask again as before.")
        write_summary(gather(study), out)
        raise
    found = gather(study)
    output.print(render(found))
    say(f"summary: {write_summary(found, out).resolve()}")
