"""The demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atrous.cli.options import CacheOption, default_cache
from atrous.cli.results import report
from atrous.cli.search import drive


def demo(
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("demo"),
    cache: CacheOption = None,
) -> None:
    """The whole way on built-in scenes with real pretrained weights, in a few minutes."""
    from atrous import driver
    from atrous.demo import demo_request

    run, material, kept = out / "run", None, cache or default_cache()
    if not (run / "run.json").exists():
        _, material = driver.begin(demo_request(out), run, kept)
    drive(run, material, kept)
    report(run)
