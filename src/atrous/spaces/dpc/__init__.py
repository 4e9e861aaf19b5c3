"""The family of dense prediction cells."""

from __future__ import annotations

from atrous.core.architecture import Architecture
from atrous.spaces.dpc.cell import read_cell, write_cell
from atrous.spaces.dpc.space import ablations, cell_of, dpc, encode
from atrous.spaces.dpc.view import VIEW
from atrous.spaces.family import Defaults, Family


def read_file(text: str) -> Architecture:
    """The cell in the JSON text of the reference implementation. Raises `AtrousError`."""
    cell = read_cell(text)
    return dpc(len(cell)).architecture(encode(cell))


def write_file(architecture: Architecture) -> str:
    """The cell in the JSON text of the reference implementation."""
    return write_cell(cell_of(architecture))


DPC = Family(
    name="dpc",
    make=dpc,
    sizes=r"dpc-([1-9]\d?)",
    example="dpc-3 (3 branches)",
    defaults=Defaults(baselines=("dpc:1x1", "dpc:aspp", "dpc:top1")),
    yardstick="dpc:aspp",
    read_file=read_file,
    write_file=write_file,
    ablations=ablations,
    view=VIEW,
)
