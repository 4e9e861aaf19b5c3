"""The command line. Each command gathers its arguments and hands over."""

from __future__ import annotations

import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from atrous.cli.architectures import describe, spaces
from atrous.cli.data import check, scenes
from atrous.cli.demo import demo
from atrous.cli.evaluate import evaluate
from atrous.cli.export import export, latency
from atrous.cli.fidelity import fidelity
from atrous.cli.options import Command
from atrous.cli.predict import predict
from atrous.cli.recipe import recipe as recipe_commands
from atrous.cli.rerank import rerank
from atrous.cli.results import compare, report
from atrous.cli.run import run
from atrous.cli.search import search, status
from atrous.cli.train import train
from atrous.core.errors import AtrousError

COMMANDS = (
    run,
    spaces,
    describe,
    check,
    scenes,
    search,
    status,
    report,
    compare,
    rerank,
    fidelity,
    train,
    evaluate,
    predict,
    export,
    latency,
    demo,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Finds the dense-prediction network that fits your images, device and budget.",
)
for command in COMMANDS:
    app.command(cls=Command)(command)
app.add_typer(recipe_commands, name="recipe")


def main() -> None:
    """Runs the command line; ends the process with 1 for an error, 130 for an interruption."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        app()
    except AtrousError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
