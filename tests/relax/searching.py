"""The smallest differentiable search that there is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from atrous.core.console import untracked
from atrous.data.dataset import Samples
from atrous.networks.compute import Compute
from atrous.relax import loop
from atrous.relax.bilevel import SearchState
from atrous.relax.collapse import Snapshot
from atrous.relax.config import SearchProtocol
from atrous.spaces.auto_deeplab.relaxation.space import relaxation_of
from tests.small_search import CLASSES

COMPUTE = Compute("cpu", "float32", "contiguous", 1)
PROTOCOL = SearchProtocol(
    gate="softmax",
    space="auto_deeplab-2x1",
    filters=2,
    classes=len(CLASSES),
    steps=6,
    batch=2,
    crop=(33, 65),
    scale=1.0,
    warm_up=0.5,
    seed=0,
)


def protocol(**changes: Any) -> SearchProtocol:
    """Six steps with the smallest supernet, the architecture learnt in the last three."""
    return replace(PROTOCOL, **changes)


def state_of(asked: SearchProtocol) -> SearchState:
    """Returns the state at the start of a search."""
    return SearchState(relaxation_of(asked.space), asked, COMPUTE)


def unheard(snapshot: Snapshot, warning: str | None) -> None:
    """Hears of nothing."""


def searched(
    asked: SearchProtocol, samples: Samples, folder: Path
) -> tuple[SearchState, list[Snapshot]]:
    """The state and the history at the end of a search."""
    state = state_of(asked)
    return state, loop.run(state, samples, folder, untracked, unheard)
