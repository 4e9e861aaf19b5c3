"""The commands as a user types them, on built-in scenes with real pretrained weights."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from atrous import cli
from atrous.core.errors import AtrousError
from atrous.estimation import estimators
from atrous.scenes.scene import write_scenes
from atrous.search.run import open_run
from atrous.stages.told import parse_duration
from tests.cases import each
from tests.cli.running import atrous
from tests.small_search import remembered

SEARCH = (
    *("search", "scenes", "--weights", "builtin", "--trials", "2", "--steps", "4"),
    *("--filters", "8", "--batch", "4", "--workers", "1", "--out", "run", "--cache", "cache"),
)


def typed(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """How a command ended in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "atrous", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with scenes, and a finished run on them, of this process."""
    folder = tmp_path_factory.mktemp("home")
    write_scenes(folder / "scenes", 12, 0, (96, 128))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimators, "choose", remembered([]))
        searched = atrous(*SEARCH, "--executor", "inline", folder=folder)
    assert searched.returncode == 0, searched.stderr
    assert "atrous report run" in searched.stdout
    return folder


@pytest.mark.slow
def test_a_search_has_processes_of_its_own(home: Path) -> None:
    """How to compute is measured, and trials run in others than the driver's."""
    searched = typed(*SEARCH[:-4], "--out", "other", "--cache", "cache", folder=home)
    assert searched.returncode == 0, searched.stderr
    assert "5 of 5" in atrous("status", "other", folder=home).stdout
    here, there = (open_run(home / name).ledger().entries() for name in ("run", "other"))
    assert [e.trial.architecture for e in here] == [e.trial.architecture for e in there]


def test_spaces_gives_exact_sizes(tmp_path: Path) -> None:
    found = atrous("spaces", "--json", folder=tmp_path)
    assert {s["name"]: s["size"] for s in json.loads(found.stdout)} == {
        "dpc": 418_414_128_120,
        "auto_deeplab": 75_025 * 762_683_172_300,
        "fast_dense": 1_795_937_679_360_000,
        "templates": 173_939_110_768_450_260_172_800,
        "classic": 5,
    }
    assert "418,414,128,120" in atrous("spaces", folder=tmp_path).stdout


def test_spaces_counts_those_that_are_named(tmp_path: Path) -> None:
    asked = ("spaces", "dpc-3+fast_dense", "templates-2x3", "--json")
    found = {s["name"]: s["size"] for s in json.loads(atrous(*asked, folder=tmp_path).stdout)}
    sizes = {"templates-2x3x2": 72**2 * (2 * 3 * 4) ** 2 * (2 * 4 * 2) ** 3}
    assert found == {"dpc-3+fast_dense": 3_188_646 * 1_795_937_679_360_000, **sizes}


def test_describe_counts_the_published_cell_with_its_backbone(tmp_path: Path) -> None:
    asked = ("describe", "dpc:top1", "--backbone", "mobilenetv2_100", "--size", "1025x2049")
    found = json.loads(atrous(*asked, "--json", folder=tmp_path).stdout)
    assert found["channels"] == 320
    assert found["size"] == [65, 129]
    assert found["branches_alone"] == {"parameters": 356_160, "multiply_adds": 2_986_401_600}
    assert found["backbone"]["multiply_adds"] == pytest.approx(19.41e9, rel=0.001)


def test_describe_writes_a_cell_that_it_reads_back(tmp_path: Path) -> None:
    written = atrous("describe", "dpc:aspp", "--write", "aspp.json", folder=tmp_path)
    assert written.returncode == 0, written.stderr
    again = atrous("describe", "aspp.json", "--json", folder=tmp_path)
    direct = atrous("describe", "dpc:aspp", "--json", folder=tmp_path)
    assert json.loads(again.stdout) == json.loads(direct.stdout)


def test_describe_writes_through_no_link_and_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / "cell.json").symlink_to(tmp_path / "mine.txt")
    written = atrous("describe", "dpc:aspp", "--write", "cell.json", folder=tmp_path)
    assert written.returncode == 0, written.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"
    refused = atrous("describe", "dpc:aspp", "--write", "nowhere/cell.json", folder=tmp_path)
    assert refused.returncode == 1
    assert "Expected to write the cell to nowhere/cell.json" in refused.stderr


def test_check_ends_with_0_for_sound_data_and_1_for_broken(home: Path, tmp_path: Path) -> None:
    assert atrous("check", home / "scenes", folder=tmp_path).returncode == 0
    assert atrous("scenes", "broken", "--images", "6", folder=tmp_path).returncode == 0
    mask = next((tmp_path / "broken/masks/train").glob("*.png"))
    mask.write_bytes(mask.read_bytes()[:100])
    found = atrous("check", "broken", "--json", folder=tmp_path)
    assert found.returncode == 1
    problems = json.loads(found.stdout)["problems"]
    assert any(mask.name in p["file"] and p["severity"] == "error" for p in problems)
    searched = atrous("search", "broken", "--weights", "builtin", folder=tmp_path)
    assert searched.returncode == 1
    assert mask.name in searched.stderr
    assert "Traceback" not in searched.stderr


