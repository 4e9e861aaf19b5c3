"""Every field of every record that a folder holds, edited: told in a sentence, or a legal value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from atrous.core.architecture import Architecture
from atrous.core.config import CACHED, END_TO_END, GradientConfig
from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.records import SEAL, seal_of, to_json, write, write_lines, write_plain
from atrous.core.stage_config import FidelityConfig
from atrous.core.trial import Score
from atrous.estimation.features import FORMAT as FEATURES
from atrous.estimation.features import AboutFeatures, FeatureSet
from atrous.estimation.tune import Choice
from atrous.model.export.exported import ExportCheck, ExportedFile
from atrous.model.export.interface import ExportInterface
from atrous.model.facts import Latency
from atrous.model.folder import read_papers
from atrous.model.predict.outputs import Outputs, Provenance, open_outputs
from atrous.model.record import read_record
from atrous.networks.compute import Compute, LatencyConditions
from atrous.recipes import result as recipe
from atrous.recipes.changes import Difference
from atrous.relax.bilevel import SearchProgress
from atrous.relax.collapse import read_history, write_history
from atrous.relax.config import SearchProtocol
from atrous.report.rerank import second_ranking
from atrous.report.trained import read_timetable, read_trained
from atrous.search.run import Run, create_run, open_run
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import blank_network
from atrous.stages import relax as relaxing
from atrous.stages import rerank
from atrous.stages.fidelity import study
from atrous.stages.train import trainer
from atrous.stages.whole import plan, request
from atrous.training.checkpoint import LOG, Checkpoint, read_log, save
from atrous.training.config import Protocol
from atrous.training.loop import BEST, BestWeights, best_metrics
from atrous.training.state import Best, TrainingProgress
from tests.cli.running import atrous
from tests.model.material import BLUEPRINT, CLASSES, evaluation, saved
from tests.records import CONFIG, CONTEXT, SETTINGS, measured, widths
from tests.relax.snapshots import snapshot
from tests.stages.whole.small_run import paced

DEEP = "[" * 100_000
LONG: Any = 10**30
WRONG: tuple[Any, ...] = ("abc", None, 1e30, LONG, -1, 0, True, [], [1, 2, 3], {}, {"a": {"b": []}})
MISSING = object()
PROTOCOL = Protocol(steps=4, batch=2, crop=(33, 33))
DATA = CONTEXT.fingerprint
COMPUTE = Compute("cpu", "float32", "channels_last", 1)
SETTING = LatencyConditions((33, 33), 1, "cpu", "a processor", 1, "float32")
SEARCHED = SearchProtocol(
    "softmax", "auto_deeplab-3x2", 2, 3, 4, 2, (33, 33), 1.0, 0.5, 0, "float32"
)
LATENCY = Latency(
    *("pytorch", "2.13", (33, 33), 1, "cpu", "a processor", 1, "float32", 2),
    *(1.0, (0.5, 1.5), (0.25, 2.0), (1.0, 1.5)),
)
EXPORTED = ExportedFile(
    *(Path("model.onnx"), "onnx", 100, ExportInterface((0.5,) * 3, (0.5,) * 3)),
    *({"a": "b"}, (ExportCheck(1, (33, 33), 1e-6),)),
)
Read = Callable[[], object]


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value of a content; in a list, whose values are of one type, to the first
    and the last."""
    last = len(content) - 1
    inner = content.items() if isinstance(content, dict) else enumerate(content)
    for name, value in inner:
        if isinstance(content, list) and 0 < name < last:
            continue
        yield (*path, name)
        if isinstance(value, (dict, list)):
            yield from places(value, (*path, name))


