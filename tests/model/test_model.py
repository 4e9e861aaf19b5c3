"""The model as a module, and as the Hugging Face hub's client knows it."""

from __future__ import annotations

import copy
import hashlib
import http.server
import json
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from huggingface_hub import constants, hub_mixin
from PIL import Image

import atrous
from atrous.core.errors import AtrousError
from atrous.model.folder import FILES, add_evaluation
from atrous.model.model import Model, load_model
from tests.model.material import BLUEPRINT, CLASSES, evaluation, logits, model, saved

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, atrous; print('torch' in sys.modules, hasattr(atrous, 'nothing'))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


def test_the_package_gives_the_model(tmp_path: Path) -> None:
    assert atrous.Model is Model
    assert isinstance(atrous.load(saved(tmp_path / "model")), Model)


def test_a_model_is_a_plain_module() -> None:
    one = model()
    assert torch.equal(logits(one), logits(copy.deepcopy(one)))
    assert torch.equal(logits(one), logits(pickle.loads(pickle.dumps(one))))
    assert one.classes == CLASSES
    assert one.colours == BLUEPRINT.colours
    assert one.transform.mean == one.network.backbone.mean
    one.train()
    assert one.training_record["data"] == "streets"
    assert all(key.startswith("network.") for key in one.state_dict())


def test_it_says_in_a_line_what_it_is() -> None:
    assert repr(model()).startswith("Model(dpc-2:0.3.1.54, 3 classes, 3")


def test_what_is_no_batch_is_refused_with_what_to_call() -> None:
    photo = Image.new("RGB", (40, 30))
    with pytest.raises(AtrousError, match=r"got a Image\. model\.predict\(image\) takes"):
        model()(photo)
    with pytest.raises(AtrousError, match=r"shape \[3, 33, 65\]\. Add the axis of the batch"):
        model()(torch.zeros(3, 33, 65))


def test_images_of_every_kind_are_predicted_alike(tmp_path: Path) -> None:
    one = model()
    pixels = np.random.default_rng(0).integers(0, 256, (45, 61, 3), np.uint8)
    (tmp_path / "photos").mkdir()
    photo = Image.fromarray(pixels)
    photo.save(tmp_path / "photos" / "a.png")
    with torch.no_grad():
        best, second = one(one.transform(photo)[None])[0].topk(2, dim=0).values
        expected = one(one.transform(photo)[None])[0].argmax(0).numpy()
    clear = (best - second).numpy() > 3e-7  # random weights hardly tell classes apart
    assert clear.mean() > 0.5
    seen = [one.predict(each) for each in (photo, pixels, tmp_path / "photos" / "a.png")]
    seen += one.predict(str(tmp_path / "photos"))
    assert len(seen) == 4
    for each in seen:
        assert np.array_equal(each.ids[clear], expected[clear])
    first = seen[-1]
    assert first.path == tmp_path / "photos" / "a.png"
    assert first.overlay.size == photo.size
    assert sum(first.shares.values()) == pytest.approx(1)
    assert repr(first).startswith("Prediction(45 x 61: ")
    assert first._repr_png_().startswith(b"\x89PNG")
    with Image.open(first.save(tmp_path / "ids.png")) as ids:
        assert np.array_equal(np.asarray(ids), first.ids)
    with pytest.raises(AtrousError, match=r"ends in \.png"):
        first.save(tmp_path / "ids.jpg")
    with pytest.raises(AtrousError, match="Expected a PIL image or uint8 pixels"):
        one.predict(torch.zeros(3, 4, 4))


def test_a_folder_one_level_off_is_understood(tmp_path: Path) -> None:
    folder = saved(tmp_path / "BEST" / "model")
    for near in (folder, tmp_path / "BEST", folder / "model.safetensors"):
        assert torch.equal(logits(load_model(near)), logits(atrous.load(near)))
    with pytest.raises(AtrousError, match=r"holds no model\.json"):
        load_model(tmp_path)


def test_the_hub_methods_write_and_read_a_models_folder(tmp_path: Path) -> None:
    one = model()
    one.save_pretrained(tmp_path / "model")
    assert {path.name for path in (tmp_path / "model").iterdir()} == set(FILES[:3])
    assert torch.equal(logits(Model.from_pretrained(tmp_path / "model")), logits(one))
    one.save_pretrained(tmp_path / "model")
    assert torch.equal(logits(load_model(tmp_path / "model")), logits(one))


