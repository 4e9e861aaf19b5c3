"""The command line. Each command gathers its arguments and hands over."""

from __future__ import annotations

import errno
import signal
import sys
from importlib import metadata
from types import FrameType
from typing import Annotated, NoReturn

import typer

from atrous.cli.bench import bench as bench_commands
from atrous.cli.explore import check, describe, scenes, spaces
from atrous.cli.explore import recipe as recipe_commands
from atrous.cli.model import evaluate, export, latency, predict
from atrous.cli.options import Command
from atrous.cli.search import compare, fidelity, report, rerank, search, status
from atrous.cli.train import demo, run, train
from atrous.core.console import forgive
from atrous.core.errors import AtrousError, in_a_line, lacks_memory

MEND = "Close other programs, ask for less at a time, or take a machine with more."
"""How to go on without memory, where a stage does not know better."""
ROOM = "Make room, or write to another disk."
RIGHTS = "Make it yours to read and write, or name another place."
TROUBLE = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EIO: ROOM,
    errno.EACCES: RIGHTS,
    errno.EPERM: RIGHTS,
    errno.EROFS: RIGHTS,
    errno.ENAMETOOLONG: "Name a shorter one.",
}
"""How to mend what a file system says, or what the output goes to, where nobody knows better."""
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
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"atrous {metadata.version('atrous')}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Finds the dense-prediction network that fits your images, device and budget."""


for command in COMMANDS:
    summary = (command.__doc__ or "").partition("\n")[0]
    names = {"help_option_names": ["-h", "--help"]}
    app.command(cls=Command, short_help=summary, context_settings=names)(command)
app.add_typer(recipe_commands, name="recipe")
app.add_typer(bench_commands, name="bench")


def main() -> None:
    """Runs the command line; ends the process with 1 for an error, 130 for an interruption."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as for jobs in the background
            signal.signal(number, _interrupt)
    forgive()
    try:
        _run()
    except AtrousError as error:
        print("error:", "\n       ".join(map(str, error.args)), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if isinstance(error, OSError) and error.errno in TROUBLE:
            print(f"error: {error}. {TROUBLE[error.errno]}", file=sys.stderr)
            sys.stdout = None  # what it still holds would be told as an error at the very end
            sys.exit(1)
        if not lacks_memory(error):
            raise
        print(f"error: Not enough memory ({in_a_line(error)}). {MEND}", file=sys.stderr)
        sys.exit(1)


def _run() -> None:
    """Runs the command and sees to it that what it printed is where it should go."""
    try:
        app()
    finally:
        if sys.stdout:
            sys.stdout.flush()


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt
