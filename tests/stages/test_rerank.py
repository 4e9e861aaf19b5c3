"""The best of a search ranked again: twice the scores, one ledger, and nothing lost to a kill."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from atrous.cli import main
from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.stage_config import RerankConfig, TrainingConfig
from atrous.core.trial import Failed, Measured, Metrics, Outcome, Reason
from atrous.estimation import end_to_end as fine_tune
from atrous.estimation import estimators
from atrous.estimation.end_to_end import is_gentle
from atrous.estimation.search_data import cached_of, estimator
from atrous.networks.network import Network
from atrous.networks.weights import digest
from atrous.report.rerank import second_ranking
from atrous.search.ledger import Entry, scored
from atrous.search.run import LEDGER, RERANK, Run, open_run, winner, write_about
from atrous.spaces.blueprint import build_network
from atrous.stages import rerank
from atrous.stages import search as driver
from atrous.stages.rerank import WORK, begin, proceed, read
from atrous.stages.train.config import subject_in
from atrous.tasks.segmentation import SEGMENTATION
from atrous.training.loop import train
from tests.processes import eventually
from tests.records import measured
from tests.report.runs import make_run
from tests.small_search import config, ignore, remembered, write_data

ASKED = RerankConfig(2, TrainingConfig(3, 2, (33, 49), 0.02))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("rerank") / "data")


@pytest.fixture(scope="module")
def searched(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished search of a baseline and three trials."""
    folder = tmp_path_factory.mktemp("searched")
    asked = config(data, trials=3, backbone="test_resnet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimators, "choose", remembered([]))
        run, estimate = driver.begin(asked, folder / "run", folder / "cache")
        driver.proceed(run, estimate, ignore)
    return run


@pytest.fixture(scope="module")
def cache(searched: Run) -> Path:
    """Where the features of the search are."""
    return searched.path.parent / "cache"


@pytest.fixture
def run(searched: Run, tmp_path: Path) -> Run:
    return open_run(Path(shutil.copytree(searched.path, tmp_path / "run")))


@pytest.fixture(scope="module")
def whole(searched: Run, tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Run:
    """The run, ranked again in this process without interruption."""
    folder = tmp_path_factory.mktemp("whole")
    run = open_run(Path(shutil.copytree(searched.path, folder / "run")))
    begin(run, ASKED)
    proceed(run, cache, ignore)
    return run


def outcomes(entries: list[Entry]) -> list[Outcome]:
    """What was measured, without how long it took and what was known when it was proposed."""
    return [
        replace(e.outcome, seconds=0.0, job=replace(e.outcome.job, trial=replace(e.trial, knows=0)))
        for e in entries
    ]


def scores(run: Run) -> dict[int, float]:
    """The scores of the search, by trial."""
    return {found.trial.number: found.score for found in scored(run.ledger().entries())}


def test_the_best_and_the_baselines_get_a_second_score(whole: Run, searched: Run) -> None:
    first = scores(whole)
    best = sorted((1, 2, 3), key=lambda number: -first[number])[:2]
    again = whole.reranked()
    assert [str(entry.trial.origin) for entry in again] == [
        "baseline dpc:1x1",
        *(f"trial {number}" for number in best),
    ]
    assert {entry.outcome.job.steps for entry in again} == {3}
    architectures = {e.trial.number: e.trial.architecture for e in whole.ledger().entries()}
    assert [e.trial.architecture for e in again[1:]] == [architectures[n] for n in best]
    assert all(isinstance(entry.outcome, Measured) for entry in again)
    assert outcomes(whole.ledger().entries()) == outcomes(searched.ledger().entries())
    assert winner(whole).number in best
    assert not list((whole.path / WORK).glob("*"))


def test_the_second_score_is_that_of_the_search(run: Run, cache: Path) -> None:
    asked = replaced(run.config, objective=("blend",), baselines=())
    blended = replace(run, settings=replace(run.settings, config=asked))
    write_about(blended)
    begin(blended, replaced(ASKED, top=1, steps=1))
    proceed(blended, cache, ignore)
    (found,) = scored(blended.reranked())
    assert found.score == SEGMENTATION.objectives["blend"](found.values) != found.values["miou"]
    best = subject_in(blended.config, "best", found.trial.architecture)
    assert best.config.training.score == "blend"
    assert second_ranking(blended).second_name == "blend"


@pytest.mark.slow
def test_workers_change_nothing(run: Run, whole: Run, cache: Path) -> None:
    begin(run, replaced(ASKED, workers=2))
    heard: list[Entry] = []
    proceed(run, cache, heard.append)
    assert outcomes(run.reranked()) == outcomes(whole.reranked())
    assert len(heard) == 3


@pytest.mark.slow
def test_killed_and_resumed_it_ends_as_if_never_stopped(run: Run, whole: Run, cache: Path) -> None:
    begin(run, ASKED)
    command = [sys.executable, "-m", "atrous", "rerank", str(run.path), "--resume"]
    with subprocess.Popen(
        command,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert eventually(lambda: _recorded(run) >= 1 or process.poll() is not None)
        process.kill()
    assert eventually(lambda: not run.is_running())
    before = run.reranked()
    assert before
    heard: list[Entry] = []
    proceed(run, cache, heard.append)
    assert len(heard) == 3 - len(before)
    assert outcomes(run.reranked()) == outcomes(whole.reranked())


def _recorded(run: Run) -> int:
    with closing(sqlite3.connect(run.path / LEDGER)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM trials").fetchone()
    return int(count) - 4


def test_what_ended_is_not_trained_again(whole: Run, tmp_path: Path, cache: Path) -> None:
    run = open_run(Path(shutil.copytree(whole.path, tmp_path / "run")))
    heard: list[Entry] = []
    proceed(run, cache, heard.append)
    assert heard == []
    assert outcomes(run.reranked()) == outcomes(whole.reranked())


def test_a_second_time_needs_again_which_forgets_the_first(
    whole: Run, tmp_path: Path, cache: Path
) -> None:
    run = open_run(Path(shutil.copytree(whole.path, tmp_path / "run")))
    with pytest.raises(AtrousError, match=r"--resume .* forget it with --again"):
        begin(run, ASKED)
    assert len(run.reranked()) == 3
    begin(run, replaced(ASKED, top=1, steps=1), again=True)
    assert run.reranked() == []
    proceed(run, cache, ignore)
    assert [entry.outcome.job.steps for entry in run.reranked()] == [1, 1]
    assert outcomes(run.ledger().entries()) == outcomes(whole.ledger().entries())


def test_changed_data_is_refused_and_costs_nothing(
    whole: Run, data: Path, tmp_path: Path, cache: Path
) -> None:
    run = open_run(Path(shutil.copytree(whole.path, tmp_path / "run")))
    mask = data / "masks" / "train" / "train1.png"
    before = mask.read_bytes()
    Image.fromarray(np.zeros((64, 96), np.uint8)).save(mask)
    try:
        for step in (lambda: proceed(run, cache, ignore), lambda: begin(run, ASKED, again=True)):
            with pytest.raises(AtrousError, match="has changed since it began"):
                step()
    finally:
        mask.write_bytes(before)
    assert outcomes(run.reranked()) == outcomes(whole.reranked())


def test_no_trial_begins_after_the_time(run: Run, cache: Path) -> None:
    begin(run, replaced(ASKED, time=1e-9))
    proceed(run, cache, ignore)
    assert run.reranked() == []
    begin(run, replaced(ASKED, time=3600.0), again=True)
    proceed(run, cache, ignore)
    assert len(run.reranked()) == 3


def test_a_candidate_that_diverges_is_recorded_and_others_are_kept(
    run: Run, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    reranking = begin(run, ASKED)
    worst = {e.trial.number: e.trial.architecture for e in run.ledger().entries()}[
        reranking.trials[0]
    ]

    def poisoned(blueprint: Any, *arguments: Any) -> Network:
        network = build_network(blueprint, *arguments)
        if blueprint.architecture == worst:
            torch.nn.init.constant_(next(network.backbone.parameters()), float("nan"))
        return network

    monkeypatch.setattr(fine_tune, "build_network", poisoned)
    proceed(run, cache, ignore)
    by_origin = {str(entry.trial.origin): entry.outcome for entry in run.reranked()}
    lost = by_origin[f"trial {reranking.trials[0]}"]
    assert isinstance(lost, Failed)
    assert lost.reason == Reason.NON_FINITE
    assert isinstance(by_origin["baseline dpc:1x1"], Measured)
    assert winner(run).number == reranking.trials[1]


def test_a_warm_start_is_the_cell_as_the_proxy_leaves_it(run: Run, cache: Path) -> None:
    begin(run, ASKED)
    trial = winner(run)
    tuned = rerank.fine_tune(run, read(run), trial.architecture, cache)
    assert tuned.start is not None
    network = build_network(tuned.blueprint, "none", 3)
    backbone = digest(network.backbone)
    tuned.start(network, trial.architecture, trial.seed)
    trained = estimator(run.settings, cached_of(run, cache)).fit(
        trial.architecture, run.config.proxy.steps, trial.seed
    )
    assert digest(network.head) == digest(trained.head)
    assert digest(network.logits) == digest(trained.logits)
    assert digest(network.backbone) == backbone


@pytest.mark.parametrize("warm", [True, False])
def test_what_a_candidate_starts_with_is_scored_where_it_was_trained(
    warm: bool, run: Run, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    told: list[bool] = []

    def heard(*arguments: Any, **options: Any) -> Metrics:
        told.append(options["is_trained"])
        return train(*arguments, **options)

    monkeypatch.setattr(fine_tune, "train", heard)
    begin(run, replaced(ASKED, top=1, steps=1, warm=warm))
    proceed(run, cache, ignore)
    assert told == [warm, warm]


@pytest.mark.parametrize(
    ("steps", "warm", "weights", "gentle"),
    [
        (499, True, "builtin", True),
        (500, True, "builtin", False),
        (499, False, "builtin", False),
        (499, True, "none", False),
    ],
)
def test_a_short_training_is_gentle_where_statistics_are_known(
    steps: int, warm: bool, weights: str, gentle: bool
) -> None:
    assert is_gentle(steps, warm, weights) == gentle


def test_the_rate_follows_from_the_steps_unless_it_is_given(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = replaced(ASKED, rate=None)
    usual = begin(run, asked).protocol
    assert (usual.rate, usual.tune_norm) == (0.01, True)
    monkeypatch.setattr(rerank, "is_gentle", lambda *_: True)
    gentle = begin(run, asked, again=True).protocol
    assert (gentle.rate, gentle.tune_norm) == (0.0005, False)
    assert begin(run, replaced(ASKED, rate=0.3), again=True).protocol.rate == 0.3


def test_where_all_diverge_the_searchs_best_stays(run: Run, cache: Path) -> None:
    expected = winner(run)
    begin(run, replaced(ASKED, rate=1e9))
    proceed(run, cache, ignore)
    reasons = {e.outcome.reason for e in run.reranked() if isinstance(e.outcome, Failed)}
    assert reasons == {Reason.NON_FINITE}
    assert len(run.reranked()) == 3
    assert winner(run) == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"top": 0}, "--top is at least 1, got 0"),
        ({"steps": 0}, "--steps is at least 1, got 0"),
        ({"batch": 1}, "--batch is at least 2, got 1"),
        ({"rate": 0.0}, "--rate is a positive number"),
        ({"crop": (64, 96)}, "--crop 65x97"),
        ({"workers": 0}, "--workers is at least 1, got 0"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(
    run: Run, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(AtrousError, match=words):
        begin(run, replaced(ASKED, **changes))
    assert not (run.path / RERANK).exists()
    assert run.reranked() == []


def test_defaults_follow_from_the_search(run: Run) -> None:
    begun = begin(run, replaced(ASKED, crop=None, top=50))
    assert begun == read(run)
    assert begun.protocol.crop == (65, 97)
    assert begun.workers == run.settings.workers
    assert len(begun.trials) == 3


def test_a_search_without_scores_has_nothing_to_rank(tmp_path: Path) -> None:
    empty = make_run(tmp_path / "run", [measured(0)][:0])
    with pytest.raises(AtrousError, match=r"Expected a search with scores .*search --resume"):
        begin(empty, ASKED)


def test_a_run_in_use_is_left_alone(run: Run) -> None:
    with run.locked(), pytest.raises(AtrousError, match="Another process"):
        begin(run, ASKED)
    assert not (run.path / RERANK).exists()


@pytest.mark.slow
def test_every_stage_goes_on_where_the_data_set_was_moved(
    run: Run,
    data: Path,
    tmp_path: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Told where it is, each stage keeps that; without, or with other images, none begins."""
    here, other = (Path(shutil.copytree(data, tmp_path / name)) for name in ("here", "other"))
    Image.fromarray(np.zeros((64, 96), np.uint8)).save(other / "masks" / "val" / "val1.png")
    short = ("--steps", 1, "--batch", 2, "--crop", "33x49")
    stages: dict[str, tuple[object, ...]] = {
        "rerank": ("rerank", run.path, "--top", 1, *short, "--cache", cache),
        "rerank on": ("rerank", run.path, "--resume", "--cache", cache),
        "compare": ("compare", run.path, "--architectures", "best", "--seeds", 2, "--cache", cache),
        "train": ("train", run.path, *short, "--device", "cpu", "--out", tmp_path / "trained"),
    }
    for name, asked in stages.items():
        gone = replaced(run.config, data=str(tmp_path / "gone"))
        write_about(replace(run, settings=replace(run.settings, config=gone)))
        code, _, err = ended(monkeypatch, capsys, *asked)
        assert (code, str(tmp_path / "gone") in err, "--data" in err) == (1, True, True), name
        if name != "train":  # any data may be trained on
            code, _, err = ended(monkeypatch, capsys, *asked, "--data", other)
            assert (code, "has changed since it began" in err) == (1, True), name
        code, _, err = ended(monkeypatch, capsys, *asked, "--data", here)
        assert code == 0, f"{name}: {err}"
        known = open_run(run.path).config.data.path
        assert known == str(tmp_path / "gone" if name == "train" else here), name


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: "{",
        lambda _: "3",
        lambda record: json.dumps(record | {"format": 9}),
        lambda record: json.dumps(record | {"more": 1}),
        lambda record: json.dumps({k: v for k, v in record.items() if k != "protocol"}),
    ],
)
def test_a_damaged_record_is_told(damage: Any, run: Run) -> None:
    with pytest.raises(AtrousError, match="there is none"):
        read(run)
    begin(run, ASKED)
    path = run.path / RERANK
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(AtrousError, match=r"Expected a re-ranking in|another version"):
        read(run)


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """`atrous` with these arguments, in this process."""
    monkeypatch.setattr(sys, "argv", ["atrous", *map(str, arguments)])
    main()


def ended(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[object, str, str]:
    """How the command ended, and what it printed and complained of."""
    with pytest.raises(SystemExit) as exit_:
        command(monkeypatch, *arguments)
    told = capsys.readouterr()
    return exit_.value.code, told.out, told.err


def test_the_command_ranks_and_goes_on(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--top", 2, "--steps", 1, "--batch", 2, "--crop", "33x49")
    code, out, err = ended(monkeypatch, capsys, "rerank", run.path, *asked)
    assert code == 0, err
    assert len(run.reranked()) == 3
    assert f"Next: atrous train {run.path}" in out
    assert f"trial {winner(run).number}" in out
    code, _, err = ended(monkeypatch, capsys, "rerank", run.path, *asked)
    assert (code, "--again" in err) == (1, True)
    code, out, _ = ended(monkeypatch, capsys, "rerank", run.path, "--resume")
    assert code == 0
    code, _, err = ended(monkeypatch, capsys, "rerank", run.path, "--resume", "--top", 1)
    assert code == 1
    assert "--top cannot be changed" in err
    code, _, err = ended(monkeypatch, capsys, "rerank", run.path, "--again", "--time", "soon")
    assert (code, "30m" in err) == (1, True)
    assert len(run.reranked()) == 3