def test_a_run_is_reported(home: Path) -> None:
    found = atrous("report", "run", folder=home)
    assert found.returncode == 0, found.stderr
    assert "dpc:aspp" in found.stdout
    assert (home / "run/leaderboard.csv").read_text().count("\n") == 6
    assert "<svg" in (home / "run/report.html").read_text()


def test_status_tells_that_a_run_is_complete(home: Path) -> None:
    found = atrous("status", "run", folder=home)
    assert "complete" in found.stdout
    assert "5 of 5" in found.stdout


def test_resuming_a_complete_run_runs_nothing(home: Path) -> None:
    before = (home / "run/ledger.db").read_bytes()
    found = atrous("search", "--resume", "run", "--cache", "cache", folder=home)
    assert found.returncode == 0, found.stderr
    assert (home / "run/ledger.db").read_bytes() == before


@pytest.mark.slow
def test_compare_trains_anew_and_keeps_its_replicates(home: Path) -> None:
    asked = ("compare", "run", "--seeds", "2", "--cache", "cache")
    found = atrous(*asked, folder=home)
    assert found.returncode == 0, found.stderr
    assert "best - dpc:aspp" in found.stdout
    kept = open_run(home / "run").compared()
    assert {tuple(entry.trial.origin.note) for entry in kept} == {("test",)}
    assert len(kept) == 8
    again = atrous(*asked, folder=home)
    assert open_run(home / "run").compared() == kept
    assert again.stdout == found.stdout


def test_a_run_goes_on_where_its_data_set_was_moved(home: Path, tmp_path: Path) -> None:
    run, data = tmp_path / "my runs" / "best 1", tmp_path / "my data [1]"
    shutil.copytree(home / "run", run)
    shutil.copytree(home / "scenes", data)
    about = run / "run.json"
    gone = tmp_path / "gone"
    about.write_text(about.read_text().replace(str(home / "scenes"), str(gone)))
    resume = ("search", "--resume", run, "--cache", home / "cache")
    lost = atrous(*resume, folder=tmp_path)
    assert lost.returncode == 1
    for word in (str(run), str(gone), "--data"):
        assert word in lost.stderr
    assert "spelling" not in lost.stderr
    found = atrous(*resume, "--data", "my data [1]", folder=tmp_path)
    assert found.returncode == 0, found.stderr
    assert f"atrous report '{run}'" in found.stdout
    assert str(data) in about.read_text()
    mask = next((data / "masks/train").glob("*.png"))
    mask.write_bytes((data / "masks/val" / next((data / "masks/val").iterdir()).name).read_bytes())
    changed = atrous(*resume, "--data", data, folder=tmp_path)
    assert changed.returncode == 1
    assert "Put them back, or start a new run" in changed.stderr
    anew = atrous("search", "--data", data, folder=tmp_path)
    assert "give it with --resume" in anew.stderr


def test_a_run_is_not_overwritten(home: Path) -> None:
    found = atrous("search", "scenes", "--out", "run", "--weights", "builtin", folder=home)
    assert found.returncode == 1
    assert "--resume run" in found.stderr


