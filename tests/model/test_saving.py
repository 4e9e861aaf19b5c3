"""Saving: what is replaced, what stays, and what a failure leaves."""

from __future__ import annotations

import errno
import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.model import folder as contents
from atrous.model.folder import FILES, add_evaluation
from atrous.model.model import load_model, save_model
from atrous.model.record import write_tensors
from tests.model.material import evaluation, logits, model, saved


def test_a_model_that_diverged_does_not_replace_a_sound_one(folder: Path) -> None:
    diverged = model(seed=5)
    with torch.no_grad():
        next(diverged.parameters())[0] = float("nan")
    with pytest.raises(AtrousError, match=r"Cannot save the model.*NaN"):
        save_model(diverged, folder)
    assert torch.equal(logits(load_model(folder)), logits(model()))


def test_saving_again_replaces_what_speaks_of_the_old_weights_and_nothing_else(
    folder: Path,
) -> None:
    add_evaluation(folder, evaluation(), "measured")
    (folder / "model.onnx").write_text("the old weights")
    (folder / "notes.txt").write_text("mine")
    (folder / "runs").mkdir()
    save_model(model(seed=5), folder)
    assert torch.equal(logits(load_model(folder)), logits(model(seed=5)))
    names = {path.name for path in folder.iterdir()}
    assert names == {"model.safetensors", "model.json", "README.md", "notes.txt", "runs"}
    assert "Not measured yet" in (folder / "README.md").read_text()


def test_somebodys_own_readme_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("my project")
    with pytest.raises(AtrousError, match=r"holds README\.md but no model"):
        save_model(model(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert (tmp_path / "README.md").read_text() == "my project"


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model").write_text("mine")
    with pytest.raises(AtrousError, match="which is a file"):
        save_model(model(), tmp_path / "model")
    with pytest.raises(AtrousError, match="Expected to write a model to"):
        save_model(model(), tmp_path / "model" / "inside")
    assert (tmp_path / "model").read_text() == "mine"


@contextmanager
def small_files() -> Iterator[None]:
    """No file may grow beyond 64 KiB, for any writer in this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_weights_that_cannot_be_written_whole_leave_the_older_model(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with small_files(), pytest.raises(AtrousError, match=r"Expected to write .* too large"):
        save_model(model(seed=5), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_nothing_is_left_of_a_first_model_that_cannot_be_written(tmp_path: Path) -> None:
    with small_files(), pytest.raises(AtrousError, match="Free some space"):
        save_model(model(), tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("failing", ["model.safetensors", "model.json", "README.md"])
def test_a_full_disk_leaves_the_older_model(
    folder: Path, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    write_text = Path.write_text

    def text(path: Path, *rest: Any, **options: Any) -> int:
        if path.name == failing:
            raise full
        return write_text(path, *rest, **options)

    def tensors(network: torch.nn.Module, path: Path) -> None:
        write_tensors(network, path)
        if path.name == failing:
            raise full

    add_evaluation(folder, evaluation(), "measured")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr(Path, "write_text", text)
    monkeypatch.setattr(contents, "write_tensors", tensors)
    with pytest.raises(AtrousError, match=r"No space left on device.*Free some space"):
        save_model(model(seed=5), folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert torch.equal(logits(load_model(folder)), logits(model()))


@pytest.fixture
def ordinary_user() -> Iterator[Path]:
    """A folder of somebody whom file permissions bind, which they do not for root."""
    with tempfile.TemporaryDirectory() as name:
        root = os.geteuid() == 0
        if root:
            os.chown(name, 65534, 65534)
            os.seteuid(65534)
        yield Path(name)
        if root:
            os.seteuid(0)


def test_a_read_only_folder_is_named_and_unharmed(ordinary_user: Path) -> None:
    folder = saved(ordinary_user / "model")
    folder.chmod(0o555)
    with pytest.raises(AtrousError, match=r"Permission denied.*folder writable"):
        save_model(model(seed=5), folder)
    with pytest.raises(AtrousError, match=r"Permission denied.*folder writable"):
        add_evaluation(folder, evaluation(), "measured")
    folder.chmod(0o755)
    assert torch.equal(logits(load_model(folder)), logits(model()))
    assert len(list(folder.iterdir())) == 3


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_process_killed_between_two_files_leaves_the_new_model(
    folder: Path, killed_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    moves: list[Path] = []
    replace = Path.replace

    def killed(path: Path, target: Path) -> Path:
        if len(moves) == killed_after:
            raise KeyboardInterrupt
        moves.append(path)
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            save_model(model(seed=5), folder)
    assert len(moves) == killed_after
    assert torch.equal(logits(load_model(folder)), logits(model(seed=5)))
    add_evaluation(folder, evaluation(), "measured")
    assert {path.name for path in folder.iterdir()} == set(FILES)
    assert torch.equal(logits(load_model(folder)), logits(model(seed=5)))


def test_a_folder_that_is_a_link_or_the_working_folder_is_written_in_place(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(folder)
    save_model(model(seed=5), link)
    assert link.is_symlink()
    monkeypatch.chdir(folder)
    save_model(model(seed=6), Path())
    assert Path.cwd() == folder
    assert torch.equal(logits(load_model(link)), logits(model(seed=6)))
