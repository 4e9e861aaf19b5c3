"""What a search has found: the report, and a fair comparison."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from atrous.cli.shared import CacheOption, Json, RunPath, default_cache
from atrous.core.console import output


def report(
    run: RunPath,
    against: Annotated[
        Path | None, typer.Option(help="Another run under the same proxy, to compare with.")
    ] = None,
) -> None:
    """Prints the leaderboard and writes it as CSV beside a page with everything about the run."""
    from atrous.cli.tables import leaderboard_table, rankings
    from atrous.report.leaderboard import leaderboard
    from atrous.report.page import write_report
    from atrous.report.rerank import second_ranking
    from atrous.search.run import open_run

    found = open_run(run)
    page = write_report(found, open_run(against) if against else None)
    entries = found.ledger().entries()
    output.print(leaderboard_table(leaderboard(found, entries), entries))
    if found.reranked():
        output.print(rankings(second_ranking(found)))
    output.print(f"report: {page.resolve()}", soft_wrap=True)


def compare(
    run: RunPath,
    architectures: Annotated[
        str, typer.Option(help="What to train anew; best is the best of the run.")
    ] = "best,dpc:aspp,dpc:top1",
    on: Annotated[
        str, typer.Option(help="Splits to score on [all that the search has not seen].")
    ] = "",
    seeds: Annotated[int, typer.Option(min=2, help="Fresh seeds for each architecture.")] = 3,
    as_json: Json = False,
    cache: CacheOption = None,
) -> None:
    """Trains the best of a run and others with fresh seeds, and scores them on other images."""
    from atrous.cli.comparison_view import render
    from atrous.search.run import open_run
    from atrous.stages import compare as comparison

    chosen = tuple(name for name in architectures.split(",") if name)
    splits = tuple(split for split in on.split(",") if split)
    found = comparison.compare(open_run(run), chosen, splits, seeds, cache or default_cache())
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        output.print(render(found))