@each(
    ("arguments", "words"),
    [
        (("search", "nowhere"), "nowhere"),
        (("search", "--resume"), "Expected a run in runs"),
        (("search", "scenes", "--trials", "0", "--rate", "-1"), "--rate is a positive number"),
        (("search", "scenes", "--seed", "99999999999999999999"), "--seed is below 2^62"),
        (("search", "scenes", "--seed", "-1"), "--seed is at least 0, got -1"),
        (("search", "scenes", "--time", "0s"), "--time is a time such as 90s, 30m or 2h, got 0s"),
        (("search", "scenes", "--time", f"{'9' * 400}h"), "--time is a time such as"),
        (("search", "scenes", "--steps", "1" * 30), "--steps is below 2^62"),
        (
            ("search", "scenes", "--crop", "999999x65"),
            "--crop is a size with sides from 1",
        ),
        (("search", "--resume", "run", "--time", "0s"), "--time is a time such as"),
        (("search", "--resume", "run", "--trials", "1" * 20), "--trials is below 2^62"),
        (("run", "scenes", "--budget", "0m"), "--budget is a time such as 90s, 30m or 2h"),
        (("rerank", "run", "--time", "0s"), "--time is a time such as"),
        (
            ("train", "run", "--random-scales", ","),
            "--random-scales are positive",
        ),
        (("train", "run", "--seed", "1" * 20), "--seed is below 2^62"),
        (("train", "run", "--average", "nan"), "--average is at least 0 and below 1, got nan"),
        (("fidelity", "scenes", "--cells", "0"), "--cells is at least 1, got 0"),
        (("search", "scenes", "--objective", "beauty"), "miou, blend, cross-entropy"),
        (("search", "scenes", "--space", "moon"), "dpc"),
        (("search", "scenes", "--strategy", "magic"), "random, local"),
        (("search", "scenes", "--select-on", "Z9*", "--weights", "none"), "Z9*"),
        (("search", "scenes", "--crop", "100x100", "--weights", "none"), "113x113"),
        (("search", "scenes", "--time", "soon"), "30m"),
        (("search", "--resume", "run", "--steps", "9"), "--steps cannot be changed"),
        (("search", "--resume", "run", "--trials", "1"), "--trials is at least 1, and the 2"),
        (("describe", "dpc:nine"), "aspp, top1"),
        (("describe", "dpc:top1", "--size", "65"), "360x480"),
        (("describe", "auto_deeplab:published", "--channels", "9"), "Expected no --channels"),
        (("describe", "auto_deeplab:nine"), "published"),
        (("status", "scenes"), "run.json"),
        (("report", "scenes"), "run.json"),
    ],
)
def test_errors_say_what_to_do(home: Path, arguments: tuple[str, ...], words: str) -> None:
    found = atrous(*arguments, folder=home)
    assert found.returncode == 1
    assert words in found.stderr


@each(
    ("line", "words"),
    [
        (
            "search nowhere --space moon --strategy magic --gate gdas --rate -1 --trials many "
            "--objective beauty --promotion no --device tpu --executor far --limit x "
            "--baselines dpc:x --out run",
            "nowhere|'moon'|'magic'|--gate belong|--rate is|'many'|'beauty'|--promotion is|'tpu'|"
            "'far'|--limit: |no architecture 'x'|There is a run in run",
        ),
        (
            "search --space auto_deeplab --strategy gradient --gate x --search-crop 64x64 "
            "--crop 64x65 --init torch --data scenes",
            "--gate is|got 64x64|got 64x65|--init is reference|give it with --resume",
        ),
        (
            "search scenes --trails 3 --rate x --speed --steps=0",
            "No such option: --trails|--speed|--rate: Expected a number|--steps is at",
        ),
        (
            "search --resume run --steps 9 --trials many --rate -1",
            "--steps, --rate cannot be changed|'many'|--rate is",
        ),
        (
            "run nowhere --crop 64x65 --seed -1 --budget soon",
            "nowhere|got 64x65|--seed is|such as 90s",
        ),
        (
            "search scenes --crop 64x65 --output-stride 0 --weights none",
            "--output-stride is 8, 16 or 32, got 0",
        ),
        (
            "train dpc:top1 --data nowhere --crop 64x65 --rate x --drop-path 0.5 --batch 3 "
            "--accumulate 2",
            "nowhere|got 64x65|--rate: Expected|--drop-path drops|of --accumulate 2",
        ),
        ("rerank nowhere --top 0 --time x", "Expected a run at nowhere|--top is|30m"),
        (
            "fidelity --cells x --crop 64x65 --device tpu",
            "atrous fidelity DATA|--cells: Expected|got 64x65|'tpu'",
        ),
        ("describe dpc:nine --size 65", "aspp, top1|360x480"),
        ("latency model --batch x", "Missing option '--size'|--batch: Expected"),
    ],
)
def test_all_faults_of_a_command_line_are_told_at_once(home: Path, line: str, words: str) -> None:
    found = atrous(*line.split(), folder=home)
    assert found.returncode in (1, 2)
    told = " ".join(found.stderr.split())
    for each_one in words.split("|"):
        assert told.count(each_one) == 1, (each_one, told)


def test_durations() -> None:
    assert [parse_duration(text) for text in ("90s", "30m", "1.5h")] == [90, 1800, 5400]
    with pytest.raises(AtrousError, match="90s, 30m or 2h"):
        parse_duration("30")


@pytest.mark.slow
def test_a_complete_run_is_extended_with_more_trials(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "run", tmp_path / "longer")
    asked = ("search", "--resume", tmp_path / "longer", "--cache", "cache", "--trials", "3")
    found = atrous(*asked, folder=home)
    assert found.returncode == 0, found.stderr
    assert "6 of 6" in atrous("status", tmp_path / "longer", folder=home).stdout


def test_a_lack_of_memory_ends_every_command_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much() -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to\nframe #0")

    monkeypatch.setattr(cli, "app", too_much)
    ended = atrous("evaluate", "model", folder=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: Not enough memory (DefaultCPUAllocator: can't allocate")
    assert "Traceback" not in ended.stderr
