"""A whole network of Auto-DeepLab that trains in no time."""

from __future__ import annotations

from typing import Any

from atrous.core.trial import Origin, Trial
from atrous.data.encoding import distinct
from atrous.search.ledger import Entry
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint
from atrous.training.state import TrainingState
from tests.records import entry_of, job, scored_by
from tests.small_search import CLASSES
from tests.training.material import ALONE, COMPUTE, network, protocol

NAME = "auto_deeplab-3x4:1.0.1.0.0.4.0.5.6.0.2.3.9.1.0"
"""A step down, one up, one down; every operation, where it halves and where it does not."""
CROP = (33, 33)
BLUEPRINT = Blueprint(
    architecture=find_architecture(NAME),
    backbone=None,
    output_stride=None,
    filters=2,
    decoder=True,
    classes=CLASSES,
    colours=distinct(len(CLASSES)),
)


def whole_state(seed: int = 0, **changes: Any) -> TrainingState:
    """The network about to be trained, with drop path unless it is said otherwise."""
    how = protocol(**{"crop": CROP, "drop_path": 0.5, **changes})
    return TrainingState(network(seed, **vars(BLUEPRINT)), how, COMPUTE, ALONE)


def whole_entry(number: int, score: float) -> Entry:
    """A trial of the network, as a search has it."""
    trial = Trial(number, BLUEPRINT.architecture, Origin("uniform"), 3)
    metrics = scored_by((score,) * 4, 1.0, (score,) * len(CLASSES))
    return entry_of(job(trial), metrics, 1.0)
