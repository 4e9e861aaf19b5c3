"""An architecture of any space in the terminal: its text, and its cost as its space counts it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from atrous.core.architecture import Architecture
from atrous.core.cost import Cost
from atrous.describe.asked import (
    FILTERS,
    IMAGE,
    STRIDE,
    Asked,
    FeatureMap,
    feature_map,
    numbers,
    refuse_backbone,
)
from atrous.spaces import find_space

RGB = 3


@dataclass(frozen=True)
class Plain:
    """An architecture with its cost on what it reads: a feature map or an image; `text` is its
    space's drawing."""

    architecture: Architecture
    text: str
    reads: FeatureMap
    filters: int
    cost: Cost

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words."""
        backbone = self.reads.backbone
        return {
            "architecture": str(self.architecture),
            "channels": self.reads.channels,
            "filters": self.filters,
            "size": list(self.reads.size),
            "cost": asdict(self.cost),
            "backbone": asdict(backbone) if backbone else None,
        }

    def render(self) -> RenderableType:
        """The architecture in text, and a table of its cost."""
        height, width = self.reads.size
        table = Table(title=f"on {height} x {width} positions, {self.filters} filters")
        table.add_column("part")
        table.add_column("parameters", justify="right")
        table.add_column("multiply-adds", justify="right")
        table.add_row("architecture", *numbers(self.cost))
        if self.reads.backbone:
            table.add_row("backbone", *numbers(self.reads.backbone))
            table.add_row("backbone and architecture", *numbers(self.reads.backbone + self.cost))
        return Group(str(self.architecture), "", self.text, "", table)


def describe(architecture: Architecture, asked: Asked) -> Plain:
    """The architecture with its cost on what is asked for. Raises `AtrousError`."""
    space, filters = find_space(architecture.space), asked.filters or FILTERS
    if space.encoder:
        refuse_backbone(architecture, asked)
        reads = FeatureMap(RGB, asked.size or IMAGE)
        stride = 1
    else:
        reads = feature_map(asked)
        stride = asked.output_stride or STRIDE
    maps = {stride: (reads.channels, *reads.size)}
    cost = space.cost(architecture.genotype, maps, filters)
    return Plain(architecture, space.text(architecture.genotype), reads, filters, cost)
