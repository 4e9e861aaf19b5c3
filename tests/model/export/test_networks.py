"""Whole networks with real weights in both formats, run where this package is absent."""

from __future__ import annotations

import copy
import json
import resource
import zipfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

import atrous
from atrous.core.records import to_json
from atrous.model.export import pt2_file
from atrous.model.export.exported import (
    BATCHES_AND_SIZES,
    ExportedFile,
    export_model,
    export_network,
)
from atrous.model.export.interface import TOLERANCE, ExportInterface, noise
from atrous.model.model import Model
from atrous.networks.network import Network
from atrous.spaces.blueprint import Blueprint
from tests.model.export.material import CLASSES, alone, blueprint, logits, network
from tests.training.whole import BLUEPRINT

RUN_ONNX = """
import onnxruntime
session = onnxruntime.InferenceSession({name!r}, providers=["CPUExecutionProvider"])
def run(images):
    return session.run(None, {{"images": images}})[0]
"""
RUN_PT2 = """
import torch
program = torch.export.load({name!r}).module()
def run(images):
    return program(torch.from_numpy(images)).numpy()
"""
UNTRACED = ((1, (113, 160)), (3, (31, 2)))
"""Batches and sizes that no export compares by itself."""


CUT, OPSET = "dpc-2:0.3.1.80", 19


def exported(
    architecture: str, folder: Path, settings: tuple[str, str, str]
) -> tuple[Network, ExportedFile]:
    """With the decoder: a small network in training mode at output stride 8, or one with the
    builtin backbone and its weights."""
    format, normalise, output = settings
    path = folder / f"{architecture.replace(':', '-')}.{format}"
    if architecture == CUT:
        model = Model(network(small()), small(), {"crop": [65, 49]}).train()
        return model.network, export_model(model, path, "onnx", "in", "probabilities", OPSET)
    made_of = blueprint(architecture, "tf_efficientnet_lite0", decoder=True)
    model = Model(network(made_of, "builtin"), made_of, {"crop": [65, 49]}).eval()
    return model.network, export_model(model, path, format, normalise, output)  # type: ignore[arg-type]


def small() -> Blueprint:
    return blueprint(CUT, decoder=True, output_stride=8)


@pytest.fixture(
    scope="module",
    params=[
        (CUT, ("onnx", "in", "probabilities")),
        pytest.param(("dpc:top1", ("onnx", "in", "logits")), marks=pytest.mark.slow),
        pytest.param(("dpc:aspp", ("pt2", "out", "ids")), marks=pytest.mark.slow),
    ],
    ids=lambda given: f"{given[0]}-{'-'.join(given[1])}",
)
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Network, ExportedFile]:
    architecture, settings = request.param
    return exported(architecture, tmp_path_factory.mktemp("exported"), settings)


def test_a_file_runs_without_this_package_and_agrees(pair: tuple[Network, ExportedFile]) -> None:
    original, written = pair
    runs = {
        "onnx": (RUN_ONNX, ("torch", "onnx", "timm", "torchvision", "atrous")),
        "pt2": (RUN_PT2, ("timm", "atrous")),
    }
    code, refused = runs[written.format]
    interface, folder = written.interface, written.path.parent
    pixels = [noise(batch, size) for batch, size in UNTRACED]
    given = [interface.arranged(each).numpy() for each in pixels]
    assert given[0].dtype == (np.uint8 if interface.normalise == "in" else np.float32)
    found = alone(code.format(name=written.path.name), refused, given, folder)
    for each, output in zip(pixels, found, strict=True):
        wanted = logits(copy.deepcopy(original).eval(), interface.normalised(each))
        require_agreement(interface, wanted, torch.from_numpy(output))


