"""The benchmark: a table is made, goes on, and grows; what it lets one believe; replays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import fmean

import numpy as np
import pytest

from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.stage_config import BenchConfig, ReplayConfig
from atrous.estimation import estimators
from atrous.spaces import find_space
from atrous.stages.bench.build import SEEDS, build, drawn, usual_bench
from atrous.stages.bench.replay import replay, shares, standings
from atrous.stages.bench.surrogate import Believed, believed_of, drawn_truth, held_out
from atrous.stages.bench.table import AboutTable, BenchTable, Tabled, read_table, write_table
from tests.cli.running import atrous
from tests.small_search import remembered, write_data

SPACE = find_space("fast_dense-1x1").at({8: (6, 9, 13), 16: (8, 5, 7)}, 8)


def small(data: Path, architectures: int = 2) -> BenchConfig:
    return replaced(
        usual_bench(SPACE.name),
        data=str(data),
        select_on="val",
        architectures=architectures,
        backbone="test_efficientnet",
        weights="none",
        output_stride=16,
        filters=4,
        steps=8,
        batch=2,
        device="cpu",
        executor="inline",
    )


@pytest.mark.slow
def test_a_table_goes_on_and_grows_in_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimators, "choose", remembered([]))
    data, out, cache = write_data(tmp_path / "data"), tmp_path / "out", tmp_path / "cache"
    made = build(small(data), out, cache)
    grown = build(small(data, 3), out, cache)
    assert grown.rows[:2] == made.rows
    space, order = grown.space, drawn(grown.space, 0)
    assert [row.architecture for row in grown.rows] == [next(order) for _ in range(3)]
    for row in grown.rows:
        cost = space.analytic_cost(row.architecture.genotype)
        assert (row.parameters, row.multiply_adds) == (cost.parameters, cost.multiply_adds)
        assert np.shape(row.selection) == (len(SEEDS), 3)
        assert {*row.unseen} == {"test"}
        assert row.truth == fmean(row.unseen["test"])
    with pytest.raises(AtrousError, match="begun with another --steps"):
        build(replaced(small(data), steps=9), out, cache)
    with pytest.raises(AtrousError, match=r"at least 8 architectures .* got 3"):
        read_table(out / "table")


def planted(genotype: tuple[int, ...]) -> float:
    """A score that two decisions tell."""
    return 0.5 + 0.02 * (genotype[0] == 1) + 0.03 * (genotype[2] % 3 == 0)


def tabled(score: Callable[[tuple[int, ...]], float], count: int, noise: float) -> BenchTable:
    rng, order, rows = Random(0), drawn(SPACE, 0), []
    for _ in range(count):
        architecture = next(order)
        form = SPACE.canonical(architecture.genotype)
        cost = SPACE.analytic_cost(form)
        first, second = (score(form) + rng.gauss(0, noise) for _ in SEEDS)
        rows.append(
            Tabled(
                architecture,
                *(cost.parameters, cost.multiply_adds, 1.0, 10.0),
                selection=((0.1, first), (0.1, second)),
                unseen={"test": (first, second)},
                untrained={"gradient_norm": (first, second)},
            )
        )
    about = AboutTable(
        *(
            "fast_dense-1x1",
            dict(SPACE.maps),
            SPACE.filters,
            4,
            SEEDS,
            (5, 10),
            "miou",
            {"test": 2},
        ),
        *("test_efficientnet", 0, 3, "here", {}),
    )
    return BenchTable(about, tuple(rows))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table")
    write_table(path, tabled(planted, 120, 0.002))
    return path


def test_a_table_is_read_as_it_was_written_and_damage_is_told(folder: Path, tmp_path: Path) -> None:
    table = read_table(folder)
    assert table.rows == tabled(planted, 120, 0.002).rows
    write_table(tmp_path, table)
    lines = (tmp_path / "rows.jsonl").read_text().splitlines()
    row = {**json.loads(lines[4]), "selection": [[0.1, 0.2]]}
    row.pop("seal")
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines[:4], json.dumps(row), *lines[5:]]))
    with pytest.raises(AtrousError, match=r"line 5: expected scores of 2 seeds"):
        read_table(tmp_path)
    with pytest.raises(AtrousError, match="as atrous bench build makes"):
        read_table(tmp_path / "none")


def test_what_is_held_out_is_predicted_where_decisions_tell_it(folder: Path) -> None:
    table = read_table(folder)
    assert np.corrcoef(held_out(table), table.truths)[0, 1] > 0.8
    chance = tabled(lambda _: 0.5, 120, 0.02)
    assert abs(np.corrcoef(held_out(chance), chance.truths)[0, 1]) < 0.4


def test_draws_agree_where_the_table_tells_and_differ_elsewhere(folder: Path) -> None:
    believed = believed_of(folder)
    forms = [SPACE.canonical(row.architecture.genotype) for row in believed.table.rows]
    draws = np.array([[drawn_truth(believed, s)(form) for form in forms] for s in range(6)])
    truths = np.array(list(map(planted, forms)))
    assert np.abs(draws.mean(0) - truths).mean() < 0.004
    few = Believed(BenchTable(believed.table.about, believed.table.rows[:10]))
    wide = np.array([[drawn_truth(few, s)(form) for form in forms[60:]] for s in range(6)])
    assert wide.std(0).mean() > 2 * draws[:, 60:].std(0).mean()


def test_a_replay_is_a_function_of_its_seed(folder: Path) -> None:
    one, other = (replace(replay(folder, "local", 20, 3), seconds=0) for _ in range(2))
    assert one == other != replace(replay(folder, "local", 20, 4), seconds=0)
    assert max(one.picked) <= max(one.seen, one.climbed)


@pytest.mark.slow
def test_who_learns_has_less_regret_than_chance(folder: Path) -> None:
    how = ReplayConfig(("local", "surrogate"), replays=6, reads=40, long=80, workers=1)
    found = {each.strategy: each for each in standings(folder, how).strategies}
    assert {*found} == {"random", "local", "surrogate"}
    assert found["surrogate"].regrets[40].mean < found["random"].regrets[40].mean
    assert all(interval.mean >= 0 for each in found.values() for interval in each.regrets.values())
    assert found["random"].beats_random == 0.5
    with pytest.raises(AtrousError, match="expected some of random, local"):
        standings(folder, ReplayConfig(("nobody",)))


def test_slow_ones_are_played_less_often_and_take_what_quick_ones_leave() -> None:
    assert shares({"quick": 0.1, "slow": 10.0}, 60, 100) == {"quick": 100, "slow": 5}
    assert shares({"quick": 0.1, "slow": 100.0}, 60, 100)["slow"] == 0


def test_commands_on_a_table(folder: Path, tmp_path: Path) -> None:
    said = atrous("bench", "scores", "--table", folder, folder=tmp_path).stdout
    assert said.index("10 steps") < said.index("surrogate") < said.index("latency")
    small = ("--strategies", "local", "--replays", "2", "--reads", "4", "--random-reads", "5")
    ended = atrous(
        *("bench", "strategies", "--table", folder, *small, "--workers", "1"),
        *("--out", tmp_path / "out"),
        folder=tmp_path,
    )
    assert "regret 4" in ended.stdout
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"readings.svg", "hours.svg"}