def test_push_to_hub_uploads_the_whole_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploaded: dict[str, bytes] = {}

    class Hub:
        def __init__(self, token: str | None) -> None:
            assert token == "secret"

        def create_repo(self, repo_id: str, **_: object) -> Any:
            return type("Repository", (), {"repo_id": repo_id})

        def upload_folder(self, *, repo_id: str, folder_path: Path, **_: object) -> str:
            uploaded.update({path.name: path.read_bytes() for path in folder_path.iterdir()})
            return f"commit of {repo_id}"

    monkeypatch.setattr(hub_mixin, "HfApi", Hub)
    folder = saved(tmp_path / "model")
    add_evaluation(folder, evaluation(), "measured")
    commit = load_model(folder).push_to_hub("somebody/streets", token="secret")
    assert commit == "commit of somebody/streets"
    assert uploaded == {name: (folder / name).read_bytes() for name in FILES}


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The hub's cache, empty, with nobody serving the hub."""
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    move_hub(monkeypatch, "http://127.0.0.1:9")
    return tmp_path / "cache"


def move_hub(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)


@pytest.mark.usefixtures("cache")
def test_without_a_hub_the_message_names_the_folder_and_the_hub() -> None:
    with pytest.raises(AtrousError, match=r"no folder .*/somebody/streets, and http://127.*cache"):
        atrous.load("somebody/streets")


@pytest.mark.parametrize("where", ["nothing", "./somebody/streets", "a/b/c", "/nothing", "a b/c"])
def test_what_cannot_be_a_repository_is_not_asked_of_the_hub(where: str) -> None:
    with pytest.raises(AtrousError, match="which does not exist"):
        atrous.load(where)


class Repository(http.server.BaseHTTPRequestHandler):
    """The few answers of the hub that fetching a repository needs."""

    folder: Path

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        path = self.path.partition("?")[0]
        files = {file.name: file.read_bytes() for file in self.folder.iterdir()}
        if path == "/":
            self.give(b"", body)
        elif path == "/api/models/somebody/streets/revision/main":
            self.give(json.dumps({"id": "somebody/streets", "sha": COMMIT}).encode(), body)
        elif path == f"/api/models/somebody/streets/tree/{COMMIT}":
            tree = [
                {"type": "file", "path": name, "size": len(content), "oid": oid(content)}
                for name, content in files.items()
            ]
            self.give(json.dumps(tree).encode(), body)
        elif path.startswith(f"/somebody/streets/resolve/{COMMIT}/"):
            self.give(files[path.rpartition("/")[2]], body)
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def give(self, content: bytes, body: bool) -> None:
        self.send_response(200)
        self.send_header("ETag", f'"{oid(content)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def oid(content: bytes) -> str:
    """The name git gives a file's content."""
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


@pytest.fixture
def served(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A model's folder that a hub serves as somebody/streets."""
    Repository.folder = saved(tmp_path / "origin")
    (Repository.folder / "huge.bin").write_bytes(b"not part of a model")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Repository)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    move_hub(monkeypatch, f"http://127.0.0.1:{server.server_port}")
    assert not cache.exists()
    yield Repository.folder
    server.shutdown()
    server.server_close()


def test_a_repository_is_fetched_once_and_found_again_without_the_hub(
    served: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert torch.equal(logits(atrous.load("somebody/streets")), logits(load_model(served)))
    assert not list(cache.rglob("huge.bin"))
    move_hub(monkeypatch, "http://127.0.0.1:9")
    assert torch.equal(logits(atrous.load("somebody/streets")), logits(model()))
    again = Model.from_pretrained("somebody/streets", local_files_only=True)
    assert torch.equal(logits(again), logits(model()))


@pytest.mark.usefixtures("served")
def test_a_repository_that_the_hub_does_not_have_is_named() -> None:
    with pytest.raises(AtrousError, match=r"'somebody/else'.*has no such model"):
        atrous.load("somebody/else")


def test_a_folder_of_the_same_name_comes_first(
    served: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served.exists()
    monkeypatch.chdir(tmp_path)
    saved(Path("somebody/streets"), seed=5)
    assert torch.equal(logits(atrous.load("somebody/streets")), logits(model(seed=5)))
