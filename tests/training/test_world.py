"""Several processes that train one network, as torchrun starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from atrous.core.errors import AtrousError
from atrous.model.model import load_model
from atrous.training.checkpoint import read_log
from atrous.training.world import World, announced
from tests.training.material import ALONE
from tests.training.together import step

pytestmark = pytest.mark.slow

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No process of torchrun's."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_torchrun_a_process_is_alone(outside: pytest.MonkeyPatch) -> None:
    assert announced("cuda:1") == World("cuda:1")
    assert announced("cpu").leads
    outside.setenv("WORLD_SIZE", "1")
    assert announced("cpu") == ALONE


def test_torchrun_tells_who_one_is(outside: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, ("3", "4", "1", "2"), strict=True):
        outside.setenv(name, value)
    assert announced("cpu") == World("cpu", 3, 4, 2)
    assert not announced("cpu").leads
    outside.setattr(torch.cuda, "device_count", lambda: 2)
    assert announced("cuda") == World("cuda:1", 3, 4, 2)
    outside.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(AtrousError, match="torchrun started 2 processes, but this machine has 1"):
        announced("cuda")


def test_alone_there_is_nothing_to_share() -> None:
    layer = torch.nn.Linear(1, 1)
    numbers = torch.arange(3)
    assert ALONE.wrap(layer) is layer
    assert ALONE.synchronise_norms(layer) is layer
    assert ALONE.total(numbers) is numbers
    ALONE.align(layer)
    ALONE.wait()


@pytest.fixture(scope="module")
def together(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with what two processes found, with a training in `out`, and what they printed."""
    folder = tmp_path_factory.mktemp("together")
    torchrun("tests.training.together", str(folder))
    printed = torchrun(
        *("atrous", "train", "dpc:aspp", "--data", str(data), "--out", str(folder / "out")),
        *("--backbone", "test_resnet", "--weights", "none", "--filters", "8"),
        *("--steps", "4", "--batch", "8", "--accumulate", "2", "--crop", "33x49"),
        *("--score-every", "2", "--average", "0.5", "--device", "cpu"),
    )
    return folder, printed


def torchrun(*module: str) -> str:
    """What a module prints that two processes run, a launch of its own for each: gloo does not
    bear a second group in one process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--master-addr", "127.0.0.1", "--master-port", str(port), "-m", *module),
        ],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.slow
def test_two_processes_take_the_step_that_one_takes(together: tuple[Path, str]) -> None:
    """Also where more is ignored in one's images than in the other's; batch norms are frozen."""
    expected = step(ALONE)
    for rank in ("0", "1"):
        found = load_file(together[0] / f"{rank}.safetensors")
        assert found.pop("aligned").tolist() == [5, 5]
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            assert torch.allclose(found[name], value, rtol=1e-3, atol=1e-6), name


def test_two_processes_train_one_model(together: tuple[Path, str]) -> None:
    folder = together[0]
    model = load_model(folder / "out" / "model")
    lines = read_log(folder / "out")
    assert [line.step for line in lines] == [2, 4]
    assert model.training_record["selection_miou"] == max(line.value for line in lines)


def test_one_of_them_speaks_and_writes(together: tuple[Path, str]) -> None:
    folder, printed = together
    assert printed.count("The model:") == 1
    assert printed.count("selection mIoU") == 2
    left = {path.name for path in (folder / "out").iterdir()}
    assert left <= {"training.json", "training.lock", "log.jsonl", "model"}
