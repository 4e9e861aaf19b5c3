"""Training a network, and the whole way in one go, with its demonstration."""

from __future__ import annotations

from pathlib import Path

from atrous.cli.options import takes
from atrous.core.console import command, output, say
from atrous.core.requests import DemoRequest, TrainRequest, WholeRequest
from atrous.stages.told import Told, cache_of


@takes(TrainRequest)
def train(told: Told) -> None:
    """Trains a network end to end into a model folder: a head with its backbone, or a whole one.

    The defaults are the papers' protocols. Under torchrun, several processes train together.
    """
    from atrous.stages import asked
    from atrous.stages.train.trainer import MODEL, read
    from atrous.training.world import announced

    folder = asked.train.of(told).path
    if not announced("cpu").leads:
        return
    model = folder / MODEL
    say(f"The model: {model}")
    say(f"Next: {command('evaluate', model, read(folder).data)}")
    say(f"Then: {command('export', model, '--to', 'onnx')}")


@takes(WholeRequest)
def run(told: Told) -> None:
    """Checks, searches, re-ranks, trains, evaluates, exports and reports, within a budget of time.

    How the budget is split follows from a trial and a few training steps measured first.
    """
    from atrous.stages import asked

    tell(asked.run.of(told).path)


def tell(folder: Path) -> None:
    """Prints what a whole run comes to: its networks, its time, and the verdict."""
    from atrous.cli.tables import outcome_table, time_table
    from atrous.report.page import PAGE, answer
    from atrous.report.trained import read_timetable, read_took
    from atrous.search.run import open_run

    found = answer(open_run(folder))
    output.print(outcome_table(found.networks))
    if schedule := read_timetable(folder):
        output.print(time_table(schedule, read_took(folder)))
    say(found.words)
    say(f"the model: {found.model}")
    say(f"report: {(folder / PAGE).resolve()}")


@takes(DemoRequest)
def demo(told: Told) -> None:
    """The whole way on built-in scenes with real pretrained weights, in a few minutes."""
    from atrous.stages import asked
    from atrous.stages.whole.request import WHOLE, begin, demo_config

    folders = told.made(DemoRequest).folders
    out = folders.out or Path("demo")
    if not (out / "run" / WHOLE).exists():
        begin(demo_config(out), out / "run")
    tell(asked.finished(out / "run", cache_of(folders)).path)
