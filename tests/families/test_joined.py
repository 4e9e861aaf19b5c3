"""A family whose parts read two strides, which nothing outside its folder knows of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from atrous.cli import app
from atrous.core.trial import Measured
from atrous.data.encoding import distinct
from atrous.estimation import estimators
from atrous.estimation.features import FeatureSet
from atrous.estimation.tune import Workload
from atrous.report.leaderboard import leaderboard
from atrous.search.run import open_run
from atrous.spaces import FAMILIES, find_architecture
from atrous.spaces.blueprint import Blueprint, build_network, network_cost
from tests.contract import test_spaces
from tests.docs.test_python import keep
from tests.families.joined import JOINED
from tests.small_search import CLASSES, remembered, write_data


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "joined", JOINED)


def test_it_keeps_what_every_space_keeps(tmp_path: Path) -> None:
    known = {"space": JOINED.make(), "tmp_path": tmp_path, "output_stride": 16}
    assert keep(test_spaces, known) >= 8


def test_it_is_searched_beside_cells_of_one_stride(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Workload] = []
    monkeypatch.setattr(estimators, "choose", remembered(asked))
    data, out, cache = write_data(tmp_path / "data"), tmp_path / "run", tmp_path / "cache"
    told = ["search", str(data), "--space", "joined", "--strategy", "random", "--trials", "3"]
    told += ["--executor", "inline", "--workers", "1", "--device", "cpu", "--batch", "2"]
    told += ["--backbone", "test_efficientnet", "--weights", "none"]
    result = CliRunner().invoke(app, [*told, "--out", str(out), "--cache", str(cache)])
    assert result.exit_code == 0, result.output
    run = open_run(out)
    outcomes = [entry.outcome for entry in run.ledger().entries()]
    assert all(isinstance(outcome, Measured) for outcome in outcomes)
    assert len({str(outcome.job.architecture) for outcome in outcomes}) == 4
    assert {s: shape[1:] for s, shape in run.context.maps.items()} == {8: (9, 13), 16: (5, 7)}
    kept = [path for path in (cache / "features").iterdir() if path.is_dir()]
    assert {FeatureSet(path).strides for path in kept} == {(8, 16)}
    (workload,) = asked
    assert workload.architecture.space == "joined"
    assert all(row.parameters > 0 for row in leaderboard(run, run.ledger().entries()))


def test_its_networks_are_whole_ones() -> None:
    blueprint = Blueprint(
        find_architecture("joined:1"),
        "tf_efficientnet_lite0",
        16,
        4,
        True,
        CLASSES,
        distinct(len(CLASSES)),
    )
    network = build_network(blueprint)
    assert network(torch.randn(1, 3, 40, 50)).shape == (1, len(CLASSES), 40, 50)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    assert network_cost(blueprint, (65, 97)).parameters == parameters
