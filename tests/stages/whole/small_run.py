"""The smallest whole run that there is, and what makes it quick."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from atrous.core.stage_config import TrainingConfig, WholeConfig
from atrous.core.trial import Metrics, Score
from atrous.estimation import estimators
from atrous.model.export import exported
from atrous.model.export.interface import Array
from atrous.stages.train import config as training_config
from atrous.stages.whole import finish, plan, whole
from atrous.stages.whole.plan import Pace, Regime, Timing
from tests.small_search import config, remembered

TRIAL, STEP = 220.0, 59.97
"""Seconds, so that two hours are enough for nine candidates and a few steps."""


def wish(data: Path, **changes: Any) -> WholeConfig:
    """Two hours for the data; `changes` are those of the configuration."""
    asked = {
        "strategy": "local",
        "backbone": "test_efficientnet",
        "baselines": ("dpc:1x1", "dpc:top1"),
        "trials": 1000,
        "time": 7200.0,
        "steps": 2,
    }
    training = TrainingConfig(batch=2, crop=(33, 49))
    return WholeConfig(config(data, **{**asked, **changes}), training)


@contextmanager
def quick(least: int = 1) -> Iterator[pytest.MonkeyPatch]:
    """Everything in this process, on one thread, nothing measured but the latency, which is that
    of pytorch alone: what is over of the budget when it is split is no time at all. A plan has at
    least `least` candidates and steps."""
    formats: Any = exported.FORMATS
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(formats, "pt2", replace(formats["pt2"], run=run_here))
        patch.setattr(estimators, "choose", remembered([]))
        for module in (training_config, plan):
            patch.setattr(module, "cores", lambda: 1)
        at_pace(patch, TRIAL, STEP)
        patch.setattr(whole, "monotonic", lambda: 0.0)
        patch.setattr(finish, "_has_onnx", lambda: False)
        patch.setattr(plan, "LEAST_TRIALS", least)
        patch.setattr(plan, "LEAST_STEPS", least)
        yield patch


def run_here(path: Path, inputs: Sequence[Array]) -> list[Array]:
    """Runs an exported program in this process."""
    program = torch.export.load(path).module()
    return [program(torch.from_numpy(each)).numpy() for each in inputs]


def paced(
    trial: float, step: float, workers: int = 1, start: float = 0.0, scoring: float = 0.0
) -> Pace:
    """A machine that takes so many seconds for a trial, and for training in any regime."""
    return Pace(trial, Regime(0, "float32", step, start), workers, scoring)


def at_pace(patch: pytest.MonkeyPatch, trial: float, step: float) -> None:
    """A machine that takes so many seconds for a trial and for a step of any training."""
    regimes = (Regime(0, "float32", step),)
    patch.setattr(whole, "measure_regimes", lambda *_: Timing(regimes, 0.0, 0.0, trial))
    patch.setattr(whole, "trial_seconds", lambda *_: trial)


def hear(_: str) -> None:
    """Hears what a run says."""


def watch(_score: Score, _metrics: Metrics) -> None:
    """Hears of the scores of a training."""
