"""What every estimator keeps: cells on cached features, and whole networks on images."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from atrous.core.config import RungConfig
from atrous.core.trial import Failed, Job, Measured, Origin, Outcome, Reason, Trial
from atrous.search.loop import Estimator
from atrous.search.promotion import find_promotion
from atrous.spaces import find_space
from atrous.tasks import TASKS
from tests.small_search import begun, write_data

CELLS: Mapping[str, Any] = {"space": "dpc", "crop": (65, 97)}
NETWORKS: Mapping[str, Any] = {
    "space": "auto_deeplab-2x1",
    "baselines": (),
    "backbone": None,
    "output_stride": None,
    "filters": 2,
    "crop": (33, 65),
}
ASKED = RungConfig(2, 3)
RUNGS = find_promotion(ASKED, 6).rungs
KINDS = [
    pytest.param((kind, task), marks=marks, id=f"{kind['space']} {task}")
    for kind, marks in ((CELLS, ()), (NETWORKS, (pytest.mark.slow,)))
    for task in TASKS
]


@dataclass(frozen=True)
class Made:
    """An estimator of a search for a task, and how to have another that learns at a rate."""

    estimator: Estimator
    root: Path
    changes: Mapping[str, Any]

    def job(self, seed: int = 3, level: int = 0, number: int = 0) -> Job:
        """A rung of a trial, gone on from the one below."""
        space = find_space(str(self.changes["space"]))
        trial = Trial(number, space.architecture(space.sample(Random(0))), Origin("uniform"), seed)
        return Job(trial, RUNGS[level], RUNGS[level - 1] if level else None)

    def learning_at(self, rate: float) -> Estimator:
        """The same but for its learning rate."""
        cache = self.root / "cache"
        return begun(self.root / "data", self.root / "wild", cache, **self.changes, rate=rate)[1]


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    kind, task = request.param
    root = tmp_path_factory.mktemp("estimator")
    changes = {**kind, "task": task, "steps": RUNGS[-1].steps}
    changes |= {"rungs": ASKED.rungs, "eta": ASKED.eta}
    write_data(root / "data")
    return Made(begun(root / "data", root / "run", root / "cache", **changes)[1], root, changes)


def found_in(outcome: Outcome) -> object:
    """All of an outcome but how long it took."""
    assert isinstance(outcome, Measured), outcome
    return replace(outcome, seconds=0.0)


def test_the_same_job_gives_the_same_in_any_process(made: Made) -> None:
    first = found_in(made.estimator(made.job()))
    assert found_in(pickle.loads(pickle.dumps(made.estimator))(made.job())) == first
    other = made.estimator(made.job(seed=4, number=1))
    assert isinstance(other, Measured)
    assert replace(other, job=made.job(), seconds=0.0) != first


def test_it_measures_what_the_task_names(made: Made) -> None:
    outcome, task = made.estimator(made.job()), TASKS[made.changes["task"]]
    assert isinstance(outcome, Measured)
    assert (outcome.job, outcome.seconds > 0) == (made.job(), True)
    whole = find_space(str(made.changes["space"])).encoder is not None
    assert {*outcome.values} == {*task.values, *(() if whole else (task.loss,))}
    assert {task.by_class} - {""} <= {*outcome.details}


def test_a_rung_goes_on_from_the_one_below_to_what_a_training_at_one_stretch_gives(
    made: Made,
) -> None:
    first, second = (made.estimator(made.job(level=level, number=7)) for level in (0, 1))
    alone = made.estimator(made.job(level=1, number=8))
    assert isinstance(first, Measured)
    assert isinstance(second, Measured)
    assert isinstance(alone, Measured)
    assert (alone.values, alone.details) == (second.values, second.details)
    if made.changes["space"] == CELLS["space"]:  # the networks see one class everywhere so early
        assert first.values != second.values


def test_what_diverges_is_a_record(made: Made) -> None:
    wild = made.learning_at(1e30)
    outcomes = (wild(made.job(level=level, number=9)) for level in range(len(RUNGS)))
    # One step may be too few to tell; a trial that failed is on no higher rung.
    outcome = next(each for each in outcomes if isinstance(each, Failed))
    assert outcome.reason is Reason.NON_FINITE
    assert "Lower --rate" in outcome.error
