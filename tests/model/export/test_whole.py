"""A network with an encoder of its own as a .pt2 file; `tests/test_cli_whole.py` has ONNX."""

from __future__ import annotations

from pathlib import Path

from atrous.model.export.exported import BATCHES_AND_SIZES, export_network
from atrous.model.export.interface import Interface
from tests.model.export.material import network
from tests.training.whole import BLUEPRINT


def test_every_operation_and_every_step_of_a_path_is_exported(tmp_path: Path) -> None:
    """Comparing is part of exporting, which fails where file and network differ."""
    one = network(BLUEPRINT)
    path = tmp_path / "one.pt2"
    found = export_network(one, path, "pt2", Interface(one.backbone.mean, one.backbone.std))
    assert path.exists()
    assert len(found.comparisons) >= len(BATCHES_AND_SIZES)
