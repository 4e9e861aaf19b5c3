"""A network with an encoder of its own in both formats, on images of odd sizes."""

from __future__ import annotations

from pathlib import Path

import pytest

from atrous.export.exported import BATCHES_AND_SIZES, export_network
from atrous.export.interface import Interface
from tests.export.material import network
from tests.training.whole import BLUEPRINT


@pytest.mark.parametrize("format", ["onnx", "pt2"])
def test_every_operation_and_every_step_of_a_path_is_exported(tmp_path: Path, format: str) -> None:
    """Comparing is part of exporting, which fails where file and network differ."""
    pytest.importorskip("onnxruntime")
    one = network(BLUEPRINT)
    path = tmp_path / f"one.{format}"
    found = export_network(one, path, format, Interface(one.backbone.mean, one.backbone.std))
    assert path.exists()
    assert len(found.comparisons) >= len(BATCHES_AND_SIZES)
