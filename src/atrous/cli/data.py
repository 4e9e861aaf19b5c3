"""Data sets: what is wrong with one, and one to try things on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from atrous.cli.shared import Json
from atrous.core.console import output


def check(
    data: Annotated[Path, typer.Argument(help="The folder of a data set.")], as_json: Json = False
) -> None:
    """Looks for everything that is wrong with a data set; exit code 1 if something is."""
    from atrous.cli.check_view import render
    from atrous.data.checks.check import check as check_data

    report = check_data(data)
    if as_json:
        print(json.dumps(asdict(report), indent=2))
    else:
        output.print(render(report))
    if any(problem.severity == "error" for problem in report.problems):
        raise typer.Exit(1)


def scenes(
    folder: Annotated[Path, typer.Argument(help="Where to write.")],
    images: Annotated[int, typer.Option(min=3, help="How many, over all splits.")] = 240,
    seed: Annotated[int, typer.Option(help="Other seeds draw other scenes.")] = 0,
) -> None:
    """Draws street-like scenes with their masks, a data set to try things on."""
    from atrous.scenes.scene import write_scenes

    dataset = write_scenes(folder, images, seed)
    counts = ", ".join(f"{len(samples)} {split}" for split, samples in dataset.splits.items())
    output.print(f"{folder}: {counts} images of {len(dataset.classes)} classes")
