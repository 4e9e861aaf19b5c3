"""The benchmark: a table of trained architectures, and strategies replayed on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from atrous.cli.options import Command, Json, show, takes
from atrous.core.console import say, stoppable
from atrous.core.errors import require_all
from atrous.core.requests import BenchRequest, ReplayRequest, TableRequest
from atrous.core.words import decimal, duration, interval
from atrous.stages.told import RUNS, Told, cache_of, require_dataset

if TYPE_CHECKING:
    from atrous.core.statistics import Correlation
    from atrous.stages.bench.replay import Standings

bench = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="A table of trained architectures, and how well strategies would do on it.",
)


@bench.command(cls=Command)
@takes(BenchRequest)
def build(told: Told) -> None:
    """Trains architectures drawn by chance with two seeds each, and keeps the scores as a table.

    The same command goes on with what was stopped; with more --architectures, the table grows.
    """
    from atrous.stages.bench.build import TABLE, usual_bench
    from atrous.stages.bench.build import build as build_table
    from atrous.stages.search import require_possible

    def check(asked: BenchRequest) -> None:
        require_all(
            partial(require_dataset, told, "bench build", asked.folders),
            partial(require_possible, asked.bench.search),
        )

    asked = told.on(BenchRequest(usual_bench(told.get("space", ""))), check)
    out = asked.folders.out or RUNS / "bench"
    with stoppable(lambda: "Stopped. Go on: the same command again."):
        table = build_table(asked.bench, out, cache_of(asked.folders))
        say(f"{out / TABLE}: {len(table.rows)} architectures, {table.seconds:.0f} s a training")


@bench.command(cls=Command)
@takes(TableRequest)
def scores(told: Told, as_json: Json = False) -> None:
    """Tells how far costs, scores without training and short trainings rank as true scores do."""
    from atrous.stages.bench.surrogate import predictions
    from atrous.stages.bench.table import correlations, read_table

    table = read_table(_folder(told.made(TableRequest)))
    show(correlations(table, predictions(table)), as_json, _correlation_table)


@bench.command(cls=Command)
@takes(ReplayRequest)
def strategies(told: Told, as_json: Json = False) -> None:
    """Replays strategies on a table, and draws their regret against readings and time."""
    from atrous.report.figures import Trend, regret_figure
    from atrous.stages.bench.replay import RANDOM, lines, standings
    from atrous.stages.bench.table import read_table

    asked = told.made(ReplayRequest)
    table, out = _folder(asked.of), asked.out or RUNS / "strategies"
    found = standings(table, asked.how)
    for file, in_hours, x in (
        ("readings", False, "readings"),
        ("hours", True, "hours of one core"),
    ):
        every = [
            Trend(name, [(at, r.mean, r.low, r.high) for at, r in points])
            for name, points in lines(found, in_hours)
        ]
        ordered = sorted(every, key=lambda trend: trend.name == RANDOM)
        _draw(out / f"{file}.svg", regret_figure(ordered, x, read_table(table).about.value))
    show(found, as_json, _standing_table)
    if not as_json:
        for line in _notes(found):
            say(line)
        say(f"figures: {out.resolve()}")


def _folder(asked: TableRequest) -> Path:
    from atrous.stages.bench.table import SHIPPED

    return asked.table or SHIPPED


def _draw(path: Path, svg: str) -> None:
    from atrous.core.files import make_folder, save_text

    make_folder(path.parent, "figures")
    save_text(path, svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n")


def _correlation_table(found: Mapping[str, Correlation]) -> Table:
    """How far each column ranks, the best first."""
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    table.add_column("told by")
    for heading in ("Spearman's rho", "Kendall's tau"):
        table.add_column(heading, no_wrap=True)
    ordered = sorted(found.items(), key=lambda each: -each[1].spearman.value)
    for name, each in ordered:
        table.add_row(name, interval(each.spearman), interval(each.kendall))
    count = next(iter(found.values())).count
    table.caption = f"Of {count} architectures; in brackets, 95 % of resamples of them."
    return table


def _standing_table(found: Standings) -> Table:
    """Strategies, the least regret first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("strategy")
    marks = [n for n in (10, 20, 50) if n < found.reads]
    for n in (*marks, found.reads):
        table.add_column(f"regret {n}", justify="right", no_wrap=True)
    for heading in ("95 %", "needs", "beats random", "ms", "replays"):
        table.add_column(heading, justify="right", no_wrap=True)
    for each in found.strategies:
        last = each.regrets[found.reads]
        table.add_row(
            each.strategy,
            *(decimal(each.regrets[n].mean) for n in (*marks, found.reads)),
            f"{decimal(last.low)} .. {decimal(last.high)}",
            f"> {max(each.regrets)}" if each.needs is None else str(each.needs),
            f"{100 * each.beats_random:.0f} %",
            f"{1000 * each.own_seconds:.1f}",
            str(each.replays),
        )
    return table


def _notes(found: Standings) -> Iterator[str]:
    """Yields what is to be known beside the table."""
    yield (
        "Regret: how far the true score of what is picked after so many readings is below the "
        f"best known. Needs: readings until it is {decimal(found.level)}, that of random search "
        f"after {found.long}. ms: of a proposal; a reading takes {found.seconds:.0f} s. The truths "
        f"are drawn from what {found.architectures} trained architectures tell."
    )
    for name, seconds in found.left_out.items():
        yield f"{name} was left out: a replay took {duration(seconds)}. Name it, with more --time."
