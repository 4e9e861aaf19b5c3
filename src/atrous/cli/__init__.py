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
from atrous.cli.results import compare, report
from atrous.cli.search import search, status
from atrous.errors import AtrousError

COMMANDS = (spaces, describe, check, scenes, search, status, report, compare, demo)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Finds the dense-prediction network that fits your images, device and budget.",
)
for command in COMMANDS:
    app.command()(command)


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
