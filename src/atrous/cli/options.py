"""What several commands share: their options, where things go by default, the output."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from atrous.core.errors import AtrousError

if TYPE_CHECKING:
    from atrous.core.trial import Metrics

output = Console(markup=False)

RUNS = Path("runs")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
CacheOption = Annotated[
    Path | None, typer.Option("--cache", help="Where features are kept [~/.cache/atrous].")
]


def default_cache() -> Path:
    """Where features are kept unless --cache names another place."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "atrous"


def given(context: typer.Context, *but: str) -> list[str]:
    """What the user typed of a command's parameters, as it is called there, `but` some."""
    return [
        parameter.metavar or f"--{name.replace('_', '-')}"
        for parameter in context.command.params
        if (name := parameter.name) and name not in but
        if (source := context.get_parameter_source(name)) and source.name == "COMMANDLINE"
    ]


def parse_duration(text: str) -> float:
    """`90s`, `30m` or `2h` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not match:
        raise AtrousError(f"Expected a time such as 90s, 30m or 2h, got {text!r}.")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def tell_score(step: int, loss: float, metrics: Metrics) -> None:
    """A line for each time that a training is scored."""
    output.print(f"step {step:>6}  loss {loss:.4f}  selection mIoU {metrics.miou:.4f}")
