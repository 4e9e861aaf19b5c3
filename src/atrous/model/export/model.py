"""A trained model as one file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from atrous.core.files import locate
from atrous.model.contents import RECORD
from atrous.model.export.exported import Exported, export_network
from atrous.model.export.interface import Interface, Normalise, Output, Size
from atrous.model.model import Model
from atrous.model.record import read_record
from atrous.spaces.blueprint import Blueprint


def export_model(
    model: Model,
    path: Path,
    format: str,
    normalise: Normalise = "in",
    output: Output = "logits",
    opset: int | None = None,
) -> Exported:
    """`export_network` with the model's own normalisation; the file also carries its classes,
    colours and architecture, and is compared on an image of the size that it was trained on too.
    """
    interface = Interface(model.transform.mean, model.transform.std, normalise, output)
    trained = [(1, size) for size in _crop(model.training_record)]
    about = blueprint_metadata(model.blueprint)
    return export_network(model.network, path, format, interface, about, opset, trained)


def check_model(folder: Path) -> None:
    """Raises AtrousError when a folder holds no model; reads no weights."""
    read_record(locate(folder, RECORD))


def blueprint_metadata(blueprint: Blueprint) -> dict[str, str]:
    """A blueprint's fields, each as text: what is no text is written as JSON."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in blueprint.to_json().items()
    }


def _crop(training: Mapping[str, Any]) -> list[Size]:
    """The crop that a training record tells of, if it does."""
    match training.get("crop"):
        case [int(height), int(width)]:
            return [(height, width)]
    return []
