"""Moments of a search, made up."""

from __future__ import annotations

from atrous.relax.history import Moment
from atrous.spaces.auto_deeplab.cell import edges
from atrous.spaces.auto_deeplab.trellis import arrows, exits


def moment(step: int = 100, layers: int = 3, blocks: int = 2) -> Moment:
    """A search that has learnt nothing yet."""
    alpha = tuple((1 / 8,) * 8 for _ in edges(blocks))
    beta = tuple(1 / len(exits(arrow.source)) for arrow in arrows(layers))
    return Moment(
        step=step,
        share=step / 1000,
        seconds=2.5 * step,
        alpha=alpha,
        beta=beta,
        loss=1.5,
        architecture_loss=None,
        miou=None,
        temperature=1.0,
        architecture="auto_deeplab-3x2:0.0.0.0.0.0.0.0.0",
        eigenvalue=None,
    )
