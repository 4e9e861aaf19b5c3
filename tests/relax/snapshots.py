"""Snapshots of a search, made up."""

from __future__ import annotations

from atrous.relax.collapse import Snapshot
from atrous.spaces.auto_deeplab.cell import edges
from atrous.spaces.auto_deeplab.relaxation.decoding import nodes
from atrous.spaces.auto_deeplab.trellis import exits


def snapshot(step: int = 100, layers: int = 3, blocks: int = 2) -> Snapshot:
    """A search that has learnt nothing yet."""
    operations = tuple((1 / 8,) * 8 for _ in edges(blocks))
    ways = tuple((1 / len(exits(level)),) * len(exits(level)) for _, level in nodes(layers))
    return Snapshot(
        step=step,
        share=step / 1000,
        seconds=2.5 * step,
        probabilities={"operations": operations, "ways": ways},
        loss=1.5,
        architecture_loss=None,
        temperature=1.0,
        architecture="auto_deeplab-3x2:0.0.0.0.0.0.0.0.0",
        eigenvalue=None,
    )
