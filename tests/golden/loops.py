"""Computes what the loops over image files give, and what published networks cost.

`python -m tests.golden.loops` prints what `loops.json` holds; whoever changes it says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from atrous.core.console import untracked
from atrous.core.trial import Metrics, Score, values_of
from atrous.data.dataset import Dataset, Samples, read_image, read_labels
from atrous.data.encoding import distinct
from atrous.data.transform import Transform
from atrous.estimation.extraction import Extraction, cached_features
from atrous.networks.backbones import load_backbone
from atrous.relax.bilevel import SearchState
from atrous.relax.config import SearchProtocol
from atrous.relax.loop import halves
from atrous.relax.loop import run as run_search
from atrous.relax.relaxation import Penalty, slow_is_bad, without_penalty
from atrous.scenes.canvas import CLASSES
from atrous.scenes.scene import write_scenes
from atrous.spaces import find_architecture
from atrous.spaces.auto_deeplab.cell import OPERATIONS
from atrous.spaces.auto_deeplab.relaxation.space import (
    MOVES,
    PLACES,
    inputs_name,
    operation_name,
    relaxation_of,
)
from atrous.spaces.blueprint import Blueprint, build_network, network_cost
from atrous.training.config import Protocol
from atrous.training.crops import Crops, crops_of
from atrous.training.loop import Selection, train
from atrous.training.state import TrainingState
from atrous.training.world import World
from tests.golden.compute import BACKBONE, COMPUTE, LARGE, Values, compute, rounded

SIZE = (96, 128)
STEPS, BATCH = 5, 4
CITYSCAPES = 19
"""The number of its classes."""


def _scenes(folder: str) -> Dataset:
    return write_scenes(Path(folder) / "scenes", 12, 3, SIZE, untracked)


# Images ---------------------------------------------------------------------------------------


def scenes() -> Values:
    """Of each built-in scene the mean of each colour, and how many pixels each label has; and of
    the first one's features at stride 16 the mean, the deviation, and those of a few channels."""
    with TemporaryDirectory() as folder:
        splits = _scenes(folder).splits
        samples = [sample for name in sorted(splits) for sample in splits[name]]
        extraction = Extraction(
            samples[:1], load_backbone(BACKBONE, "builtin", 16), SIZE, "cpu", (16,)
        )
        features = cached_features(extraction, Path(folder)).features[16][0].double()
        return {
            "colours": [read_image(s.image).mean((0, 1)).tolist() for s in samples],
            "labels": [np.bincount(read_labels(s).ravel()).tolist() for s in samples],
            "features": [
                *(features.mean().item(), features.std().item()),
                *features[::40].mean((1, 2)).tolist(),
            ],
        }


# Training end to end --------------------------------------------------------------------------


def _shown(crops: Crops, count: int) -> Values:
    """Of each crop the mean of each colour, and the sum of its labels."""
    pairs = [crops[number] for number in range(count)]
    return [[*i.float().mean((1, 2)).tolist(), int(labels.long().sum())] for i, labels in pairs]


def training() -> Values:
    """The first crops of a training, and the loss and the score after each of its steps."""
    classes = len(CLASSES)
    architecture = find_architecture("dpc-2:0.3.1.54")
    blueprint = Blueprint(architecture, "test_resnet", 16, 8, True, CLASSES, distinct(classes))
    protocol = Protocol(
        steps=STEPS, batch=BATCH, crop=(65, 97), rate=0.05, average=0.5, score_every=1, seed=4
    )
    network, alone = build_network(blueprint, seed=1), World("cpu")
    mean, std = network.backbone.mean, network.backbone.std
    history: list[list[float | None]] = []

    def watch(score: Score, metrics: Metrics) -> None:
        values = values_of(metrics)
        history.append([score.step, score.loss, values["miou"], values["pixel_accuracy"]])

    with TemporaryDirectory() as folder:
        splits = _scenes(folder).splits
        crops = crops_of(splits["train"], protocol, mean)
        score = Selection(splits["val"], classes, Transform(mean, std), alone)
        state = TrainingState(network, protocol, COMPUTE, alone)
        train(state, crops, score, Path(folder) / "work", untracked, watch)
        return {"crops": _shown(crops, STEPS * BATCH), "history": history}


# Differentiable search ------------------------------------------------------------------------


def _milliseconds() -> dict[str, float]:
    """Latencies of the parts of a network, made up."""
    operations = {
        operation_name(operation, *place): 0.1 + row + 0.01 * column
        for row, place in enumerate(PLACES)
        for column, operation in enumerate(OPERATIONS)
    }
    return operations | {inputs_name(*m): 0.001 * n for n, m in enumerate(MOVES, 1)}


def _searched(gate: str, samples: Samples, folder: Path) -> Values:
    """Of each step the losses and what would be decoded; and the probabilities in the end."""
    space, classes = "auto_deeplab-2x2", len(CLASSES)
    protocol = SearchProtocol(
        gate=gate,
        space=space,
        filters=2,
        classes=classes,
        steps=6,
        batch=2,
        crop=(33, 65),
        scale=0.75,
        warm_up=1 / 3,
        seed=5,
    )
    relaxation = relaxation_of(space)
    slow = slow_is_bad(relaxation, _milliseconds())
    penalty: Penalty = slow if gate == "fbnet" else without_penalty
    state = SearchState(relaxation, protocol, COMPUTE, penalty)
    history = run_search(state, samples, folder, untracked, lambda _, __: None)
    steps = [[s.loss, s.architecture_loss, s.temperature, s.architecture] for s in history]
    rows = [row for part in history[-1].probabilities.values() for row in part]
    return {"steps": steps, "probabilities": [number for row in rows for number in row]}


def supernet_loops() -> Values:
    """Searches on both halves of the images, that by FBNet's gate with a penalty on latency."""
    with TemporaryDirectory() as folder:
        samples, root = _scenes(folder).splits["train"], Path(folder)
        return {
            "halves": [[s.image.name for s in half] for half in halves(samples, 5)],
            **{gate: _searched(gate, samples, root / gate) for gate in ("softmax", "fbnet")},
        }


# Costs ----------------------------------------------------------------------------------------


def _cost(name: str, backbone: str, stride: int, filters: int) -> list[int]:
    classes, colours = tuple(map(str, range(CITYSCAPES))), distinct(CITYSCAPES)
    blueprint = Blueprint(
        find_architecture(name), backbone, stride, filters, True, classes, colours
    )
    cost = network_cost(blueprint, LARGE)
    return [cost.parameters, cost.multiply_adds]


def published_costs() -> Values:
    """Parameters and multiply-adds of networks with published figures, on an image of
    Cityscapes."""
    whole = "auto_deeplab:published"
    return {
        "dpc:aspp": _cost("dpc:aspp", "xception65", 16, 256),
        "dpc:top1": _cost("dpc:top1", "xception71", 16, 256),
        **{f"{whole}, {filters} filters": _cost(whole, "", 0, filters) for filters in (20, 32, 48)},
    }


PARTS: Sequence[Callable[[], Values]] = (scenes, training, supernet_loops, published_costs)

if __name__ == "__main__":
    print(json.dumps({part.__name__: rounded(compute(part)) for part in PARTS}))
