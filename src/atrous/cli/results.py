"""Shows what a search has found: the report, a fair comparison, how far its proxy is trusted."""

from __future__ import annotations

from functools import partial

from atrous.cli.options import Json, show, takes
from atrous.core.console import output, say
from atrous.core.errors import require_all
from atrous.core.requests import CompareConfig, FidelityRequest, ReportRequest
from atrous.stages.told import RUNS, Told, cache_of, require_dataset


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
