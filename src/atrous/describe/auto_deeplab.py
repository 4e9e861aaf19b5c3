"""A network of Auto-DeepLab in the terminal: its path, its cell, and what its parts cost."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from atrous.core.architecture import Architecture
from atrous.core.cost import Cost
from atrous.data.canvas import Size
from atrous.describe.asked import IMAGE, Asked, numbers, refuse_backbone
from atrous.spaces.auto_deeplab.cell import Edge, state_name
from atrous.spaces.auto_deeplab.space import PUBLISHED_CELL, PUBLISHED_PATH, Decoded, decoded
from atrous.spaces.auto_deeplab.text import network
from atrous.spaces.auto_deeplab.trellis import STRIDES

SMALL = 20
"""F of the smallest network that was published, Auto-DeepLab-S."""
CLASSES = 19
"""Those of Cityscapes."""
PAPER_NOTE = (
    "Liu et al. 2019, table 2, print 333.25B, 460.93B and 695.03B multiply-adds for F = 20, 32 and "
    "48. This count gives 320.45B, 439.92B and 662.42B at 1025 x 2049 with 19 classes, and exactly "
    "the paper's parameters (10.15M, 21.62M, 44.42M). TensorFlow pads maps to a multiple of the "
    "rate for dilated convolutions (space-to-batch), which explains 7.4B, 12.4B and 19.7B of the "
    "difference; the rest, 5.4B, 8.6B and 12.9B, grows in proportion to F and is unexplained."
)


@dataclass(frozen=True)
class DescribedNetwork:
    """A network with the cost of its parts, for one image of `size` (H, W)."""

    architecture: Architecture
    network: Decoded
    filters: int
    size: Size
    encoder: Cost
    decoder: Cost
    class_scores: Cost

    @property
    def whole(self) -> Cost:
        """Everything trainable, and every multiply-add of its convolutions."""
        return self.encoder + self.decoder + self.class_scores

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words."""
        return {
            "architecture": str(self.architecture),
            "filters": self.filters,
            "size": list(self.size),
            "classes": CLASSES,
            "strides": [STRIDES[level] for level in self.network.path],
            "blocks": [
                {"block": number, "first": _edge(block.first), "second": _edge(block.second)}
                for number, block in enumerate(self.network.cell)
            ],
            "trunk_and_aspp": asdict(self.encoder),
            "decoder": asdict(self.decoder),
            "class_scores": asdict(self.class_scores),
            "network": asdict(self.whole),
        }

    def render(self) -> RenderableType:
        """The path, the cell, a table of the cost, and what the paper says of its own network."""
        drawing = network(self.network.path, self.network.cell)
        strides = " ".join(str(STRIDES[level]) for level in self.network.path)
        parts: list[RenderableType] = [
            str(self.architecture),
            "",
            f"strides {strides}",
            "",
            Text(drawing, no_wrap=True, overflow="ignore"),
            "",
            self._table(),
        ]
        if self.network == Decoded(PUBLISHED_PATH, PUBLISHED_CELL):
            parts += ["", PAPER_NOTE]
        return Group(*parts)

    def _table(self) -> Table:
        height, width = self.size
        title = f"on an image of {height} x {width}, F = {self.filters}, {CLASSES} classes"
        table = Table(title=title)
        table.add_column("part")
        table.add_column("parameters", justify="right")
        table.add_column("multiply-adds", justify="right")
        table.add_row("trunk and ASPP", *numbers(self.encoder))
        table.add_row("decoder", *numbers(self.decoder))
        table.add_row("class scores", *numbers(self.class_scores))
        table.add_section()
        table.add_row("whole network", *numbers(self.whole))
        return table


def describe(architecture: Architecture, asked: Asked) -> DescribedNetwork:
    """The network with its cost on the image asked for. Raises `AtrousError`."""
    from atrous.spaces.auto_deeplab.cost import network_cost_of
    from atrous.spaces.auto_deeplab.decoder_cost import class_scores_cost, decoder_cost_of

    refuse_backbone(architecture, asked)
    spelt = decoded(architecture)
    filters, size = asked.filters or SMALL, asked.size or IMAGE
    return DescribedNetwork(
        architecture=architecture,
        network=spelt,
        filters=filters,
        size=size,
        encoder=network_cost_of(spelt.path, spelt.cell, filters, size),
        decoder=decoder_cost_of(spelt.path, len(spelt.cell), filters, size),
        class_scores=class_scores_cost(CLASSES, filters, size),
    )


def _edge(edge: Edge) -> dict[str, str]:
    return {"operation": str(edge.operation), "input": state_name(edge.state)}
