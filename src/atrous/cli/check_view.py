"""A check's report for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from atrous.data.checks.check import Report
from atrous.data.checks.findings import Problem
from atrous.data.dataset import FOLDER

_SIZES_SHOWN = 6


def render(report: Report) -> RenderableType:
    """Problems first, then the class table and the image sizes."""
    parts: list[RenderableType] = [_headline(report)]
    parts += [_problem(problem) for problem in report.problems]
    if report.shares:
        parts += ["", _classes(report)]
    if report.sizes:
        parts.append(_sizes(report))
    return Group(*parts)


def _headline(report: Report) -> Text:
    counts = ", ".join(f"{count} {split}" for split, count in report.images.items())
    whose = "" if report.layout == FOLDER else f" of {report.layout}"
    text = Text(f"{report.root}: {counts} images, {len(report.classes)} classes{whose}. ")
    for split, count in report.unlabelled.items():
        text.append(f"{count} {split} images without labels. ")
    if not report.problems:
        return text.append("No problems found.", style="green")
    style = "bold red" if report.errors else "yellow"
    errors, warnings = report.errors, report.warnings
    return text.append(
        f"{errors} error{'s' * (errors != 1)}, {warnings} warning{'s' * (warnings != 1)}.", style
    )


def _problem(problem: Problem) -> RenderableType:
    style = "bold red" if problem.severity == "error" else "yellow"
    head = Text(f"{problem.severity}  ", style).append(problem.file, "bold")
    stop = "" if problem.finding.endswith(".") else "."
    body = Text(f"{problem.finding}{stop}\n").append(f"To mend: {problem.mend}.", "cyan")
    return Padding(Group(head, Padding(body, (0, 0, 0, 2))), (1, 0, 0, 0))


def _classes(report: Report) -> Table:
    table = Table(title="Share of labelled pixels", title_justify="left")
    table.add_column("id", justify="right")
    table.add_column("class")
    for split in report.shares:
        table.add_column(split, justify="right")
    for k, name in enumerate(report.classes):
        cells = [_percent(shares[name]) for shares in report.shares.values()]
        table.add_row(str(k), Text(name), *cells)
    table.add_section()
    cells = [_percent(report.ignored[split]) for split in report.shares]
    table.add_row("255", Text("ignored, of all pixels", "italic"), *cells)
    return table


def _percent(share: float) -> Text:
    return Text("absent", "yellow") if share == 0 else Text(f"{share:.2%}")


def _sizes(report: Report) -> Text:
    shown = list(report.sizes.items())[:_SIZES_SHOWN]
    more = len(report.sizes) - len(shown)
    text = ", ".join(f"{size} ({count} images)" for size, count in shown)
    return Text(f"Sizes (width x height): {text}" + (f" and {more} others" if more else ""))
