"""Shows what there is: search spaces, architectures, data sets and scenes to try things on."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atrous.cli.options import Json
from atrous.core.console import output, say

if TYPE_CHECKING:
    from atrous.spaces.view import Description


def spaces(as_json: Json = False) -> None:
    """Lists the search spaces with their exact sizes."""
    from atrous.spaces import FAMILIES, names_of

    found = [(family.make(), names_of(family)) for family in FAMILIES.values()]
    if as_json:
        rows = [
            {"name": s.name, "title": s.title, "size": s.size(), "published": list(s.published)}
            for s, _ in found
        ]
        print(json.dumps(rows, indent=2))
        return
    table = Table("space", "what", "architectures", "named")
    for space, names in found:
        table.add_row(space.name, space.title, f"{space.size():,}", ", ".join(names))
    output.print(table)


def describe(
    architecture: Annotated[
        str,
        typer.Argument(help="A published one (see atrous spaces), a genotype, or a .json file."),
    ],
    channels: Annotated[
        int | None, typer.Option(help="Channels of the feature map [320, or the backbone's].")
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="HxW: the feature map [65x129], or of a whole network or with --backbone the "
            "image [1025x2049]."
        ),
    ] = None,
    filters: Annotated[
        int | None, typer.Option(min=1, help="Channels of each branch [256], or F [20].")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="A timm model to count too.")] = None,
    output_stride: Annotated[
        int | None, typer.Option(help="Of the backbone: 8, 16 or 32 [16].")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Also write the cell, in the reference's JSON format.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draws an architecture and counts its parameters and multiply-adds."""
    from atrous.core.files import save_text
    from atrous.data.canvas import parse_size
    from atrous.spaces import find_architecture, view_of, write_architecture
    from atrous.spaces.view import Asked

    found, extent = find_architecture(architecture), parse_size(size) if size else None
    asked = Asked(channels, extent, filters, backbone, output_stride)
    described = view_of(found).describe(found, asked)
    if write:
        save_text(write, write_architecture(found))
    if as_json:
        print(json.dumps(described.facts, indent=2))
    else:
        output.print(rendered(str(found), described))


def rendered(architecture: str, found: Description) -> RenderableType:
    """A description for the terminal: the sketch, a table of the cost, and the note."""
    table = Table(title=found.title)
    table.add_column("part")
    table.add_column("parameters", justify="right")
    table.add_column("multiply-adds", justify="right")
    for group in found.parts:
        for name, cost in group:
            adds = f"{cost.multiply_adds:,}" if cost.multiply_adds else ""
            table.add_row(name, f"{cost.parameters:,}", adds)
        table.add_section()
    # A sketch that is too wide is cut: wrapped, it could not be read.
    sketch = Text(found.sketch, no_wrap=True, overflow="ignore")
    notes = ["", found.note] if found.note else []
    return Group(architecture, "", sketch, "", table, *notes)


def check(
    data: Annotated[Path, typer.Argument(help="The folder of a data set.")], as_json: Json = False
) -> None:
    """Looks for everything that is wrong with a data set; exit code 1 if something is."""
    from atrous.cli.tables import check_report
    from atrous.data.checks.check import check as check_data

    report = check_data(data)
    if as_json:
        print(json.dumps(asdict(report), indent=2))
    else:
        output.print(check_report(report))
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
    say(f"{folder}: {counts} images of {len(dataset.classes)} classes")
