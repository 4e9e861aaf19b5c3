"""From a request to a finished search: what is checked, what is kept, and what a kill cannot do."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from atrous.core.config import ProxyConfig
from atrous.core.errors import AtrousError
from atrous.core.options import differences, replaced
from atrous.core.strategy_config import StrategyOptions
from atrous.core.trial import UNIFORM, Job, Measured, Origin, Outcome, Trial
from atrous.data.layouts import read_dataset
from atrous.estimation import estimators
from atrous.estimation.cached import Proxy
from atrous.estimation.estimators import blueprint_of, estimator_of
from atrous.estimation.tune import Workload
from atrous.networks import compute
from atrous.networks.backbones import load_backbone
from atrous.report.leaderboard import leaderboard
from atrous.search.ledger import Entry
from atrous.search.loop import Estimator
from atrous.search.promotion import find_promotion
from atrous.search.run import LEDGER, Run, open_run, winner, write_about
from atrous.spaces import find_architecture, find_space, yardstick
from atrous.spaces.auto_deeplab.cell import Operation
from atrous.spaces.auto_deeplab.space import decoded
from atrous.spaces.blueprint import blank_network
from atrous.stages import search as driver
from atrous.stages.search import begin, lasting, proceed, require_possible, state_of, usual
from atrous.stages.train.config import subject_in
from atrous.strategies import STRATEGIES
from atrous.strategies.strategy import Domain, Known, Proposal, Stateless
from tests.cli.running import atrous
from tests.processes import eventually
from tests.small_search import CLASSES, HEIGHT, WIDTH, config, ignore, remembered, write_data


def outcomes(run: Run) -> list[Outcome]:
    """What was measured, without how long it took."""
    return [replace(entry.outcome, seconds=0.0) for entry in run.ledger().entries()]


@pytest.fixture(autouse=True)
def quick_choice(monkeypatch: pytest.MonkeyPatch) -> list[Workload]:
    """Computes as a remembered choice says; the workloads it was asked about."""
    asked: list[Workload] = []
    monkeypatch.setattr(estimators, "choose", remembered(asked))
    monkeypatch.setattr(estimators, "cores", lambda: 1)
    return asked


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data")


@pytest.fixture
def begun(data: Path, tmp_path: Path, cache: Path) -> tuple[Run, Estimator]:
    return begin(config(data), tmp_path / "run", cache)


def test_a_run_begins_with_every_default_filled_in(
    begun: tuple[Run, Estimator], data: Path, quick_choice: list[Workload]
) -> None:
    run, estimator = begun
    assert open_run(run.path) == run
    settings, context = run.settings, run.context
    assert settings.crop == (65, 97)
    assert settings.config.data.path == str(data.resolve())
    assert (settings.precision, settings.layout, settings.workers) == (
        "float32",
        "channels_last",
        1,
    )
    assert (context.training_images, context.selection_images) == (5, 3)
    assert (context.classes, context.maps) == (CLASSES, {16: (64, 5, 7)})
    assert context.weights_digest == load_backbone("test_efficientnet", "none", 16).weights_digest
    assert isinstance(estimator, Proxy)
    assert (estimator.training.has_labels, estimator.selection.has_labels) == (False, True)
    assert quick_choice == [
        Workload(yardstick("dpc"), estimator.training.channels, (65, 97), 8, 3, 2)
    ]
    assert estimator.training.channels[16] == 64
    assert run.ledger().entries() == []


def test_a_search_runs_in_its_worker_and_is_complete(begun: tuple[Run, Estimator]) -> None:
    run, estimator = begun
    heard: list[Entry] = []
    proceed(run, estimator, heard.append)
    entries = run.ledger().entries()
    assert [entry.outcome for entry in heard] == [entry.outcome for entry in entries]
    assert [str(entry.trial.origin) for entry in entries] == [
        "baseline dpc:1x1",
        "uniform",
        "uniform",
    ]
    assert {entry.outcome.job.steps for entry in entries} == {3}
    heard.clear()
    proceed(run, estimator, heard.append)
    assert heard == []


def test_a_run_goes_on_from_what_is_on_disk(
    begun: tuple[Run, Estimator], tmp_path: Path, cache: Path
) -> None:
    run, estimator = begun
    copy = open_run(Path(shutil.copytree(run.path, tmp_path / "copy")))
    proceed(run, estimator, ignore)

    def stop(_: Entry) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        proceed(copy, estimator_of(copy, cache), stop)
    assert len(copy.ledger().entries()) == 1
    proceed(copy, estimator_of(copy, cache), ignore)
    assert outcomes(copy) == outcomes(run)


def test_a_run_that_is_being_searched_is_left_alone(begun: tuple[Run, Estimator]) -> None:
    run, estimator = begun
    with run.locked(), pytest.raises(AtrousError, match="Another process is searching"):
        proceed(open_run(run.path), estimator, ignore)
    assert run.ledger().entries() == []


def test_all_that_is_wrong_with_the_numbers_is_told_at_once(tmp_path: Path) -> None:
    wrong = config(
        tmp_path / "missing", trials=0, steps=-1, batch=1, rate=float("nan"), objective=("beauty",)
    )
    with pytest.raises(AtrousError) as told:
        begin(wrong, tmp_path / "run", tmp_path / "cache")
    for part in (
        "--trials is at least 1, got 0",
        "--steps is at least 1, got -1",
        "--batch is at least 2, got 1",
        "--rate is a positive number, got nan",
        "--objective is one of miou, blend, cross-entropy, and beside it any of parameters, "
        "multiply-adds, memory, latency, got 'beauty'",
    ):
        assert part in str(told.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": "nas"}, "Expected the name of a space, got 'nas'"),
        ({"strategy": "luck"}, "Expected a strategy, got 'luck'"),
        ({"baselines": ("dpc:best",)}, "no architecture 'best'"),
        ({"crop": (64, 96)}, "--crop 65x97"),
        ({"select_on": "9"}, "No train image is named like"),
        ({"backbone": "resnet"}, "expected the name of a timm model"),
        ({"output_stride": 4}, "--output-stride is 8, 16 or 32"),
        ({"device": "tpu"}, "got 'tpu'"),
        ({"init": "zeros"}, "--init is one of reference, torch, he, got 'zeros'"),
        ({"optimiser": "adam"}, "--optimiser is one of sgd, adamw, got 'adam'"),
        ({"rate_warm_up": 1.0}, "--rate-warm-up is at least 0 and below 1, got 1"),
        ({"workers": 0}, "--workers is at least 1"),
        ({"promotion": "full"}, "--promotion is one of halving, median, got 'full'. Without it"),
        ({"promotion": "halving"}, "several --rungs, and there is one. Add --rungs 3 --eta 3"),
        ({"rungs": 3, "steps": 4}, "--rungs 3 with --eta 4 and --steps 4 are of 1, 1, 4 steps"),
        ({"rungs": 0}, "--rungs is at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_made(
    data: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(AtrousError, match=message):
        begin(config(data, **changes), tmp_path / "run", tmp_path / "cache")
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("name", "value"),
    [("init", "torch"), ("optimiser", "adamw"), ("rate_warm_up", 0.1), ("flip", True)],
)
def test_what_only_cells_can_be_trained_with_is_refused_for_whole_networks(
    tmp_path: Path, name: str, value: Any
) -> None:
    whole = replaced(usual("auto_deeplab-3x1"), data=str(tmp_path))
    require_possible(whole)
    with pytest.raises(AtrousError, match=f"--{name.replace('_', '-')} is .* for whole networks"):
        require_possible(replaced(whole, **{name: value}))


@pytest.mark.parametrize("space", ["auto_deeplab-3x1", "auto_deeplab"])
def test_whole_networks_stand_beside_a_plain_one_of_their_size(space: str) -> None:
    (name,) = usual(space).baselines
    architecture = find_architecture(name)
    assert architecture.space == space
    spelt = decoded(architecture)
    assert spelt.path[:3] == (1, 2, 2)
    assert {edge.operation for b in spelt.cell for edge in (b.first, b.second)} == {
        Operation.SEPARABLE_3
    }


@pytest.mark.parametrize(
    ("space", "asked", "kept"),
    [
        ("dpc", (), ("dpc:1x1",)),
        ("dpc", ("dpc:aspp", "dpc:top1"), ("dpc:aspp", "dpc:top1", "dpc:1x1")),
        ("dpc", ("dpc-1:0.0", "dpc:aspp"), ("dpc-1:0.0", "dpc:aspp")),
        ("fast_dense-1x1", ("fpn",), ("fpn", "1x1")),
        ("dpc-2+fast_dense-1x1", ("fpn",), ("fpn", "1x1")),
        ("auto_deeplab-3x1", (), ("auto_deeplab-3x1:plain",)),
    ],
)
def test_the_plain_architecture_is_a_baseline_of_every_new_search(
    tmp_path: Path, space: str, asked: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    config = replaced(usual(space), data=str(tmp_path), baselines=asked)
    assert lasting(config).baselines == kept


def test_a_run_of_before_keeps_its_baselines(
    begun: tuple[Run, Estimator],
) -> None:
    run, estimator = begun
    write_about(
        replace(run, settings=replace(run.settings, config=replaced(run.config, baselines=())))
    )
    proceed(open_run(run.path), estimator, ignore)
    assert not any(entry.trial.is_baseline for entry in run.ledger().entries())


def test_a_score_that_is_not_measured_is_refused_before_anything_is_trained(
    tmp_path: Path, begun: tuple[Run, Estimator]
) -> None:
    """The winning classes of whole networks are counted, which tells no cross-entropy."""
    whole = replaced(usual("auto_deeplab-3x1"), data=str(tmp_path))
    words = "--objective is one of miou, blend for whole networks .*, got 'cross-entropy'"
    with pytest.raises(AtrousError, match=words):
        require_possible(replaced(whole, objective=("cross-entropy",)))
    for score in ("miou", "blend"):
        require_possible(replaced(whole, objective=(score,)))
    run, estimator = begun
    settings = replace(run.settings, config=replaced(whole, objective=("cross-entropy",)))
    with pytest.raises(AtrousError, match=words):
        proceed(replace(run, settings=settings), estimator, ignore)


def test_candidates_train_as_the_configuration_says(
    data: Path, tmp_path: Path, cache: Path
) -> None:
    asked: dict[str, Any]
    asked = {"init": "torch", "optimiser": "adamw", "rate": 0.004, "rate_warm_up": 0.2}
    asked |= {"flip": True}
    other = {"init": "reference", "optimiser": "sgd", "rate": 0.2, "rate_warm_up": 0.0}
    for changes in (asked, other):
        _, proxy = begin(config(data, **changes), tmp_path / str(changes["init"]), cache)
        assert isinstance(proxy, Proxy)
        told = replaced(ProxyConfig(), **changes)
        assert (proxy.init, proxy.schedule.optimiser) == (told.init, told.optimiser)
        assert (proxy.schedule.rate, proxy.schedule.warm_up) == (told.rate, told.rate_warm_up)
        assert len(proxy.training) == proxy.training.images * (1 + told.flip)
        assert len(proxy.selection) == proxy.selection.images


@pytest.mark.parametrize(
    ("space", "optimiser", "rate"),
    [("dpc", "adamw", 0.01), ("dpc", "sgd", 0.1), ("auto_deeplab-3x1", "sgd", 0.05)],
)
def test_the_rate_follows_from_what_trains_unless_it_is_told(
    space: str, optimiser: str, rate: float
) -> None:
    asked = replaced(usual(space), data="somewhere", optimiser=optimiser)
    assert lasting(asked).proxy.rate == rate
    assert lasting(replaced(asked, rate=0.7)).proxy.rate == 0.7
    assert lasting(lasting(asked)) == lasting(asked)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [
        ("init", "torch", "reference"),
        ("optimiser", "sgd", "adamw"),
        ("rate_warm_up", 0.0, 0.2),
        ("flip", False, True),
    ],
)
def test_runs_that_train_otherwise_do_not_compare(
    data: Path, name: str, one: Any, other: Any
) -> None:
    here, there = (config(data, **{name: value}) for value in (one, other))
    assert differences(here, here) == []
    flag = name.replace("_", "-")
    assert differences(here, there) == [f"{flag} ({one} here, {other} there)"]


def test_on_a_cpu_compact_decoders_read_from_stride_8_on(
    data: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoders: dict[str, Any] = {"space": "fast_dense-1x1", "baselines": ("fpn",)}
    run, proxy = begin(config(data, **decoders), tmp_path / "run", cache)
    assert isinstance(proxy, Proxy)
    assert run.config.encoder.finest_stride == 8
    assert proxy.training.strides == proxy.selection.strides == (8, 16)
    assert set(proxy.training.channels) == set(run.context.maps) == {8, 16}
    fpn = find_architecture("fpn")
    blueprint = blueprint_of(run.config, fpn, CLASSES, ((0, 0, 0),) * 3)
    trained = subject_in(run.config, "fpn", fpn).blueprint(read_dataset(data))
    for each in (blueprint, trained):
        assert blank_network(each).head.reads == proxy.network(fpn, 0).head.reads == (8, 16)
    asked = replaced(config(data, **decoders), finest_stride=4)
    assert lasting(asked).encoder.finest_stride == 4
    monkeypatch.setattr(driver, "pick_device", lambda _: "cuda")
    assert lasting(config(data, **decoders)).encoder.finest_stride is None
    assert lasting(config(data)).encoder.finest_stride is None


def test_a_width_that_has_no_room_is_refused_before_it_is_tried(
    data: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compute, "machine_memory", lambda: 2**23)
    told = "for a training step of 2 images, 512 filters wide, which .* Lower --filters"
    with pytest.raises(AtrousError, match=told):
        begin(config(data, filters=512), tmp_path / "run", cache)
    assert not (tmp_path / "run").exists()
    begin(config(data), tmp_path / "run", cache)


def test_a_faulty_data_set_is_refused_with_its_faults(data: Path, tmp_path: Path) -> None:
    path = data / "masks" / "train" / "train1.png"
    Image.fromarray(np.full((HEIGHT, WIDTH), 7, np.uint8)).save(path)
    (data / "images" / "val" / "val0.png").write_bytes(b"no image")
    with pytest.raises(AtrousError) as told:
        begin(config(data), tmp_path / "run", tmp_path / "cache")
    assert "has 2 problems that must be mended first" in str(told.value)
    assert "val0.png" in str(told.value)
    assert f"atrous check {data}" in str(told.value)
    assert not (tmp_path / "cache").exists()


def test_a_second_run_in_a_folder_is_refused_before_anything_is_read(
    begun: tuple[Run, Estimator], tmp_path: Path
) -> None:
    with pytest.raises(AtrousError, match="There is a run in"):
        begin(config(tmp_path / "missing"), begun[0].path, tmp_path / "cache")


def resume(run: Run, cache: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "atrous", "search", "--resume", str(run.path)]
    return subprocess.Popen(
        [*command, "--cache", str(cache)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def count_trials(run: Run) -> int:
    with closing(sqlite3.connect(run.path / LEDGER)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM trials").fetchone()
    return int(count)


def kill_after(trials: int, run: Run, cache: Path) -> None:
    """Goes on with a run in a process of its own and kills it."""
    with resume(run, cache) as process:
        assert eventually(lambda: count_trials(run) >= trials or process.poll() is not None)
        process.kill()
    assert eventually(lambda: not run.is_running())


@pytest.mark.slow
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_search_killed_and_resumed_equals_an_uninterrupted_one(
    strategy: str, data: Path, tmp_path: Path, cache: Path
) -> None:
    """Strategies learn from the tenth trial on: it is killed where they have."""
    asked = config(data, strategy=strategy, trials=16, steps=10)
    asked = replace(asked, options=StrategyOptions.usual(strategy))
    run, estimator = begin(asked, tmp_path / "run", cache)
    killed = open_run(Path(shutil.copytree(run.path, tmp_path / "killed")))
    trials = Random(strategy).randint(11, 14)
    kill_after(trials, killed, cache)
    assert len(killed.ledger().entries()) >= trials
    proceed(killed, estimator_of(killed, cache), ignore)
    proceed(run, estimator, ignore)
    kinds = {entry.trial.origin.kind for entry in run.ledger().entries()[11:]}
    assert (kinds == {UNIFORM}) == (strategy == "random")
    assert len(outcomes(run)) == 17
    assert outcomes(killed) == outcomes(run)


RUNGS = {"rungs": 3, "eta": 3, "steps": 9}


def halving(data: Path, changes: dict[str, Any], out: Path, cache: Path) -> Run:
    """A search of six candidates by halving, to its end."""
    run, estimator = begin(config(data, trials=6, **RUNGS, **changes), out, cache)
    proceed(run, estimator, ignore)
    return run


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "local"},
        {"optimiser": "adamw", "rate": 0.004},
        {
            **{"space": "auto_deeplab-3x1", "backbone": None, "output_stride": None},
            **{"baselines": (), "filters": 2, "crop": (65, 97)},
        },
    ],
    ids=["cells", "adamw", "whole networks"],
)
def test_the_better_third_goes_on_from_its_checkpoint_killed_or_not(
    data: Path, tmp_path: Path, cache: Path, changes: dict[str, Any]
) -> None:
    run = halving(data, changes, tmp_path / "whole", cache)
    entries = run.ledger().recorded()
    jobs = [entry.outcome.job for entry in entries]
    levels = [
        {job.trial.number for job in jobs if job.rung.level == k and not job.trial.is_baseline}
        for k in (0, 1, 2)
    ]
    assert len(levels[0]) == 6
    assert len(levels[1]) >= 2
    assert levels[2] < levels[1] < levels[0]
    assert all(job.resume is None or job.resume.steps == {3: 1, 9: 3}[job.steps] for job in jobs)
    baselines = [job for job in jobs if job.trial.is_baseline]
    assert all((job.rung.level, job.resume, job.steps) == (2, None, 9) for job in baselines)
    assert state_of(run, entries, running=False) == "complete"
    best = winner(run)
    assert best.number in (levels[2] or levels[1])
    assert not (run.path / "trials").exists(), "what nobody goes on from is removed"
    asked = config(data, trials=6, **RUNGS, **changes)
    killed, estimator = begin(asked, tmp_path / "killed", cache)
    for after in (2, 3, 1):
        heard: list[Entry] = []

        def stop(entry: Entry, heard: list[Entry] = heard, after: int = after) -> None:
            heard.append(entry)
            if len(heard) == after:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            proceed(killed, estimator, stop)
        assert "--resume" in state_of(killed, killed.ledger().entries(), running=False)
    proceed(open_run(killed.path), estimator_of(open_run(killed.path), cache), ignore)
    assert outcomes(killed) == outcomes(run)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser": "adamw", "average": 0.5, "rungs": 3, "eta": 4, "steps": 32},
        {"optimiser": "sgd", "rungs": 3, "eta": 4, "steps": 32},
        {
            **{"space": "auto_deeplab-3x1", "backbone": None, "output_stride": None, "filters": 2},
            **{"baselines": (), "crop": (65, 97), "rungs": 2, "eta": 2, "steps": 4},
        },
    ],
    ids=["adamw", "sgd", "whole networks"],
)
def test_a_training_is_the_same_rung_by_rung_and_at_one_stretch(
    data: Path, tmp_path: Path, cache: Path, changes: dict[str, Any]
) -> None:
    """To the last digit, with dropout and running means; also where its state is gone."""
    asked = config(data, **changes)
    run, estimator = begin(asked, tmp_path / "run", cache)
    trial = Trial(0, yardstick(asked.space), Origin("uniform"), 3)
    rungs = find_promotion(asked.rungs, asked.proxy.steps).rungs
    jobs = [Job(trial, rung, below) for rung, below in zip(rungs, (None, *rungs), strict=False)]
    steps = [told(estimator(job)) for job in jobs]
    kept = {path.name for path in (run.path / "trials").iterdir()}
    assert kept == {f"0-{rung.level}" for rung in rungs[:-1]}
    assert told(estimator(replace(jobs[-1], resume=None))) == steps[-1]
    shutil.rmtree(run.path / "trials")
    assert told(estimator(jobs[-1])) == steps[-1]
    assert len({str(each) for each in steps}) == len(rungs)


def told(outcome: Outcome) -> tuple[Any, Any]:
    """All that was measured, without whose job it was."""
    assert isinstance(outcome, Measured)
    return outcome.values, outcome.details


def test_the_search_of_a_command_promotes(data: Path, tmp_path: Path, cache: Path) -> None:
    typed = (
        "search", data, "--rungs", 3, "--eta", 3, "--steps", 9, "--trials", 3, "--filters", 4,
        "--batch", 2, "--backbone", "test_efficientnet", "--weights", "none", "--device", "cpu",
        "--baselines", "dpc:1x1", "--executor", "inline", "--workers", 1, "--cache", cache,
        "--out", tmp_path / "run",
    )  # fmt: skip
    ended = atrous(*map(str, typed), folder=tmp_path)
    assert ended.returncode == 0, ended.stderr
    found = open_run(tmp_path / "run").ledger().entries()
    assert {entry.outcome.job.rung.level for entry in found} == {0, 1, 2}
    assert "    3 steps  " in ended.stderr
    refused = atrous("search", "--resume", str(tmp_path / "run"), "--rungs", "1", folder=tmp_path)
    assert "--rungs cannot be changed" in refused.stderr
    text = atrous("status", str(tmp_path / "run"), folder=tmp_path).stdout
    assert "3 of 1 steps, 1 of 3 steps, 1 of 9 steps" in text


def test_a_strategy_may_ask_what_an_architecture_costs(
    data: Path, tmp_path: Path, cache: Path
) -> None:
    def cheapest(domain: Domain, history: Known, rng: Random) -> Proposal:  # noqa: ARG001
        few = [domain.sample(rng) for _ in range(20)]
        costs = {genotype: domain.analytic_cost(genotype).multiply_adds for genotype in few}
        return Proposal(
            min(few, key=costs.__getitem__), Origin("cheapest", note={"of": str(costs)})
        )

    run, estimator = begin(config(data, baselines=()), tmp_path / "run", cache)
    proceed(run, estimator, ignore, Stateless(cheapest))
    rows = leaderboard(run, [e for e in run.ledger().entries() if not e.trial.is_baseline])
    assert len(rows) == 2
    for row in rows:
        costs = str(row.found.trial.origin.note["of"])
        assert row.multiply_adds == min(map(int, re.findall(r": (\d+)", costs)))


def test_costs_depend_on_maps() -> None:
    with pytest.raises(ValueError, match="not `at` any maps"):
        find_space("dpc").analytic_cost(yardstick("dpc").genotype)
