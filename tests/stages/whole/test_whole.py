"""A whole run ends the same however often it is stopped, and does nothing twice."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from atrous.cli import app
from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.trial import Outcome
from atrous.model.evaluation import publication
from atrous.model.model import load_model
from atrous.networks.weights import digest
from atrous.report.page import answer
from atrous.report.trained import PLAN
from atrous.search.ledger import Entry, scored
from atrous.search.run import ABOUT, RERANK, open_run
from atrous.search.verdict import reread_of
from atrous.stages import search as driver
from atrous.stages.search import SearchView
from atrous.stages.whole import request, whole
from atrous.stages.whole.finish import evaluated
from atrous.stages.whole.plan import read_plan
from atrous.stages.whole.request import WHOLE, keep, kept
from tests.small_search import write_data
from tests.stages.whole.small_run import STEP, at_pace, hear, quick, watch, wish

pytestmark = pytest.mark.slow

STOPS: tuple[tuple[ModuleType, str], ...] = (
    (request, "keep"),
    (whole, "measure_regimes"),
    (driver, "begin"),
    (whole, "trial_seconds"),
    (whole, "extend"),
    (whole, "write_plan"),
    (whole, "search"),
    (whole, "again"),
    (whole, "train"),
    (whole, "evaluated"),
    (whole, "exported"),
    (whole, "timed"),
    (whole, "write_report"),
)
"""Functions after which a run is stopped, in their order."""
DONE = (
    WHOLE,
    PLAN,
    RERANK,
    "trained/*/training.json",
    "trained/*/log.jsonl",
    "trained/*/model/model.safetensors",
    "trained/*/model.pt2",
    "trained/*/evaluation/*/pictures-1.png",
    "trained/*/export.json",
    "trained/*/latency.json",
)
"""What a stage writes once, when it has done its work."""
NAMES = ("best", "dpc-1x1", "dpc-aspp")


@pytest.fixture
def patch() -> Iterator[pytest.MonkeyPatch]:
    with quick() as patched:
        yield patched


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    write_data(folder / "data")
    return folder


@pytest.fixture(scope="module")
def uninterrupted(home: Path) -> Path:
    """A whole run from beginning to end."""
    out = home / "run"
    with quick():
        request.begin(wish(home / "data"), out)
        assert whole.finish(out, home / "cache", hear, watch) == out / "report.html"
    return out


def stop(patch: pytest.MonkeyPatch, place: object, name: str) -> None:
    """The function does its work, and then somebody presses Ctrl-C."""
    function = getattr(place, name)

    def stopped(*arguments: Any, **options: Any) -> None:
        function(*arguments, **options)
        raise KeyboardInterrupt

    patch.setattr(place, name, stopped)


def begin_or_go_on(home: Path, out: Path) -> None:
    if not (out / WHOLE).exists():
        request.begin(wish(home / "data"), out)
    whole.finish(out, home / "cache", hear, watch)


def written(out: Path) -> dict[Path, int]:
    """When the work of stages was written."""
    return {path: path.stat().st_mtime_ns for mark in DONE for path in out.glob(mark)}


def outcomes(entries: list[Entry]) -> list[Outcome]:
    """What was measured, without how long it took."""
    return [replace(entry.outcome, seconds=0.0) for entry in entries]


def result(out: Path) -> dict[str, object]:
    """All that a run ends with, but for what the clock says."""
    run, plan = open_run(out), read_plan(out)
    found: dict[str, object] = {
        "search": outcomes(run.ledger().entries()),
        "again": outcomes(run.reranked()),
        "plan": (plan.budget, plan.trials, plan.top, plan.rerank_steps, plan.train_steps),
    }
    for name in NAMES:
        folder = out / "trained" / name
        model = load_model(folder / "model")
        found[name] = (
            digest(model.network),
            model.training_record,
            json.loads((folder / "model" / "evaluation.json").read_text()),
            {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()},
        )
    return found


def test_a_whole_run_ends_with_a_page_that_holds_what_was_trained(uninterrupted: Path) -> None:
    page = (uninterrupted / "report.html").read_text()
    assert "Trained networks" in page
    for name in NAMES:
        folder = uninterrupted / "trained" / name
        record = load_model(folder / "model").training_record
        assert (record["crop"], record["batch"], record["steps"]) == ([33, 49], 2, 14)
        assert re.search(rf"\b{record['parameters']:,}\b|{record['parameters'] / 1e6:.2f}", page)
        splits = {path.name for path in (folder / "evaluation").iterdir()}
        assert splits == {"val", "test"}
        assert (folder / "latency.json").exists()
        assert json.loads((folder / "export.json").read_text())["path"].endswith("model.pt2")
    run = open_run(uninterrupted)
    assert [str(e.trial.origin) for e in run.ledger().entries()][:2] == [
        "baseline dpc:1x1",
        "baseline dpc:top1",
    ]
    assert len(run.ledger().entries()) == 2 + 9
    assert len(run.reranked()) == 2 + 3


@pytest.mark.slow
def test_a_run_stopped_after_each_stage_ends_like_one_that_was_not(
    home: Path, uninterrupted: Path
) -> None:
    out = home / "stopped"
    before: dict[Path, int] = {}
    searched: list[Entry] = []
    reranked: list[Entry] = []
    for module, name in STOPS:
        with quick() as patch:
            stop(patch, module, name)
            with pytest.raises(KeyboardInterrupt):
                begin_or_go_on(home, out)
        now = written(out)
        assert {path: now.get(path) for path in before} == before, name
        before = now
        if name == "search":
            searched = open_run(out).ledger().entries()
        if name == "again":
            reranked = open_run(out).reranked()
    with quick():
        begin_or_go_on(home, out)
    assert written(out) == before
    assert open_run(out).ledger().entries() == searched
    assert open_run(out).reranked() == reranked
    assert len(before) == 3 + 3 * 8
    assert result(out) == result(uninterrupted)


def test_a_run_stopped_within_a_stage_goes_on_within_it(
    home: Path, tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    request.begin(wish(home / "data"), out)
    with pytest.MonkeyPatch.context() as interrupted:
        stop(interrupted, SearchView, "watch")
        for ended in (1, 2):
            with pytest.raises(KeyboardInterrupt):
                whole.finish(out, home / "cache", hear, watch)
            assert len(open_run(out).ledger().entries()) == ended
    first = open_run(out).ledger().entries()
    stop(patch, whole, "search")
    with pytest.raises(KeyboardInterrupt):
        whole.finish(out, home / "cache", hear, watch)
    entries = open_run(out).ledger().entries()
    assert entries[:2] == first
    assert len(entries) == 11


def test_a_run_that_has_ended_is_left_alone(
    home: Path, uninterrupted: Path, patch: pytest.MonkeyPatch
) -> None:
    before = written(uninterrupted)
    patch.setattr(driver, "search", None)
    whole.finish(uninterrupted, home / "cache", hear, watch)
    assert written(uninterrupted) == before


def test_pictures_that_were_stopped_are_drawn_when_the_run_goes_on(
    home: Path, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(uninterrupted / "trained" / "best", tmp_path / "best"))
    out = folder / "evaluation" / "train"
    with pytest.MonkeyPatch.context() as interrupted:
        stop(interrupted, publication, "confusion_csv")
        with pytest.raises(KeyboardInterrupt):
            evaluated(folder, home / "data", "train", "cpu")
    with pytest.MonkeyPatch.context() as interrupted:
        stop(interrupted, publication, "add_evaluation")
        with pytest.raises(KeyboardInterrupt):
            evaluated(folder, home / "data", "train", "cpu")
    assert (out / "evaluation.json").exists()
    assert not (out / "pictures-1.png").exists()
    evaluated(folder, home / "data", "train", "cpu")
    assert (out / "pictures-1.png").exists()
    monkeypatch.setattr(publication, "document", None)
    evaluated(folder, home / "data", "train", "cpu")


def test_a_folder_with_a_run_is_refused_and_one_where_none_began_is_not(
    home: Path, tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    request.begin(wish(home / "data"), out)
    request.begin(wish(home / "data", seed=5), out)
    assert kept(out).search.seed == 5
    stop(patch, driver, "begin")
    with pytest.raises(KeyboardInterrupt):
        whole.finish(out, home / "cache", hear, watch)
    with pytest.raises(AtrousError, match=f"Go on with it: atrous run --resume {out}; or"):
        request.begin(wish(home / "data", seed=6), out)
    assert kept(out).search.seed == open_run(out).config.seed == 5
    (out / WHOLE).unlink()
    with pytest.raises(AtrousError, match=f"Go on with it: atrous search --resume {out}; or"):
        request.begin(wish(home / "data"), out)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": "nowhere"}, "There is no folder"),
        ({"select_on": "test"}, "Cannot select on 'test'"),
        ({"backbone": "resnet"}, "expected the name of a timm model"),
        ({"device": "tpu"}, "got 'tpu'"),
        ({"time": 0.0}, "^--budget is a time such as 90s, 30m or 2h, got 0s[.]$"),
        ({"steps": 0}, "--steps is at least 1"),
        ({"output_stride": 4}, "--output-stride is 8, 16 or 32"),
        ({"space": "auto_deeplab-4"}, "Expected a space of parts on a backbone"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_made(
    home: Path, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    asked = wish(home / "data")
    with pytest.raises(AtrousError, match=message):
        request.begin(replace(asked, search=replaced(asked.search, **changes)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_crops_that_cannot_be_are_told_before_anything_is_made(home: Path, tmp_path: Path) -> None:
    asked = wish(home / "data")
    with pytest.raises(AtrousError, match="--batch is at least 2, got 1"):
        request.begin(replaced(asked, batch=1), tmp_path / "run")
    with pytest.raises(AtrousError, match="The next that fits is --crop 65x97"):
        request.begin(replaced(asked, crop=(64, 96)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def atrous(*words: str | Path) -> AtrousError:
    """What a command that fails tells."""
    found = CliRunner().invoke(app, [*map(str, words)])
    assert isinstance(found.exception, AtrousError), found.output
    return found.exception


def test_a_budget_that_is_too_short_is_mended_by_a_longer_one(home: Path, tmp_path: Path) -> None:
    with quick(least=20):
        asked = wish(home / "data", time=900.0)
        request.begin(asked, tmp_path / "run")
        told = atrous("run", "--resume", tmp_path / "run", "--cache", home / "cache")
        found = re.search(r"at least --budget (\d+)s\.", str(told))
        assert found
        assert f"Go on with more: atrous run --resume {tmp_path / 'run'} --budget" in str(told)
        assert open_run(tmp_path / "run").ledger().entries() == []
        longer = ("--budget", f"{found[1]}s")
        with pytest.MonkeyPatch.context() as stopped:
            stop(stopped, whole, "write_plan")
            arguments = ["run", "--resume", str(tmp_path / "run"), *longer]
            assert CliRunner().invoke(app, [*arguments, "--cache", str(home / "cache")]).exit_code
    plan = read_plan(tmp_path / "run")
    assert plan.budget == float(found[1])
    assert plan.train_steps >= 20
    assert (plan.top, plan.rerank_steps) == (0, 0)
    now = kept(tmp_path / "run")
    assert now.training == asked.training
    assert plan.trials == 0  # a trial takes as long as four steps: nothing is searched
    assert open_run(tmp_path / "run").config.budget.seconds == plan.budget
    told = atrous("run", "--resume", tmp_path / "run", "--budget", "99h")
    assert "is split already" in str(told)
    assert kept(tmp_path / "run") == now
    assert plan.budget > STEP * 20


def test_what_a_run_began_with_cannot_be_changed(uninterrupted: Path) -> None:
    told = atrous("run", "--resume", uninterrupted, "--steps", "3", "--crop", "65x97")
    assert "--steps, --crop cannot be changed" in str(told)
    assert "got 0s" in str(atrous("run", uninterrupted, "--resume", "--budget", "0s"))


def test_the_whole_run_that_began_last_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert "there is none" in str(atrous("run", "--resume"))
    marks = (("new", WHOLE), ("old", WHOLE), ("search", ABOUT))
    for name, mark in marks:
        Path("runs", name).mkdir(parents=True)
        Path("runs", name, mark).write_text("{")
    for name, mark, moment in (("new", WHOLE, 200), ("old", WHOLE, 100), ("search", ABOUT, 300)):
        os.utime(Path("runs", name, mark), (moment, moment))
    assert f"was asked for in {Path('runs', 'new', WHOLE)}" in str(atrous("run", "--resume"))
    assert f"was asked for in {Path('runs', 'old', WHOLE)}" in str(
        atrous("run", "--resume", "runs/old")
    )
    assert "Expected a whole run at runs/search" in str(atrous("run", "runs/search", "--resume"))


def test_a_run_says_how_to_go_on_with_it(
    home: Path, tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    stop(patch, driver, "begin")
    out = tmp_path / "run"
    words = ("run", home / "data", "--out", out, "--backbone", "test_efficientnet")
    options = ("--weights", "none", "--filters", "8", "--crop", "33x65", "--batch", "3")
    found = CliRunner().invoke(
        app, [*map(str, words), *options, "--device", "cpu", "--cache", str(home / "cache")]
    )
    assert f"Stopped. Go on: atrous run --resume {out}" in found.output
    asked = kept(out)
    assert (asked.training.batch, asked.training.crop) == (3, (33, 65))
    assert asked.search.budget.seconds == 7200.0
    assert asked.search.data.path == str((home / "data").resolve())
    assert str(out) in str(atrous(*words, *options))


@pytest.mark.usefixtures("patch")
def test_a_wish_without_a_budget_has_two_hours(home: Path, tmp_path: Path) -> None:
    keep(wish(home / "data", time=None), tmp_path)
    whole.prepare(tmp_path, home / "cache")
    assert read_plan(tmp_path).budget == 7200
    assert open_run(tmp_path).config.budget.trials == 9


def test_a_budget_may_be_stretched(home: Path, tmp_path: Path) -> None:
    with quick(least=20):
        request.begin(replace(wish(home / "data", time=1.0), stretch=True), tmp_path / "run")
        whole.prepare(tmp_path / "run", home / "cache")
    plan = read_plan(tmp_path / "run")
    assert plan.budget > 300 * STEP
    assert plan.train_steps >= 20


@pytest.mark.parametrize(
    ("reread", "where"),
    [(2, "selection images that chose nothing"), (0, "val")],
)
def test_a_short_run_trains_one_network_and_tells_by_fresh_seeds(
    home: Path, tmp_path: Path, patch: pytest.MonkeyPatch, reread: int, where: str
) -> None:
    at_pace(patch, trial=4, step=1.3)
    out = tmp_path / "run"
    request.begin(wish(home / "data", time=600.0, reread=reread), out)
    page = whole.finish(out, home / "cache", hear, watch)
    run, plan = open_run(out), read_plan(out)
    assert (plan.seeds, plan.top, plan.read) == (3, 0, reread or 1)
    assert run.context.selection_images == (2 if reread else 3)
    assert len(run.compared()) in ((6,) if not reread else (6, 9, 12))
    assert run.reranked() == []
    trained = [folder.name for folder in (out / "trained").iterdir()]
    entries = scored(run.ledger().entries())
    leads = max(entries, key=lambda found: found.standing).trial
    if reread and (read := reread_of(run, run.ledger().entries())):
        trials = {each.trial.architecture: each.trial for each in reversed(entries)}
        leads = trials[read.best.contender.architecture]
    assert trained == [leads.label.replace(":", "-") if leads.is_baseline else "best"]
    assert f"3 fresh seeds each, on {where}" in page.read_text()
    assert answer(run).model == out / "trained" / trained[0] / "model"


def test_a_run_without_time_for_a_search_trains_the_plain_network(
    home: Path, tmp_path: Path, patch: pytest.MonkeyPatch
) -> None:
    at_pace(patch, trial=40, step=1.3)
    patch.setattr(driver, "begin", None)
    out = tmp_path / "run"
    request.begin(wish(home / "data", time=300.0), out)
    page = whole.finish(out, home / "cache", hear, watch).read_text()
    run, plan = open_run(out), read_plan(out)
    assert (plan.trials, plan.top, plan.seeds) == (0, 0, 0)
    assert run.ledger().entries() == []
    assert [folder.name for folder in (out / "trained").iterdir()] == ["dpc-aspp"]
    assert answer(run).model == out / "trained" / "dpc-aspp" / "model"
    assert "Nothing was searched" in page
    assert plan.told in page
