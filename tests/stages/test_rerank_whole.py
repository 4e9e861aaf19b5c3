"""Whole networks searched at random, and the best of them ranked again."""

from __future__ import annotations

from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.stage_config import RerankConfig, TrainingConfig
from atrous.core.trial import Measured
from atrous.estimation.end_to_end import FineTune
from atrous.search.run import RERANK, Run, winner
from atrous.stages import rerank
from atrous.stages import search as driver
from atrous.stages.rerank import begin, proceed, read
from tests.small_search import config, ignore, write_data

ASKED = RerankConfig(2, TrainingConfig(3, 2, (33, 65)))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A finished search of three networks."""
    asked = config(
        write_data(tmp_path / "data"), space="auto_deeplab-2x1", strategy="random", baselines=(),
        trials=3, filters=2, steps=1, batch=2, crop=(33, 33),
    )  # fmt: skip
    run, estimator = driver.begin(asked, tmp_path / "run", tmp_path / "cache")
    driver.proceed(run, estimator, ignore)
    return run


def test_the_best_are_trained_again_from_random_weights(run: Run, tmp_path: Path) -> None:
    reranking = begin(run, ASKED)
    assert reranking == read(run)
    assert reranking.warm is False
    assert (reranking.protocol.rate, reranking.protocol.tune_norm) == (0.05, True)
    architectures = {e.trial.number: e.trial.architecture for e in run.ledger().entries()}
    tuned = rerank.fine_tune(run, reranking, architectures[0], tmp_path / "cache")
    assert isinstance(tuned, FineTune)
    assert tuned.start is None
    assert (tuned.blueprint.backbone, tuned.blueprint.output_stride) == (None, None)
    assert tuned.blueprint.filters == 2
    proceed(run, tmp_path / "cache", ignore)
    again = run.reranked()
    assert [str(e.trial.origin) for e in again] == [
        f"baseline {run.config.baselines[0]}",
        *(f"trial {n}" for n in reranking.trials),
    ]
    assert all(isinstance(entry.outcome, Measured) for entry in again)
    assert winner(run).number in reranking.trials


def test_crops_fit_the_coarsest_stride(run: Run) -> None:
    with pytest.raises(AtrousError, match=r"k \* 32 \+ 1 .*--crop 65x65"):
        begin(run, replaced(ASKED, crop=(49, 65)))
    assert not (run.path / RERANK).exists()
    assert begin(run, replaced(ASKED, crop=None)).protocol.crop == (65, 97)
    assert begin(run, replaced(ASKED, rate=0.3), again=True).protocol.rate == 0.3
