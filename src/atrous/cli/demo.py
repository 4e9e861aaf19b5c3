"""The demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atrous.cli.run import drive_whole
from atrous.cli.shared import CacheOption, default_cache


def demo(
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("demo"),
    cache: CacheOption = None,
) -> None:
    """The whole way on built-in scenes with real pretrained weights, in a few minutes."""
    from atrous.stages.demo import demo_config
    from atrous.stages.whole.whole import WHOLE, begin

    run, kept = out / "run", cache or default_cache()
    if not (run / WHOLE).exists():
        begin(demo_config(out), run)
    drive_whole(run, kept)
