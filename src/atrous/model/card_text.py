"""The words of a model card, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from atrous.core.architecture import Architecture
from atrous.data.transform import Transform
from atrous.model.evaluation.record import SCORES, Evaluation
from atrous.spaces import find_space
from atrous.spaces.blueprint import Blueprint

Facts = Mapping[str, Any]
TRAINING = {
    "images": "images",
    "steps": "steps",
    "batch": "images a step",
    "crop": "crop",
    "rate": "base learning rate",
    "seed": "seed",
    "backbone_weights": "backbone's first weights",
    "selection_miou": "mIoU on the images it was selected on",
}
"""The fields of the training record that the card tells, in its words."""


def headline(blueprint: Blueprint, training: Facts) -> str:
    """Names the model by its architecture and the data it was trained on."""
    name = str(training.get("name") or blueprint.architecture)
    return f"{name} on {Path(str(training['data'])).name}" if training.get("data") else name


def body(
    name: str, blueprint: Blueprint, transform: Transform, training: Facts, parameters: int
) -> tuple[str, str]:
    """Returns the card's text before and after the measured numbers; `name` is the folder's."""
    before = (
        _opening(blueprint, training),
        _classes(blueprint),
        _architecture(blueprint, training, parameters),
        _usage(name, transform),
        _training(training),
    )
    return "\n".join(before), _limits(training)


def measured(classes: Sequence[str], evaluations: Sequence[Evaluation]) -> str:
    """Returns the section of measured numbers; shares in [0, 1]."""
    if not evaluations:
        return "## Measured\n\nNot measured yet."
    head = ("data", "split", "images", "predicted at", *SCORES.values())
    rows = [
        (e.data, e.split, f"{e.images:,}", e.inference, *(f"{score:.4f}" for score in e.scores))
        for e in evaluations
    ]
    columns = [evaluation.title for evaluation in evaluations]
    shares = [tuple(evaluation.class_iou.values()) for evaluation in evaluations]
    by_class = [(name, *(_share(s[k]) for s in shares)) for k, name in enumerate(classes)]
    return (
        f"## Measured\n\n{_table(head, rows)}\n\nIoU of each class:\n\n"
        f"{_table(('class', *columns), by_class)}\n\nThe pixel counts behind these numbers are in "
        "`evaluation.json`."
    )


def _opening(blueprint: Blueprint, training: Facts) -> str:
    count = len(blueprint.classes)
    trained = f" It was trained on {_name(training['data'])}." if training.get("data") else ""
    return (
        f"# {_escaped(headline(blueprint, training))}\n\n"
        "A network for semantic segmentation: it gives every pixel of an image one of "
        f"{count} classes.{trained} It was made with Atrous and is a plain PyTorch module.\n"
    )


def _classes(blueprint: Blueprint) -> str:
    rows = [
        (str(k), name, "#{:02x}{:02x}{:02x}".format(*colour))
        for k, (name, colour) in enumerate(zip(blueprint.classes, blueprint.colours, strict=True))
    ]
    return f"## Classes\n\n{_table(('id', 'class', 'colour'), rows)}\n"


def _architecture(blueprint: Blueprint, training: Facts, parameters: int) -> str:
    crop, operations = _extent(training.get("crop")), training.get("multiply_adds")
    decoder = "that of DeepLabv3+" if blueprint.decoder else "none"
    whole = f"- network: `{blueprint.architecture}`, with F = {blueprint.filters}"
    lines = [
        *([_backbone(blueprint), _head(blueprint)] if blueprint.backbone else [whole]),
        f"- decoder: {decoder}",
        f"- parameters: {parameters:,}",
    ]
    if isinstance(operations, int):
        lines.append(f"- multiply-adds: {operations:,}" + (f" at {crop}" if crop else ""))
    listed = "\n".join(lines)
    return f"## Architecture\n\n{listed}\n\n```\n{drawing(blueprint.architecture)}\n```\n"


def _backbone(blueprint: Blueprint) -> str:
    return f"- backbone: `{blueprint.backbone}` of timm, at output stride {blueprint.output_stride}"


def _head(blueprint: Blueprint) -> str:
    return f"- head: `{blueprint.architecture}`, {blueprint.filters} filters"


def drawing(architecture: Architecture) -> str:
    """Draws the architecture in plain text."""
    return find_space(architecture.space).text(architecture.genotype)


def _usage(name: str, transform: Transform) -> str:
    return f"""## Use

```python
import atrous
import torch
from PIL import Image

model = atrous.load({json.dumps(name)})  # this folder, or user/name on the hub
with torch.no_grad():
    logits = model(model.transform(Image.open("photo.jpg"))[None])  # [1, classes, H, W]
labels = logits[0].argmax(0)  # [H, W], numbers of the classes above
```

Images of any size are taken. ExportedFile to ONNX with `atrous export`, it runs without PyTorch:

```python
import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("model.onnx")
pixels = np.asarray(Image.open("photo.jpg").convert("RGB"), dtype=np.float32) / 255
mean, std = np.float32({list(transform.mean)}), np.float32({list(transform.std)})
image = ((pixels - mean) / std).transpose(2, 0, 1)[None]
logits = session.run(None, {{session.get_inputs()[0].name: image}})[0]
labels = logits[0].argmax(0)
```
"""


def _training(training: Facts) -> str:
    rows = [
        (words, _extent(training[key]) if key == "crop" else _value(training[key]))
        for key, words in TRAINING.items()
        if training.get(key) is not None
    ]
    data = _name(training["data"]) if training.get("data") else "not stated"
    licence = training.get("data_licence") or "not stated"
    table = _table(("", ""), [("data", data), ("licence of the data", str(licence)), *rows])
    return f"## Training\n\n{table}\n\nThe whole record is in `model.json`.\n"


def _limits(training: Facts) -> str:
    data = f"{_name(training['data'])}" if training.get("data") else "its training data"
    crop = _extent(training.get("crop"))
    size = f"It was trained on crops of {crop}." if crop else "It knows the sizes it was shown."
    return f"""## Limits

- It knows images like those of {data}. On others (another camera, place, season or light) it may
  be wrong without any sign of it; measure it on your own labelled images first.
- Every pixel gets one of the classes above, also where none of them is right.
- The shares that a softmax over its scores gives are not probabilities one can rely on.
- {size} Things that appear much larger or smaller than there are recognised less well.
- The licence of the training data may restrict what the network may be used for.
"""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(_escaped, line)) + " |" for line in lines)


def _escaped(text: str) -> str:
    """Escapes a text for one cell of a table."""
    return " ".join(str(text).split()).replace("|", "\\|").replace("<", "&lt;")


def _name(data: object) -> str:
    """A data set's name; of a path, its last part: a card is public."""
    return _escaped(Path(str(data)).name)


def _share(value: float | None) -> str:
    return "absent" if value is None else f"{value:.4f}"


def _value(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _extent(crop: object) -> str:
    """Says a crop, height and width or one side of a square, in words; '' if there is none."""
    if isinstance(crop, int):
        crop = (crop, crop)
    if isinstance(crop, (list, tuple)) and len(crop) == 2:
        return f"{crop[0]} x {crop[1]} pixels"
    return ""
