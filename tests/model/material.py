"""A small model and what could have been measured on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from atrous.data.encoding import distinct
from atrous.model.evaluation.record import Evaluation
from atrous.model.model import Model, save_model
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint, build_network

CLASSES = ("sky", "road", "car")
BLUEPRINT = Blueprint(
    architecture=find_architecture("dpc-2:0.3.1.54"),
    backbone="test_resnet",
    output_stride=16,
    filters=8,
    decoder=True,
    classes=CLASSES,
    colours=distinct(3),
)
TRAINING: dict[str, Any] = {
    "data": "streets",
    "data_licence": "CC BY 4.0",
    "images": 367,
    "steps": 3000,
    "batch": 8,
    "crop": (33, 65),
    "rate": 0.01,
    "seed": 0,
    "backbone_weights": "builtin",
    "selection_miou": 0.6123,
    "parameters": 376_000,
    "multiply_adds": 123_456_789,
}


def model(seed: int = 3, **changes: Any) -> Model:
    """A model with random weights, batch norms included."""
    blueprint = replace(BLUEPRINT, **changes)
    network = build_network(blueprint, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.copy_(1 + 0.1 * torch.rand(buffer.shape, generator=generator))
    return Model(network, blueprint, TRAINING).eval()


def saved(folder: Path, seed: int = 3, **changes: Any) -> Path:
    """A model's folder."""
    save_model(model(seed, **changes), folder)
    return folder


def logits(one: Model) -> Tensor:
    """What a model makes of one image of an odd size."""
    images = torch.randn(1, 3, 37, 50, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        found: Tensor = one(images)
    return found


def evaluation(**changes: Any) -> Evaluation:
    """A record of three classes, one of which does not appear."""
    record = Evaluation(
        data="streets",
        split="test",
        images=233,
        scales=(1.0,),
        flip=False,
        miou=0.55,
        mean_accuracy=0.7,
        pixel_accuracy=0.8,
        weighted_iou=0.65,
        class_iou=dict(zip(CLASSES, (0.75, 0.35, None), strict=True)),
        confusion=((30, 10, 0), (10, 50, 0), (0, 0, 0)),
    )
    return replace(record, **changes)
