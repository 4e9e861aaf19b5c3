"""Results as tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from atrous.core.statistics import Interval, mean_interval
from atrous.core.words import count, decimal, duration, quantity, score_name, told
from atrous.data.check import Report
from atrous.data.dataset import FOLDER
from atrous.data.findings import Problem
from atrous.model.evaluation.record import Evaluation
from atrous.model.export.exported import ExportedFile
from atrous.model.export.interface import INPUT
from atrous.model.facts import Latency
from atrous.report.front import Front
from atrous.report.leaderboard import TOP, Row, failures, is_of_rungs, shown
from atrous.report.measures import TitledNetwork, evaluation_of, most_telling
from atrous.report.rerank import Again, SecondRanking, agreement_words, left_words, winner_words
from atrous.report.trained import Timetable
from atrous.search.ledger import Entry
from atrous.stages.compare import Comparison, paired, scores
from atrous.tasks import USUAL


def leaderboard_table(rows: Sequence[Row], entries: Sequence[Entry] = (), top: int = TOP) -> Table:
    """The top of the leaderboard and the baselines, within 100 columns.

    `entries` lends the line on failed trials below the table.
    """
    task = rows[0].task if rows else USUAL
    name = rows[0].score_name if rows else task.value
    values = [task.value] if name != task.value else []
    table = Table(box=None, pad_edge=False, caption_justify="left", header_style="bold")
    for heading in ("rank", "trial"):
        table.add_column(heading, justify="right")
    table.add_column("cell", overflow="fold")
    table.add_column("origin", overflow="fold")
    scores, steps = map(score_name, (name, *values, task.loss)), is_of_rungs(rows)
    numbers = [*(["steps"] if steps else []), *scores, "params", "MAdds", "s"]
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    for row in shown(rows, top):
        cells = _row_cells(row, bool(values), steps)
        table.add_row(*cells, style="cyan" if row.is_baseline else None)
    table.caption = _caption(rows, entries, top)
    return table


def front_table(front: Front) -> RenderableType:
    """The trials on a front, the best score first, and its hypervolume in words."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("trial", justify="right")
    table.add_column("cell", overflow="fold")
    for name in front.names:
        table.add_column(score_name(name), justify="right", no_wrap=True)
    for row in front.rows:
        style = "cyan" if row.is_baseline else None
        table.add_row(str(row.number), Text(row.name), *front.cells(row), style=style)
    return Group(table, Text(front.words))


def rankings(second: SecondRanking) -> RenderableType:
    """Both rankings as a table within 100 columns, and in words how far they agree."""
    if not second.cells:
        lines = ["Nothing has a second score yet.", left_words(second), *second.failed]
        return Group(*(Text(line) for line in lines if line))
    lines = [winner_words(second), agreement_words(second), left_words(second), *second.failed]
    return Group(_ranking_table(second), "", *(Text(line) for line in lines if line))


def outcome_table(networks: Sequence[TitledNetwork]) -> Table:
    """The trained networks of a whole run, the one to use first, within 60 columns."""
    asked = most_telling(networks)
    scored = next((e for n in networks if (e := evaluation_of(n, asked))), None)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("network", overflow="fold")
    for heading in (f"mIoU % {scored.split}" if scored else "mIoU %", "params", "MAdds"):
        table.add_column(heading, justify="right")
    table.add_column("latency", justify="right", overflow="fold")
    for each in networks:
        trained, found = each.trained, evaluation_of(each, asked)
        fastest = min(trained.timings, key=lambda timing: timing.median_ms, default=None)
        table.add_row(
            Text(each.title),
            told(found.miou, "miou") if found else "",
            count(trained.parameters) if trained.parameters else "",
            count(trained.multiply_adds) if trained.multiply_adds else "",
            fastest.words if fastest else "",
        )
    return table


