"""What there is to search, without data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from atrous.cli.shared import Json
from atrous.core.console import output


def spaces(as_json: Json = False) -> None:
    """Lists the search spaces with their exact sizes."""
    from atrous.spaces import FAMILIES

    found = [family.make() for family in FAMILIES.values()]
    if as_json:
        rows = [
            {"name": s.name, "title": s.title, "size": s.size(), "published": list(s.published)}
            for s in found
        ]
        print(json.dumps(rows, indent=2))
        return
    table = Table("space", "what", "architectures", "published")
    for space in found:
        names = ", ".join(f"{space.name}:{key}" for key in space.published)
        table.add_row(space.name, space.title, f"{space.size():,}", names)
    output.print(table)


def describe(
    architecture: Annotated[
        str,
        typer.Argument(help="dpc:top1, auto_deeplab:published, a genotype, or a .json file."),
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
        int | None, typer.Option(help="Of the backbone: 8 or 16 [16].")
    ] = None,
    write: Annotated[
        Path | None, typer.Option(help="Also write the cell, in the reference's JSON format.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Draws an architecture and counts its parameters and multiply-adds."""
    from atrous.data.canvas import parse_size
    from atrous.describe import describe as described_as
    from atrous.describe.asked import Asked
    from atrous.spaces import find_architecture
    from atrous.spaces.dpc.published_format import write_cell
    from atrous.spaces.dpc.space import cell_of

    found, extent = find_architecture(architecture), parse_size(size) if size else None
    described = described_as(found, Asked(channels, extent, filters, backbone, output_stride))
    if write:
        write.write_text(write_cell(cell_of(found)))
    if as_json:
        print(json.dumps(described.to_json(), indent=2))
    else:
        output.print(described.render())
