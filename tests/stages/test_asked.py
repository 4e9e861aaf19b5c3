"""What a person asks for from Python."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

import atrous
from atrous.core.errors import AtrousError
from atrous.core.options import leaves
from atrous.core.requests import ExportConfig, SearchRequest
from atrous.stages.asked import RunResult, export, search
from atrous.stages.told import Told
from tests.report.runs import make_run, measured
from tests.report.trainings import write_trained
from tests.search.test_verdict import baseline


def test_the_package_has_what_people_expect() -> None:
    assert atrous.AtrousError is AtrousError
    assert atrous.__version__ == version("atrous")
    assert {"run", "search", "train", "evaluate", "export", "check", "load"} <= {*dir(atrous)}
    with pytest.raises(AttributeError, match="serach"):
        getattr(atrous, "serach")  # noqa: B009


def test_nothing_loads_torch_before_it_is_needed() -> None:
    """Neither the package, nor a call that cannot be; and the package of a name may be called."""
    told = """
import sys, atrous
for call in (lambda: atrous.search("nowhere", trails=3), lambda: atrous.train(1, 2, 3)):
    try:
        call()
    except atrous.AtrousError as error:
        print(error)
import atrous.search.objective
try:
    atrous.search("nowhere", trails=3)
except atrous.AtrousError as error:
    print(error)
assert "torch" not in sys.modules
"""
    found = subprocess.run(
        [sys.executable, "-c", told],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    first, second, third = found.stdout.splitlines()
    assert first == third == "atrous.search() has no argument trails. Is it trials?"
    assert "takes 1 arguments without a name, got 3" in second


def test_arguments_are_the_options_with_their_defaults() -> None:
    known = {leaf.name: leaf for leaf in leaves(SearchRequest) if leaf.name != "plan"}
    asked = inspect.signature(search).parameters
    assert asked.keys() == known.keys()
    assert asked["seed"].default == 0
    assert asked["data"].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert asked["seed"].kind is inspect.Parameter.KEYWORD_ONLY
    assert "trials: How many candidates, baselines not counted. [60" in (search.__doc__ or "")
    assert inspect.signature(export).parameters["model"].default is inspect.Parameter.empty


def test_values_and_texts_say_the_same() -> None:
    texts = {"crop": "65x97", "time": "2h", "objective": "miou,latency", "workers": "2"}
    values = {"crop": (65, 97), "time": 7200, "objective": ["miou", "latency"], "workers": 2}
    same = [
        Told.of(SearchRequest, (Path("DATA"),), given, "search()").values()
        for given in (texts, values)
    ]
    assert same[0] == same[1]
    assert (same[0]["data"], same[0]["time"]) == ("DATA", 7200.0)
    off = Told.of(SearchRequest, (), {"resume": False, "trials": None}, "search()")
    assert not off.typed


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("trials", 2.5, "--trials: Expected a whole number, got 2.5"),
        ("trials", True, "--trials: Expected no switch, got True"),
        ("resume", 1, "--resume: Expected True or False, got 1"),
        ("crop", (65,), r"--crop: Expected a height and a width, got \(65,\)"),
        ("trials", 0, "--trials is at least 1"),
        ("data", 3, "--data"),
    ],
)
def test_what_is_no_value_is_told(name: str, value: object, message: str) -> None:
    with pytest.raises(AtrousError, match=message):
        Told.of(SearchRequest, (), {name: value}, "search()").values()


def test_what_was_said_is_told_as_the_command_that_says_it() -> None:
    given = {"crop": (65, 97), "time": 7200, "objective": ["miou", "latency"], "flip": True}
    told = Told.of(SearchRequest, ("my data",), given, "search()")
    assert told.command("search") == (
        "atrous search 'my data' --crop 65x97 --time 7200s --objective miou,latency --flip"
    )


def test_all_that_is_needed_is_asked_for() -> None:
    with pytest.raises(AtrousError, match="--to"):
        Told.of(ExportConfig, ("model",), {}, "export()").made(ExportConfig)


def test_a_run_tells_what_it_found(tmp_path: Path) -> None:
    entries = [baseline(0, 0.3), *(measured(n, 0.4 + n / 100) for n in range(1, 8))]
    run = make_run(tmp_path / "run", entries, select_on="val", baselines=("dpc:1x1",))
    found = RunResult(run.path)
    assert found.best == str(entries[-1].trial.architecture)
    assert found.trials[0]["architecture"] == found.best if find_spec("pandas") is None else True
    assert len(found.trials) == 8
    assert found.model is None
    assert found.report().name == "report.html"
    assert "Trial 7 is" in found.verdict
    assert repr(found).startswith(f"RunResult({str(run.path)!r}): Trial 7 is")
    write_trained(run.path, "best", found.best, 0.6)
    assert "Recommended: " in found.verdict
