"""Two problems whose right answers are known, of three colours on images with little noise.

In `fine` each square of 4 x 4 pixels has the colour of its class: only stride 4 can tell them
apart, and whatever looks around harms. In `coarse` the classes are those of squares of 64 x 64
pixels, made of squares of 8 x 8, of which four in ten have the colour of their class and the others
any: only what looks at a wide window can tell the majority.
"""

from __future__ import annotations

import torch
from torch import Tensor

from atrous.networks.compute import Compute
from atrous.relax.bilevel import SearchState
from atrous.relax.config import SearchProtocol
from atrous.relax.gates import GATES
from atrous.spaces.auto_deeplab.cell import Operation
from atrous.spaces.auto_deeplab.relaxation.decoding import decode_cell, decode_path
from atrous.spaces.auto_deeplab.relaxation.space import relaxation_of
from atrous.spaces.auto_deeplab.trellis import Path
from atrous.training.crops import Batch

SIDES = {"fine": 33, "coarse": 129}
"""Of the images, in pixels."""
STEPS = {
    "fine": {"softmax": 250, "gdas": 600, "fbnet": 250},
    "coarse": {"softmax": 600, "gdas": 1000, "fbnet": 800},
}
CLASSES, BATCH, LAYERS = 3, 4, 2
FINE, COARSE, VOTE, AGREED = 4, 64, 8, 0.4
COLOURS = torch.tensor([[200, 60, 128], [60, 200, 128], [128, 60, 200]])


def problem(kind: str, generator: torch.Generator) -> Batch:
    """Images [B, 3, H, W] of values up to 255, and the class of each pixel [B, H, W]."""
    side = SIDES[kind]
    square = FINE if kind == "fine" else COARSE
    count = (side - 1) // square + 1
    classes = torch.randint(CLASSES, (BATCH, count, count), generator=generator)
    labels = _spread(classes, square, side)
    shown = labels if kind == "fine" else _votes(labels, generator)
    noise = 10 * torch.randn(BATCH, 3, side, side, generator=generator)
    return COLOURS[shown].permute(0, 3, 1, 2) + noise, labels


def protocol(gate: str, kind: str, seed: int, share: float = 1.0) -> SearchProtocol:
    """A search in the smallest trellis with a choice of paths, with one block a cell, of a share of
    `STEPS`."""
    return SearchProtocol(
        gate=gate,
        space=f"auto_deeplab-{LAYERS}x1",
        filters=2,
        classes=CLASSES,
        steps=round(share * STEPS[kind][gate]),
        batch=BATCH,
        crop=(SIDES[kind], SIDES[kind]),
        scale=1.0,
        warm_up=GATES[gate].learning.warm_up,
        seed=seed,
    )


def searched(gate: str, kind: str, seed: int, share: float = 1.0) -> SearchState:
    """The state at the end of a search."""
    asked = protocol(gate, kind, seed, share)
    state = SearchState(
        relaxation_of(asked.space), asked, Compute("cpu", "float32", "channels_last", 1)
    )
    draw = torch.Generator().manual_seed(seed)
    for step in range(asked.steps):
        other = problem(kind, draw) if asked.learns_at(step) else None
        state.advance(problem(kind, draw), other)
    return state


def operations_of(state: SearchState) -> list[Operation]:
    """Those on both edges of the cell that would be decoded."""
    (block,) = decode_cell(alpha_of(state))
    return [block.first.operation, block.second.operation]


def path_of(state: SearchState) -> Path:
    """The path that would be decoded, without the preference for stride 4, which is one answer."""
    return decode_path(beta_of(state), neutral=True)


def alpha_of(state: SearchState) -> Tensor:
    """Returns the logits of the operations [edges, 8]."""
    return state.supernet.architecture()[0].detach()


def beta_of(state: SearchState) -> Tensor:
    """Returns the logits of the ways [arrows]."""
    return state.supernet.architecture()[1].detach()


def _spread(squares: Tensor, square: int, side: int) -> Tensor:
    """[B, h, w] -> [B, side, side]: squares around every `square`-th pixel."""
    places = (torch.arange(side) + square // 2) // square
    return squares[:, places][:, :, places]


def _votes(labels: Tensor, generator: torch.Generator) -> Tensor:
    """The colours of small squares: now and then that of their class, else any."""
    side = labels.shape[-1]
    centres = torch.arange(0, side, VOTE)
    own = labels[:, centres][:, :, centres]
    other = torch.randint(CLASSES, own.shape, generator=generator)
    agree = torch.rand(own.shape, generator=generator) < AGREED
    return _spread(torch.where(agree, own, other), VOTE, side)
