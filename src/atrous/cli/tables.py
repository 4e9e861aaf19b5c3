"""The results of a run on the terminal: the leaderboard, and both rankings."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from atrous.core.words import count, decimal, score_name
from atrous.report.leaderboard import TOP, Row, failures, shown
from atrous.report.rerank import Again, SecondRanking, agreement_words, left_words, winner_words
from atrous.search.ledger import Entry


def leaderboard_table(rows: Sequence[Row], entries: Sequence[Entry] = (), top: int = TOP) -> Table:
    """The top of the leaderboard and the baselines, within 100 columns.

    `entries` lends the line on failed trials below the table.
    """
    name = rows[0].score_name if rows else "miou"
    with_miou = name != "miou"
    table = Table(box=None, pad_edge=False, caption_justify="left", header_style="bold")
    for heading in ("rank", "trial"):
        table.add_column(heading, justify="right")
    table.add_column("cell", overflow="fold")
    table.add_column("origin", overflow="fold")
    numbers = [score_name(name), *(["mIoU"] if with_miou else []), "CE", "params", "MAdds", "s"]
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in shown(rows, top):
        table.add_row(*_row_cells(row, with_miou), style="cyan" if row.is_baseline else None)
    table.caption = _caption(rows, entries, top)
    return table


def rankings(second: SecondRanking) -> RenderableType:
    """Both rankings as a table within 100 columns, and in words how far they agree."""
    failures = [f"No second score for {each.name}: {each.reason}" for each in second.failed]
    if not second.cells:
        lines = ["Nothing has a second score yet.", left_words(second), *failures]
        return Group(*(Text(line) for line in lines if line))
    lines = [winner_words(second), agreement_words(second), left_words(second), *failures]
    return Group(_ranking_table(second), "", *(Text(line) for line in lines if line))


def _row_cells(row: Row, with_miou: bool) -> list[str]:
    return [
        str(row.rank),
        str(row.number),
        escape(row.name),
        row.source,
        decimal(row.score),
        *([decimal(row.miou)] if with_miou else []),
        decimal(row.cross_entropy),
        count(row.parameters),
        count(row.multiply_adds),
        f"{row.seconds:.1f}",
    ]


def _caption(rows: Sequence[Row], entries: Sequence[Entry], top: int) -> str:
    words = [] if rows else ["No trial has a score yet."]
    hidden = len(rows) - len(shown(rows, top))
    if hidden:
        words.append(f"{hidden} more in leaderboard.csv.")
    if failed := failures(entries):
        words.append(failed)
    return " ".join(words)


def _ranking_table(second: SecondRanking) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("rank", "trial", "proxy rank", f"proxy {second.score_name}", "mIoU"):
        table.add_column(heading, justify="right", no_wrap=heading in {"rank", "trial", "mIoU"})
    table.add_column("cell", overflow="fold")
    for heading in ("params", "MAdds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in second.cells:
        table.add_row(*_ranking_line(cell), style="cyan" if cell.row.is_baseline else None)
    return table


def _ranking_line(cell: Again) -> list[Text]:
    proxy = cell.proxy
    texts = (
        _whole(cell.rank),
        _whole(cell.trial),
        _whole(proxy.rank if proxy else None),
        decimal(proxy.score if proxy else None),
        decimal(cell.row.score),
        cell.row.name,
        count(cell.row.parameters),
        count(cell.row.multiply_adds),
    )
    return [Text(text) for text in texts]


def _whole(number: int | None) -> str:
    return "" if number is None else str(number)
