"""What an export refuses, and what it leaves behind."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from atrous.core.errors import AtrousError
from atrous.model.export import exported, onnx_file, pt2_file
from atrous.model.export.exported import FORMATS, check_request, export_network
from atrous.model.export.interface import noise
from atrous.networks.backbones import Backbone
from atrous.networks.network import Network
from atrous.networks.pyramid import Part, Pyramid
from tests.model.export.material import blueprint, logits, network


class Deceptive(Part):
    """A head that computes something else once it is exported."""

    def __init__(self, head: Part) -> None:
        super().__init__()
        self.reads, self.stride, self.channels = head.reads, head.stride, head.channels
        self.head = head

    def forward(self, maps: Pyramid) -> Tensor:
        found: Tensor = self.head(maps)
        return found * 1.01 if torch.compiler.is_compiling() else found


class AdaptiveGrid(Part):
    """A head with torch's own grid pooling, which exports for the traced size alone."""

    def __init__(self, head: Part) -> None:
        super().__init__()
        self.reads, self.stride, self.channels = head.reads, head.stride, head.channels
        self.head = head

    def forward(self, maps: Pyramid) -> Tensor:
        features = maps[self.stride]
        means = nn.functional.adaptive_avg_pool2d(features, (2, 2)).mean((2, 3), keepdim=True)
        found: Tensor = self.head({self.stride: features + means})
        return found


@pytest.fixture
def small() -> Network:
    return network(blueprint())


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_a_file_that_does_not_agree_is_removed_and_an_older_one_stays(
    small: Network, tmp_path: Path, format: str
) -> None:
    path = tmp_path / f"model.{format}"
    path.write_text("older")
    small.head = Deceptive(small.head)
    with pytest.raises(AtrousError, match=r"its logits differ .* 1 x 3 x 129 x 193 .* 0\.0001"):
        export_network(small, path, format)
    assert names(tmp_path) == {path.name}
    assert path.read_text() == "older"


@pytest.mark.slow
def test_pooling_that_does_not_export_for_any_size_leaves_no_file(
    small: Network, tmp_path: Path
) -> None:
    small.head = AdaptiveGrid(small.head)
    with pytest.raises(AtrousError, match=r"cannot be exported|was removed"):
        export_network(small, tmp_path / "model.onnx", "onnx")
    assert names(tmp_path) == set()


@pytest.mark.slow
def test_a_backbone_that_rounds_sizes_down_exports_for_any_size(tmp_path: Path) -> None:
    original = network(blueprint(backbone="test_convnext"))
    assert cast(Backbone, original.backbone).multiple > 1
    path = tmp_path / "model.onnx"
    interface = export_network(original, path, "onnx").interface
    pixels = noise(1, (35, 64))
    found = torch.from_numpy(onnx_file.run(path, [pixels.numpy()])[0])
    wanted = logits(original, interface.normalised(pixels))
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))


def test_a_network_that_diverged_is_refused(small: Network, tmp_path: Path) -> None:
    assert small.logits.bias is not None
    small.logits.bias.data[1] = float("nan")
    with pytest.raises(AtrousError, match="diverged"):
        export_network(small, tmp_path / "model.pt2", "pt2")
    assert names(tmp_path) == set()


@pytest.mark.parametrize(
    ("name", "format", "opset", "message"),
    [
        ("model.onnx", "onnx", 17, r"--opset: expected 18 to \d+ .*got 17"),
        ("model.pt2", "pt2", 18, "--opset belongs to --to onnx"),
        ("model.pt2", "onnx", None, r"--out: expected the name of a \.onnx file"),
        ("absent/model.onnx", "onnx", None, r"--out: .*Make .*absent first"),
        ("model.tflite", "tflite", None, "--to: expected onnx or pt2, got 'tflite'"),
    ],
)
def test_what_cannot_work_is_refused_before_any_work(
    tmp_path: Path, name: str, format: str, opset: int | None, message: str
) -> None:
    with pytest.raises(AtrousError, match=message):
        check_request(tmp_path / name, format, opset)


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_with_the_way_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(AtrousError, match=rf"{package}, .*pip install 'atrous\[export\]'"):
        check_request(tmp_path / "model.onnx", "onnx", None)
    check_request(tmp_path / "model.pt2", "pt2", None)


def test_an_onnx_file_that_cannot_be_read_is_an_error_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"nothing")
    with pytest.raises(AtrousError, match="onnx"):
        onnx_file.run(tmp_path / "model.onnx", [np.zeros((1, 3, 4, 4), np.uint8)])


@pytest.mark.parametrize("package", ["atrous", pytest.param("timm", marks=pytest.mark.slow)])
def test_a_pt2_file_is_run_where_the_package_that_made_it_cannot_be_imported(
    package: str, tmp_path: Path
) -> None:
    """The reader, as `pt2_file.run` starts it, loads a program that would import the package."""
    reader = Path(pt2_file.__file__).with_name("pt2_reader.py").read_text()
    loads = f"import torch; torch.export.load = lambda _: __import__({package!r})"
    code = f"{loads}\nexec(compile({reader!r}, 'reader', 'exec'))"
    (tmp_path / "program.pt2").touch()
    command = [sys.executable, "-c", code, "program.pt2", str(tmp_path), str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"ImportError: the exported program needs {package}" in done.stderr
    assert find_spec(package), "it is installed, and refused"


def test_a_pt2_file_that_cannot_be_run_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "model.pt2"
    path.write_bytes(b"no program")
    with pytest.raises(AtrousError, match=r"\w"):
        pt2_file.run(path, [np.zeros((1, 3, 4, 4), np.uint8)])


def test_lacking_memory_of_a_cpu_is_told_and_nothing_is_left(
    small: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_much(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to")

    monkeypatch.setattr(exported, "trace", too_much)
    with pytest.raises(AtrousError, match=r"Not enough memory to export model.pt2 .*allocate"):
        export_network(small, tmp_path / "model.pt2", "pt2")
    assert list(tmp_path.iterdir()) == []
