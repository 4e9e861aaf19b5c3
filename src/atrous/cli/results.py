"""Shows what a search has found: the report, a fair comparison, how far its proxy is trusted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from atrous.cli.options import (
    RUNS,
    CacheOption,
    Json,
    MovedOption,
    RunPath,
    Told,
    default_cache,
    takes,
)
from atrous.core.config import DataConfig, FidelityConfig
from atrous.core.console import output, say
from atrous.core.errors import AtrousError
from atrous.core.requests import CompareConfig


def report(
    run: RunPath,
    against: Annotated[
        Path | None, typer.Option(help="Another run under the same proxy, to compare with.")
    ] = None,
) -> None:
    """Prints the leaderboard and writes it as CSV beside a page with everything about the run."""
    from atrous.cli.tables import leaderboard_table, rankings
    from atrous.report.leaderboard import leaderboard
    from atrous.report.page import judged, write_report
    from atrous.report.rerank import second_ranking
    from atrous.search.run import open_run

    found = open_run(run)
    page = write_report(found, open_run(against) if against else None)
    entries = found.ledger().entries()
    output.print(leaderboard_table(leaderboard(found, entries), entries))
    if found.reranked():
        output.print(rankings(second_ranking(found)))
    if verdict := judged(found):
        say(verdict.words)
    say(f"report: {page.resolve()}")


@takes(CompareConfig)
def compare(
    told: Told,
    as_json: Json = False,
    moved: MovedOption = None,
    cache: CacheOption = None,
) -> None:
    """Trains the best of a run and others with fresh seeds, and scores them on other images."""
    from atrous.cli.tables import comparison_table
    from atrous.estimation.search_data import moved as with_data
    from atrous.search.run import open_run
    from atrous.spaces import family_of
    from atrous.stages import compare as comparison

    asked = told.made(CompareConfig)
    opened = with_data(open_run(asked.run), moved)
    usual = ("best", *family_of(opened.config.space).defaults.baselines)
    chosen = usual if asked.architectures is None else asked.architectures
    kept = cache or default_cache()
    found = comparison.compare(opened, chosen, asked.on, asked.seeds, kept)
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        output.print(comparison_table(found))


@takes(FidelityConfig)
def fidelity(
    told: Told,
    out: Annotated[Path | None, typer.Option(help="The study's folder [runs/fidelity].")] = None,
    cache: CacheOption = None,
) -> None:
    """Trains 31 small cells by proxy and in full, and tells how far their ranks agree.

    Interrupted, it goes on where it stopped when it is asked for again.
    """
    from atrous.stages.fidelity.measure import measure, prepare
    from atrous.stages.fidelity.result import gather
    from atrous.stages.fidelity.summary import StudyView, render, write_summary

    if "data" not in told:
        raise AtrousError("Expected the folder of a data set: atrous fidelity DATA.")
    asked = told.on(FidelityConfig(DataConfig("")))
    out = out or RUNS / "fidelity"
    study, ways = prepare(asked, out, cache or default_cache())
    view = StudyView(asked.cells)
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
