"""A study as text and pictures in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from atrous.core.files import save_text
from atrous.core.words import decimal, duration, interval, selection
from atrous.stages.fidelity.figures import scatter
from atrous.stages.fidelity.result import Agreement, Result
from atrous.stages.fidelity.words import setting_words, training_words

SUMMARY = "fidelity.md"
FEWEST = 3
"""A picture is drawn from so many cells on."""


def write_summary(result: Result, folder: Path) -> Path:
    """Writes `fidelity.md` and a picture for each pair; gives the path of the first.

    Raises `AtrousError` if the folder cannot be written.
    """
    for found in result.agreements:
        if len(found.cells) >= FEWEST:
            picture = scatter(found, result.settings.large_backbone)
            save_text(folder / picture_name(found), picture)
    save_text(folder / SUMMARY, markdown(result))
    return folder / SUMMARY


def picture_name(found: Agreement) -> str:
    """The file of a pair's picture."""
    return f"{found.pair.first}-{found.pair.second}.svg"


def markdown(result: Result) -> str:
    """The whole result in Markdown."""
    settings = result.settings
    parts = [
        "# How far to trust the proxy",
        _lead(result),
        "## Agreement",
        "Rank correlation over the cells, with 95 % bootstrap intervals; 1 is the same order, 0 is "
        "chance. Published: Spearman's rho of Chen et al. 2018, figure 3, on 31 other cells and on "
        "Cityscapes.",
        _agreements(result),
        *(_picture(found, settings.large_backbone) for found in result.agreements),
        "## Cost",
        "Median seconds of training and scoring one cell, while as many cells at a time ran as the "
        "table says. The features that are cached are computed once, which is not counted.",
        _expenses(result),
        "## Scores",
        "mIoU on the selection images. A cell is named by the branches of ASPP that it keeps; r6 "
        "is the 3x3 at rate 6.",
        _scores(result),
        *(["## Failed trials", *(f"- {line}" for line in result.failures)] * bool(result.failures)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _lead(result: Result) -> str:
    settings = result.settings
    text = (
        f"{len(result.cells)} cells on {settings.data}, scored on "
        f"{selection(settings.select_on)}; {settings.filters} filters, output stride "
        f"{settings.output_stride}, seed {settings.seed}."
    )
    return f"{text} {result.missing} trials have not ended." if result.missing else text


def _agreements(result: Result) -> str:
    rows = [
        (
            f"({found.pair.letter})" if found.pair.letter else "",
            f"{setting_words(found.pair.first, result.settings.large_backbone)} / "
            f"{setting_words(found.pair.second, result.settings.large_backbone)}",
            str(len(found.cells)),
            interval(found.correlation.spearman),
            "" if found.pair.published is None else decimal(found.pair.published, 2),
            interval(found.correlation.kendall),
        )
        for found in result.agreements
    ]
    return _table(("figure 3", "settings", "cells", "Spearman", "published", "Kendall"), rows)


def _picture(found: Agreement, large_backbone: str) -> str:
    if len(found.cells) < FEWEST:
        return ""
    names = (setting_words(name, large_backbone) for name in (found.pair.first, found.pair.second))
    return f"![mIoU: {' against '.join(names)}]({picture_name(found)})"


def _expenses(result: Result) -> str:
    cheapest = next(iter(result.expenses.values()), None)
    rows = [
        (
            name,
            training_words(result.settings, name),
            f"{expense.seconds:.1f}",
            f"{expense.seconds / cheapest.seconds:.1f}" if cheapest else "",
            str(expense.workers),
            duration(expense.elapsed),
        )
        for name, expense in result.expenses.items()
    ]
    heads = ("setting", "training", "seconds a cell", "times", "cells at a time", "all cells")
    return _table(heads, rows)


def _scores(result: Result) -> str:
    rows = [
        (name, f"`{cell}`", *(_score(scores.get(name)) for scores in result.scores.values()))
        for name, cell in result.cells.items()
    ]
    return _table(("cell", "architecture", *result.scores), rows)


def _score(miou: float | None) -> str:
    return "" if miou is None else decimal(miou)


def _table(heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = (heads, tuple("---" for _ in heads), *rows)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
