"""Names, encodings and interruptions: none ends in a traceback."""

from __future__ import annotations

import ast
import csv
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import atrous
from atrous.cli import COMMANDS
from atrous.core.console import command
from atrous.scenes.scene import write_scenes
from atrous.stages.train import config as training_config
from tests.cli.running import Ended
from tests.cli.running import atrous as here

RAW = os.fsdecode(b"d\xe9 [1]\xe2\x80\xa8")
"""A name with a byte that is no character, brackets, a space, and a line separator."""
SOURCE = Path(atrous.__file__).parent
SMALL = ("--steps", "2", "--filters", "8", "--batch", "4", "--workers", "1", "--crop", "65x65")


def typed(*arguments: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """How a command ended in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "atrous", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set, in which files and folders have names that are hard to print."""
    folder = tmp_path_factory.mktemp("home")
    write_scenes(folder / RAW, 12, 0, (96, 128))
    for kind in ("images", "masks"):
        for split in ("train", "val"):
            first = min((folder / RAW / kind / split).iterdir())
            first.rename(first.with_name(f"{RAW}{first.suffix}"))
    classes = folder / RAW / "classes.txt"
    classes.write_text(classes.read_text().replace("sky", "\u5929 [bold]\u00e9"), "utf-8")
    return folder


@pytest.fixture(scope="module")
def broken(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the same, but a mask of a name that is hard to print is none."""
    folder = tmp_path_factory.mktemp("broken")
    shutil.copytree(home / RAW, folder / RAW)
    next((folder / RAW / "masks/val").glob("*[[]1]*")).write_bytes(b"no image")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "environment",
    [{"LC_ALL": "C"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=str,
)
def test_any_locale_will_do(broken: Path, environment: dict[str, str]) -> None:
    require_told(typed("check", RAW, folder=broken, **environment))


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-8"])
def test_any_encoding_of_the_output_will_do(broken: Path, encoding: str) -> None:
    require_told(here("check", RAW, folder=broken, encoding=encoding))


def require_told(found: subprocess.CompletedProcess[str] | Ended) -> None:
    """Raises unless what is wrong with the folder `broken` is told without a traceback."""
    assert found.returncode == 1, found.stderr
    assert "Traceback" not in found.stderr + found.stdout
    assert "[1]" in found.stdout
    assert "[bold]" in found.stdout
    assert "1 error" in found.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a system without such a device")
@pytest.mark.parametrize("words", [("spaces",), ("spaces", "--json")])
def test_output_that_cannot_be_written_is_told_in_a_sentence(words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "atrous", *words],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: [Errno 28]")
    assert ended.stderr.count("\n") == 1


def test_a_name_that_no_file_system_takes_is_told_in_a_sentence(tmp_path: Path) -> None:
    ended = here("check", "x" * 300, folder=tmp_path)
    assert ended.returncode == 1
    assert "File name too long" in ended.stderr
    assert "Name a shorter one." in ended.stderr


def test_a_name_that_cannot_be_printed_is_told_by_number_and_found_again(home: Path) -> None:
    assert "d\\udce9 [1]" in here("check", RAW, folder=home).stdout
    told = json.loads(here("check", RAW, "--json", folder=home).stdout)
    assert (home / told["root"]).is_dir()
    assert "\u5929 [bold]\u00e9" in told["classes"]
    found = here("status", RAW, folder=home, encoding="ascii")
    assert found.returncode == 1
    assert "Expected a run at" in found.stderr


@pytest.mark.slow
def test_whatever_the_file_system_gives_goes_through_all_stages(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_config, "cores", lambda: 1)
    out, model = f"run {RAW}", f"training {RAW}/model"
    network = ("--backbone", "test_efficientnet", "--weights", "none", "--baselines", "1x1")
    search = ("search", RAW, *network, "--trials", "2", *SMALL)
    searched = typed(*search, "--out", out, "--cache", f"cache {RAW}", folder=home)
    assert searched.returncode == 0, searched.stderr
    pasted = searched.stdout.partition("See the results: atrous ")[2].strip()
    script = f'printf "%s\\0" {pasted}'
    words = subprocess.run(["bash", "-c", script], capture_output=True, check=True).stdout
    report, named = map(os.fsdecode, words.rstrip(b"\0").split(b"\0"))
    assert (report, named) == ("report", out)
    for asked in (
        (report, named),
        ("train", out, "--out", f"training {RAW}", *SMALL[:2], *SMALL[4:6], *SMALL[8:]),
        ("evaluate", model, RAW),
        ("predict", model, f"{RAW}/images/val", "--out", f"predictions {RAW}"),
        ("export", model, "--to", "onnx"),
        ("export", model, "--to", "pt2"),
    ):
        found = here(*asked, folder=home)
        assert found.returncode == 0, (asked[0], found.stderr)
    kept = json.loads((home / out / "run.json").read_text("utf-8"))
    assert Path(kept["settings"]["config"]["data"]["path"]) == home / RAW
    page = (home / out / "report.html").read_text("utf-8")
    assert "atrous search $&#39;" in page
    with (home / out / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        assert "iou \u5929 [bold]\u00e9" in next(csv.reader(file))
    with Image.open(home / f"predictions {RAW}/ids/{RAW}.png") as ids:
        assert np.asarray(ids).shape == (96, 128)


@pytest.mark.parametrize("module", ["typer", "rich.console"])
def test_an_interruption_while_the_program_is_loaded_ends_it(tmp_path: Path, module: str) -> None:
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "atrous", "search", "nowhere"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.PIPE,
        text=True,
        # A job in the background ignores interruptions otherwise.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as begun:
        assert begun.stderr is not None
        loading = any(line.rpartition("|")[2].strip().startswith("atrous") for line in begun.stderr)
        assert loading
        assert any(f" {module}" in line for line in begun.stderr)
        begun.send_signal(signal.SIGINT)
        told = begun.stderr.read()
    assert begun.returncode == 130, told
    assert "Traceback" not in told


def test_every_command_that_is_printed_can_be_pasted(tmp_path: Path) -> None:
    hard = ["my runs/best 1", "my data [1]", RAW, "a'b\\c\n", "--x=$HOME", "plain"]
    script = f'set -- {command(*hard)}; printf "%s\\0" "$@"'
    words = subprocess.run(["bash", "-c", script], capture_output=True, check=True, cwd=tmp_path)
    assert [os.fsdecode(each) for each in words.stdout.split(b"\0")[:-1]] == ["atrous", *hard]
    assert shlex.split(command("report", "my data [1]")) == ["atrous", "report", "my data [1]"]


def test_no_message_prints_a_command_with_a_place_that_is_not_quoted() -> None:
    names = "|".join(each.__name__ for each in COMMANDS)
    loose = re.compile(rf"atrous (?:recipe |{names})\b[^.;:`]*\x00")
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (p.value if isinstance(p, ast.Constant) else "\0" for p in node.values)
                if loose.search("".join(map(str, parts))):
                    found.append(f"{path.name}:{node.lineno}")
    assert found == []