def edited(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The content with another value, or none, at a place."""
    whole_one = deepcopy(content)
    at = whole_one
    for name in path[:-1]:
        at = at[name]
    if value is MISSING:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return whole_one


def named(path: tuple[Any, ...], told: str) -> bool:
    """Whether a sentence names a field on the way to a value, if there is one."""
    names = [name for name in path if isinstance(name, str)]
    return not names or any(name in told for name in names)


def legal(before: Any, value: Any) -> bool:
    """Whether a value may be accepted where another one stood."""
    if value is MISSING or value is None or value == before:
        return True  # what may be left out is so
    if isinstance(before, bool) or isinstance(value, bool) or isinstance(before, str):
        return type(before) is type(value)
    if isinstance(before, (int, float)) and isinstance(value, (int, float)):
        return isinstance(value, float) or abs(value) < 2**63
    return isinstance(before, type(value)) or before is None


def faults(read: Read, name: str, content: Any, put: Callable[[Any], object]) -> list[str]:
    """All edits of a file that end in anything but a sentence, or that pass and should not."""
    told = []
    for path in places(content):
        before = content
        for part in path:
            before = before[part]
        for value in (*WRONG, MISSING):
            put(edited(content, path, value))
            where = f"{name} {path} = {'(missing)' if value is MISSING else value!r}"
            try:
                read()
            except AtrousError as error:
                if name not in str(error) or not named(path, str(error)):
                    told.append(f"{where} is told without file or field: {error}")
            except Exception as error:
                told.append(f"{where} ends in {type(error).__name__}: {error}")
            else:
                if not legal(before, value):
                    told.append(f"{where} is accepted")
    put(content)
    read()
    return told


def bare(content: Any) -> Any:
    """A content without seals."""
    if isinstance(content, list):
        return [bare(each) for each in content]
    return {name: value for name, value in content.items() if name != SEAL}


def changed(value: Any) -> Any:
    """A value of the same type, another by as little as may be."""
    if isinstance(value, str):
        return f"{value[:-1]}{'0' if value[-1:] != '0' else '1'}"
    return not value if isinstance(value, bool) else value + type(value)(1)


def unnoticed(read: Read, content: Any, put: Callable[[Any], object]) -> list[str]:
    """The values of a sealed content that can be changed without a word."""
    told = []
    for path in places(content):
        value = content
        for part in path:
            value = value[part]
        if isinstance(value, (str, int, float)):
            put(edited(content, path, changed(value)))
            try:
                read()
            except AtrousError:
                continue
            told.append(f"{path} can be changed from {value!r}")
    return told


def in_file(read: Read, path: Path, lines: bool = False, sealed: bool = True) -> list[str]:
    """The faults of a file of JSON, or of the last of its lines; deep nesting is told, too, and so
    is each change of what is sealed."""
    text = path.read_text()
    first, last = ("", text) if not lines else (text[: text[:-1].rfind("\n") + 1], text)
    content = json.loads(last[len(first) :])
    path.write_text(first + DEEP)
    with pytest.raises(AtrousError, match=path.name) as caught:
        read()
    assert "deep" in str(caught.value)

    def put(new: Any) -> None:
        path.write_text(f"{first}{json.dumps(new)}\n")

    assert sealed == (content != bare(content))
    told = unnoticed(read, content, put) if sealed else []
    return told + faults(read, path.name, bare(content), put)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    config = replaced(CONFIG, time=60.0, crop=(33, 33), workers=2)
    run = create_run(tmp_path / "run", replace(SETTINGS, config=config), CONTEXT)
    for number in range(3):
        run.ledger().record(measured(number), widths(measured(number)))
    return run


def test_the_record_of_a_run(run: Run) -> None:
    assert not in_file(lambda: open_run(run.path), run.path / "run.json", sealed=False)


def test_the_record_of_a_run_by_gradients(tmp_path: Path) -> None:
    asked = GradientConfig(crop=(33, 33), warm_up=0.5, precision="float32", steps=4)
    config = replaced(
        CONFIG, space="auto_deeplab-3x2", strategy="gradient", gradient=asked, baselines=()
    )
    config = replaced(config, backbone=None, output_stride=None)
    made = create_run(tmp_path / "run", replace(SETTINGS, config=config), CONTEXT)
    content = json.loads((made.path / "run.json").read_text())
    content["settings"]["config"]["data"] = {"path": "/data", "select_on": "val"}
    gradient = {"settings": {"config": {"gradient": content["settings"]["config"]["gradient"]}}}

    def put(new: Any) -> None:
        whole_one = deepcopy(content)
        settings = new.get("settings")
        config = settings.get("config") if isinstance(settings, dict) else None
        if isinstance(config, dict) and "gradient" in config:
            whole_one["settings"]["config"]["gradient"] = config["gradient"]
        (made.path / "run.json").write_text(json.dumps(whole_one))

    told = faults(lambda: open_run(made.path), "run.json", gradient, put)
    assert not [each for each in told if "'gradient', " in each]


def test_the_other_records_of_a_run(run: Run) -> None:
    again = rerank.Reranking(
        trials=(1, 0), protocol=PROTOCOL, compute=COMPUTE, workers=1, seconds=60.0, warm=True
    )
    write(run.path / "rerank.json", again, rerank.FORMAT, "a re-ranking")
    told = in_file(lambda: rerank.read(run), run.path / "rerank.json")
    run.begin_ledger("rerank")
    (run.path / "rerank.json").write_text(DEEP)
    with pytest.raises(AtrousError, match=r"rerank\.json"):
        second_ranking(run)
    split = plan.split(3600, paced(5.0, 0.5, 2), 0, 2, ("dpc:aspp",))
    plan.write_plan(split, run.path)
    told += in_file(lambda: plan.read_plan(run.path), run.path / "plan.json")
    (run.path / "plan.json").write_text(DEEP)
    with pytest.raises(AtrousError, match=r"plan\.json"):
        read_timetable(run.path)
    asked = replaced(request.usual("dpc"), data="/data", budget=600.0)
    request.keep(asked, run.path)
    told += in_file(lambda: request.kept(run.path), run.path / "whole.json", sealed=False)
    write_history(run.path / "relaxation.jsonl", [snapshot(100), snapshot(200)])
    history = run.path / "relaxation.jsonl"
    told += in_file(lambda: read_history(history), history, lines=True)
    table = relaxing.LatencyTable(SETTING, "2.13", 30, {"a": 1.0, "b": 2.0})
    write(run.path / "latency.json", table, relaxing.FORMAT, "a table of latencies")
    parts: Mapping[str, Any] = {"a": None, "b": None}
    told += in_file(
        lambda: relaxing.measured_once(run.path / "latency.json", parts, SETTING),
        run.path / "latency.json",
    )
    assert not told, "\n".join(told)


def test_a_row_of_the_ledger(run: Run) -> None:
    ledger = run.ledger()
    found = ledger._study.get_trials()[0]
    rest = {name: value for name, value in found.user_attrs.items() if name != SEAL}
    content = {**rest, "outcome": json.loads(rest["outcome"])}

    def put(new: Any) -> None:
        outcome = new.get("outcome", MISSING)
        if isinstance(outcome, dict):
            new = {**new, "outcome": json.dumps(outcome)}
        found.user_attrs.clear()
        found.user_attrs.update({**new, SEAL: seal_of((new, found.params))})

    told = faults(lambda: ledger._from_optuna(found), "ledger.db", content, put)
    assert not [each for each in told if "without file or field" not in each], "\n".join(told)


def test_the_records_of_a_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built = blank_network(BLUEPRINT)  # of other blueprints, each edit builds its own
    monkeypatch.setattr(
        trainer,
        "blank_network",
        lambda asked: built if asked == BLUEPRINT else blank_network(asked),
    )
    job = trainer.TrainingJob(
        name="a cell",
        data="/data",
        select_on="val",
        licence="",
        blueprint=BLUEPRINT,
        weights="none",
        protocol=PROTOCOL,
        compute=COMPUTE,
        tensorboard=False,
        fingerprint=DATA,
    )
    trainer.create(tmp_path, job)
    told = in_file(lambda: trainer.read(tmp_path), tmp_path / "training.json", sealed=False)
    write_lines(tmp_path / LOG, [Score(n, 1.0 / n, {"miou": n / 4}) for n in (1, 2)], "a log")
    lines = in_file(lambda: read_log(tmp_path), tmp_path / LOG, lines=True)
    # Values are called what their task calls them: of a line with none it is told that one lacks.
    told += [each for each in lines if "values: Dictionary should have at least 1" not in each]
    path = tmp_path / "checkpoint.safetensors"
    kinds: tuple[tuple[Any, type[Any]], ...] = (
        (TrainingProgress(3, Best(0.5, 2), PROTOCOL), TrainingProgress),
        (SearchProgress(3, SEARCHED), SearchProgress),
        (BestWeights(3, {}), BestWeights),
    )
    for record, kind in kinds:
        kept: list[Any] = []

        def read(kind: type[Any] = kind, kept: list[Any] = kept) -> object:
            return Checkpoint({}, kept[-1], path).told(kind, "it", "Mend.")

        told += faults(read, path.name, to_json(record), kept.append)
    save(Checkpoint({"network.a": torch.ones(3)}, {"step": LONG, "metrics": 3}), tmp_path / BEST)
    with pytest.raises(AtrousError, match=rf"{BEST}, but: .*metrics: .*step: "):
        best_metrics(tmp_path)
    assert not told, "\n".join(told)


def test_the_records_of_a_model(tmp_path: Path) -> None:
    folder = saved(tmp_path / "model")
    told = in_file(lambda: read_record(folder / "model.json"), folder / "model.json")
    write_plain(folder / "evaluation.json", (evaluation(),), "evaluations")
    told += in_file(lambda: read_papers(folder, len(CLASSES)), folder / "evaluation.json")
    assert not told, "\n".join(told)


def test_what_the_page_reads_of_trained_networks(tmp_path: Path) -> None:
    folder = tmp_path / "trained" / "best"
    folder.mkdir(parents=True)
    saved(folder / "model")
    write_plain(folder / "model" / "evaluation.json", (evaluation(),), "evaluations")
    write_plain(folder / "export.json", EXPORTED, "what was exported")
    write_plain(folder / "latency.json", (LATENCY,), "latencies")
    told = in_file(lambda: read_trained(tmp_path), folder / "latency.json")
    for name in ("export.json", "model/model.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(DEEP)
        with pytest.raises(AtrousError, match=name):
            read_trained(tmp_path)
        (folder / name).write_text(text)
        content, others = bare(json.loads(text)), []
        for path in places(content):
            for value in (*WRONG, MISSING):
                (folder / name).write_text(json.dumps(edited(content, path, value)))
                try:
                    read_trained(tmp_path)
                except AtrousError as error:
                    said = name in str(error) and named(path, str(error))
                    others += [] if said or "class" in str(path) else [error]
        assert not others
        (folder / name).write_text(text)
    assert not told, "\n".join(told)


def test_the_records_of_other_folders(tmp_path: Path) -> None:
    choice = Choice(COMPUTE, 2)
    made = study.Study(
        tmp_path / "study",
        FidelityConfig(replaced(CONFIG, data="/data").data),
        study.Fingerprints(DATA, "9d41", "77aa", "a machine", {"torch": "2.13"}),
        dict.fromkeys((CACHED, END_TO_END, "large"), choice),
    )
    study.create_study(made)
    told = in_file(lambda: study.open_study(made.path), made.path / "fidelity.json", sealed=False)
    measured_one = recipe.Measurement("val", 0.5, 10, "9d41")
    found = recipe.RecipeResult("dpc", {}, (Difference("a", "b", "c"),), (measured_one,))
    recipe.write_result(tmp_path / "recipe", found, "")
    path = tmp_path / "recipe" / recipe.RESULT
    told += in_file(lambda: recipe.read_result(path.parent), path)
    about = AboutFeatures(
        *((33, 33), (16,), True, {16: 3}, {"targets.npy": 7}, ((33, 33),), ((33, 33),)),
    )
    write(tmp_path / "about.json", about, FEATURES, "features")
    told += in_file(lambda: FeatureSet(tmp_path).about, tmp_path / "about.json")
    (tmp_path / "cell.json").write_text(json.dumps(to_json(Architecture("dpc-2", (0, 3, 1, 54)))))
    told += in_file(
        lambda: find_architecture(str(tmp_path / "cell.json")), tmp_path / "cell.json", sealed=False
    )
    assert not [each for each in told if "cell.json ('genotype'," not in each], "\n".join(told)


def test_predictions_that_cannot_be_read_are_not_gone_on_with(tmp_path: Path) -> None:
    outputs, made = Outputs(tmp_path, (), ()), Provenance("9d41", (1.0,), False)
    for text in (DEEP, "[]", "{", '{"model": 3}'):
        (tmp_path / "predictions.json").write_text(text)
        open_outputs(outputs, (), made, overwrite=False)
        assert bare(json.loads((tmp_path / "predictions.json").read_text())) == to_json(made)


def test_a_command_tells_all_faults_of_a_file_at_once(run: Run) -> None:
    path = run.path / "run.json"
    content = json.loads(path.read_text())
    settings = content["settings"]
    settings |= {"workers": 0, "crop": "x", "device": "tpu"}
    settings["config"]["budget"]["trials"] = "abc"
    settings["config"]["proxy"]["rate"] = -1
    settings["config"]["machine"]["workers"] = LONG
    path.write_text(json.dumps(content))
    for command in (("status",), ("search", "--resume"), ("report",), ("rerank",), ("compare",)):
        ended = atrous(*command, run.path, folder=run.path.parent)
        assert ended.returncode == 1
        told = " ".join(ended.stderr.split())
        assert "Traceback" not in told
        for name in ("workers", "crop", "device", "config.budget.trials", "config.proxy.rate"):
            assert f"settings.{name}: " in told
        assert "settings.config.machine.workers: " in told


def test_legal_but_strange_values_end_no_command(run: Run) -> None:
    path = run.path / "run.json"
    content = json.loads(path.read_text())
    for place in places(content["settings"]):
        for value in ("abc", 0, None):
            path.write_text(json.dumps(edited(content, ("settings", *place), value)))
            try:
                open_run(run.path)
            except AtrousError:
                continue  # told in a sentence, as other tests say
            ended = atrous("status", run.path, folder=run.path.parent)
            assert ended.returncode in (0, 1)
            assert "Traceback" not in ended.stderr
