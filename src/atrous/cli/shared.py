"""Parts that several commands share: their options, where things go by default, the output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atrous.core.console import output

if TYPE_CHECKING:
    from atrous.core.trial import Metrics

ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the run named instead of DATA, or the last."),
]

RUNS = Path("runs")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
CacheOption = Annotated[
    Path | None,
    typer.Option(
        "--cache", help="Where features are kept [~/.cache/atrous].", rich_help_panel="rare"
    ),
]


def default_cache() -> Path:
    """Where features are kept unless --cache names another place."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "atrous"


def tell_score(step: int, loss: float, metrics: Metrics) -> None:
    """A line for each time that a training is scored."""
    output.print(f"step {step:>6}  loss {loss:.4f}  selection mIoU {metrics.miou:.4f}")