def require_agreement(
    interface: ExportInterface, wanted: torch.Tensor, found: torch.Tensor
) -> None:
    accepted = float(TOLERANCE * wanted.abs().max())
    if interface.output == "probabilities":
        wanted, accepted = wanted.softmax(1), TOLERANCE
        torch.testing.assert_close(found.sum(1), torch.ones(found[:, 0].shape))
    if interface.output != "ids":
        assert found.shape == wanted.shape
        assert (found - wanted).abs().max() <= accepted
        return
    assert found.dtype == torch.uint8
    assert found.shape == wanted[:, 0].shape
    best, second = wanted.topk(2, dim=1).values.unbind(1)
    differs = found != wanted.argmax(1)
    assert found.numel() < 1000 or found.min() < found.max(), "one class agrees with anything"
    assert ((best - second)[differs] <= accepted).all()


def test_an_export_tells_on_what_it_was_compared(pair: tuple[Network, ExportedFile]) -> None:
    _, written = pair
    compared = [(each.batch, each.size) for each in written.comparisons]
    assert compared == [*BATCHES_AND_SIZES, (1, (65, 49))], "the training crop comes last"
    assert all(each.difference <= TOLERANCE for each in written.comparisons)
    assert json.loads(json.dumps(to_json(written)))["size"] == written.path.stat().st_size
    left = [path.name for path in written.path.parent.iterdir() if path.suffix != ".npy"]
    assert left == [written.path.name], "arrays are those of the test that runs the file"


def test_a_file_says_what_it_is(pair: tuple[Network, ExportedFile]) -> None:
    original, written = pair
    if written.format == "onnx":
        session = onnxruntime.InferenceSession(str(written.path))
        about = session.get_modelmeta().custom_metadata_map
        assert session.get_inputs()[0].shape == ["batch", 3, "height", "width"]
        assert session.get_outputs()[0].shape[-2:] == ["height", "width"]
        (opset,) = onnx.load(written.path).opset_import
        assert opset.domain == ""
        assert about["architecture"] != CUT or opset.version == OPSET
    else:
        with zipfile.ZipFile(written.path) as archive:
            (name,) = (each for each in archive.namelist() if each.endswith("/metadata.json"))
            about = json.loads(archive.read(name))
    assert tuple(json.loads(about["classes"])) == CLASSES
    assert tuple(json.loads(about["mean"])) == original.backbone.mean
    assert tuple(json.loads(about["std"])) == original.backbone.std
    assert about["architecture"].startswith("dpc")
    assert about["backbone"] == written.metadata["backbone"]
    assert about["output"].startswith(written.interface.output)
    assert about == dict(written.metadata)


def test_the_network_itself_is_left_alone(pair: tuple[Network, ExportedFile]) -> None:
    original, written = pair
    assert all(parameter.requires_grad for parameter in original.parameters())
    if written.metadata["architecture"] == CUT:
        assert all(module.training for module in original.modules())
        fresh = network(small()).state_dict()
        assert all(torch.equal(value, fresh[key]) for key, value in original.state_dict().items())


def test_a_file_tells_nothing_of_the_machine_it_was_made_on(
    pair: tuple[Network, ExportedFile],
) -> None:
    _, written = pair
    here = str(Path(atrous.__file__).parent).encode()
    if written.format == "onnx":
        contents = [written.path.read_bytes()]
    else:
        with zipfile.ZipFile(written.path) as archive:
            contents = [archive.read(name) for name in archive.namelist()]
    assert not any(here in content for content in contents)


@pytest.mark.slow
def test_every_operation_and_every_step_of_a_path_is_exported(tmp_path: Path) -> None:
    """Comparing is part of exporting, which fails where file and network differ."""
    one = network(BLUEPRINT)
    path = tmp_path / "one.pt2"
    found = export_network(one, path, "pt2", ExportInterface(one.backbone.mean, one.backbone.std))
    assert path.exists()
    assert len(found.comparisons) >= len(BATCHES_AND_SIZES)


def test_a_disk_that_takes_no_more_is_told_and_ends_no_process(tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.Linear(64, 64), (torch.zeros(1, 64),))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            pt2_file.write(program, tmp_path / "network.pt2", {}, None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