def time_table(schedule: Timetable, took: Mapping[str, float]) -> Table:
    """The time that was planned for each stage of a whole run, and that it took."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("stage")
    for heading in ("planned", "took"):
        table.add_column(heading, justify="right")
    planned = {stage.name: stage.seconds for stage in schedule.stages}
    for name in dict.fromkeys((*took.keys() - planned.keys(), *planned)):
        cells = (known.get(name) for known in (planned, took))
        table.add_row(name, *("" if cell is None else duration(cell) for cell in cells))
    table.add_row("in all", duration(schedule.budget), duration(sum(took.values())), style="bold")
    return table


def _row_cells(row: Row, with_value: bool, with_steps: bool) -> list[str | Text]:
    return [
        str(row.rank),
        str(row.number),
        Text(row.name),
        row.source,
        *([str(row.steps)] if with_steps else []),
        told(row.score, row.score_name),
        *([told(row.value, row.task.value)] if with_value else []),
        decimal(row.loss),
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
    narrow, wide = ("rank", "trial", second.second_name), f"proxy {second.score_name}"
    for heading in ("rank", "trial", "proxy rank", wide, second.second_name):
        table.add_column(heading, justify="right", no_wrap=heading in narrow)
    table.add_column("cell", overflow="fold")
    for heading in ("params", "MAdds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in second.cells:
        table.add_row(*_ranking_line(cell, second), style="cyan" if cell.row.is_baseline else None)
    return table


def _ranking_line(cell: Again, second: SecondRanking) -> list[Text]:
    proxy = cell.proxy
    texts = (
        _whole(cell.rank),
        _whole(cell.trial),
        _whole(proxy.rank if proxy else None),
        told(proxy.score if proxy else None, second.score_name),
        told(cell.row.score, second.second_name),
        cell.row.name,
        count(cell.row.parameters),
        count(cell.row.multiply_adds),
    )
    return [Text(text) for text in texts]


def _whole(number: int | None) -> str:
    return "" if number is None else str(number)


def comparison_table(comparison: Comparison) -> RenderableType:
    """The main value of each architecture on each split, differences of the first to the others,
    and what was left out.

    In points of 100, with the 95 % confidence interval over seeds.
    """
    parts: list[RenderableType] = [_means(comparison), "", _differences(comparison)]
    if comparison.left_out:
        parts += ["", *_left_out(comparison)]
    return Group(*parts)


def _means(comparison: Comparison) -> Table:
    title = f"{score_name(comparison.value)} over seeds, mean [95 % interval]"
    table = Table("architecture", "seeds", *comparison.splits, title=title)
    for name, text in comparison.names.items():
        values = (
            scores(comparison.replicates, text, split).values() for split in comparison.splits
        )
        _add(table, name, [mean_interval(list(each)) for each in values], comparison.seeds)
    return table


def _differences(comparison: Comparison) -> Table:
    table = Table("difference", "seeds", *comparison.splits, title="paired over seeds")
    first, *others = comparison.names
    for other in others:
        one, two = comparison.names[first], comparison.names[other]
        found = [paired(comparison.replicates, one, two, split) for split in comparison.splits]
        _add(table, f"{first} - {other}", found, comparison.seeds)
    return table


def _add(table: Table, name: str, found: list[Interval], seeds: int) -> None:
    count = min(each.count for each in found)
    share = str(seeds) if count == seeds else f"{count} of {seeds}"
    table.add_row(Text(name), share, *map(_words, found))


def _words(found: Interval) -> str:
    if found.count < 2:
        return f"{100 * found.mean:.2f}" if found.count else "none"
    return f"{100 * found.mean:.2f} [{100 * found.low:.2f}, {100 * found.high:.2f}]"


def _left_out(comparison: Comparison) -> list[Text]:
    lines = [Text("Left out, and tried again when you ask again:")]
    for failed in comparison.left_out:
        trial = failed.trial
        names = (n for n, text in comparison.names.items() if text == str(trial.architecture))
        where = f"{' = '.join(names)} with seed {trial.seed}"
        lines.append(Text(f"{where}, {failed.reason.value}: {failed.error}"))
    return lines


_SIZES_SHOWN = 6


def check_report(report: Report) -> RenderableType:
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
    for split, number in report.unlabelled.items():
        text.append(f"{number} {split} images without labels. ")
    if not report.problems:
        return text.append("No problems found.", style="green")
    style = "bold red" if report.errors else "yellow"
    errors, warnings = report.errors, report.warnings
    return text.append(f"{quantity(errors, 'error')}, {quantity(warnings, 'warning')}.", style)


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


USE = {
    "onnx": (
        'onnxruntime.InferenceSession("{name}").run(None, {{"{input}": images}})[0]',
        "its classes and the rest: .get_modelmeta().custom_metadata_map",
    ),
    "pt2": (
        'torch.export.load("{name}").module()(images)',
        'its classes and the rest: extra_files={{"metadata.json": ""}} when loading',
    ),
}

UNIT = {
    "logits": " of the largest class score",
    "ids": " of the largest class score",
    "probabilities": "",
}


def evaluation_table(evaluation: Evaluation) -> RenderableType:
    """Tables each class with its IoU and share of the labelled pixels, and the scores."""
    counts = evaluation.counts
    how = f"{evaluation.images} images, {evaluation.inference}"
    head = f"{evaluation.data}, {evaluation.split}: {how}"
    table = Table("class", title="IoU of each class, in percent", title_justify="left")
    table.add_column("IoU", justify="right")
    table.add_column("share of labelled pixels", justify="right")
    shares = counts.sum(1) / max(1, int(counts.sum()))
    for (name, iou), share in zip(evaluation.class_iou.items(), shares, strict=True):
        table.add_row(Text(name), told(iou, "miou") or "absent", f"{share:.2%}")
    table.add_section()
    table.add_row(Text("mIoU", "bold"), Text(told(evaluation.miou, "miou"), "bold"), "")
    return Group(
        Text(head),
        table,
        Text(
            f"mean accuracy {told(evaluation.mean_accuracy, 'miou')}, "
            f"pixel accuracy {told(evaluation.pixel_accuracy, 'miou')}, "
            f"frequency-weighted IoU {told(evaluation.weighted_iou, 'miou')}"
        ),
    )


def export_lines(exported: ExportedFile) -> RenderableType:
    """Says what was written, its input and output, how it was compared and how it is used."""
    lines = [
        f"wrote {exported.path} ({exported.size / 1e6:.1f} MB)",
        f"input    {exported.metadata['input']}",
        f"output   {exported.metadata['output']}",
        *_compared(exported),
        *_use(exported),
    ]
    return Group(*map(Text, lines))


def _compared(exported: ExportedFile) -> list[str]:
    sizes = ", ".join(
        f"{each.batch} x {each.size[0]} x {each.size[1]}" for each in exported.comparisons
    )
    worst = max(each.difference for each in exported.comparisons)
    return [
        f"compared with the model on random pixels ({sizes}): differs by at most {worst:.1g}"
        f"{UNIT[exported.interface.output]}; up to {exported.tolerance:g} is accepted"
    ]


def _use(exported: ExportedFile) -> list[str]:
    name = exported.path.name
    first, *rest = (line.format(name=name, input=INPUT) for line in USE[exported.format])
    return [f"use it   {first}", *(f"         {line}" for line in rest)]


def latency_table(latencies: Sequence[Latency]) -> RenderableType:
    """Tables the milliseconds of each runtime: median, quartiles, fastest and slowest."""
    first = latencies[0]
    height, width = first.size
    head = (
        f"one pass, from {first.batch} x 3 x {height} x {width} normalised pixels to class "
        f"scores of each, {first.precision}, "
        f"{quantity(first.threads, 'CPU thread')}\non {first.device}: {first.device_name}"
    )
    table = Table()
    table.add_column("runtime", no_wrap=True)
    for name in ("median ms", "quartiles ms", "range ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for each in latencies:
        table.add_row(
            f"{each.runtime} {each.version}",
            f"{each.median_ms:.2f}",
            "{:.2f} - {:.2f}".format(*each.quartiles_ms),
            "{:.2f} - {:.2f}".format(*each.range_ms),
        )
    warm = " and ".join(str(each.warm_up) for each in latencies)
    passes = f"{len(latencies[0].milliseconds)} passes, after {warm} to warm up"
    return Group(Text(head), table, Text(passes + (", in turns" if len(latencies) > 1 else "")))
