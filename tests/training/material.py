"""A network that trains in no time, and the images it trains on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from torch.optim import SGD

from atrous.core.trial import Metrics
from atrous.data.dataset import IGNORE, DataFingerprint, Samples
from atrous.data.encoding import distinct
from atrous.data.transform import Transform
from atrous.networks.compute import Compute
from atrous.networks.network import Network
from atrous.spaces import find_architecture
from atrous.spaces.blueprint import Blueprint, build_network
from atrous.stages.train.trainer import TrainingJob
from atrous.training.config import Protocol
from atrous.training.crops import Batch, crops_of
from atrous.training.loop import Selection, train
from atrous.training.state import TrainingState
from atrous.training.world import World
from tests.small_search import CLASSES

T = TypeVar("T")


class Unreadable(Compute):
    """A device whose numbers cannot be read: whoever waits for one raises an error."""

    def autocast(self) -> Any:
        """Changes nothing; torch has no such context for this device."""
        return nullcontext()


def unfused(groups: Any, **how: Any) -> SGD:
    """The optimiser in single operations, which torch has for any device."""
    return SGD(groups, **{**how, "fused": False})


CROP = (33, 49)
UNREADABLE = Unreadable("meta", "float32", "channels_last", 1)
COMPUTE = Compute("cpu", "float32", "channels_last", 1)
ALONE = World("cpu")
BLUEPRINT = Blueprint(
    architecture=find_architecture("dpc-2:0.3.1.54"),
    backbone="test_resnet",
    output_stride=16,
    filters=8,
    decoder=False,
    classes=CLASSES,
    colours=distinct(len(CLASSES)),
)


def protocol(**changes: Any) -> Protocol:
    """Twelve steps on small crops, scored after 5, 10 and 12."""
    usual = Protocol(steps=12, batch=4, crop=CROP, rate=0.05, score_every=5)
    return replace(usual, **changes)


def network(seed: int = 0, dropout: float = 0.1, **changes: Any) -> Network:
    """A network with random weights."""
    built = build_network(replace(BLUEPRINT, **changes), seed=seed)
    for module in built.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    return built


def state(how: Protocol, dropout: float = 0.1, seed: int = 0) -> TrainingState:
    """A network about to be trained."""
    return TrainingState(network(seed, dropout), how, COMPUTE, ALONE)


def batch(seed: int, images: int = 4, ignored: float = 0.2) -> Batch:
    """Noise, and labels of which a share is ignored: a larger one the later the image."""
    draw = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (images, 3, *CROP), dtype=torch.uint8, generator=draw)
    labels = torch.randint(0, len(CLASSES), (images, *CROP), generator=draw)
    shares = ignored * torch.linspace(0.2, 2, images).view(-1, 1, 1)
    hidden = torch.rand(images, *CROP, generator=draw) < shares
    return pixels, labels.masked_fill(hidden, IGNORE).to(torch.uint8)


def halves(whole: Batch) -> list[Batch]:
    """A batch in two parts."""
    return list(zip(whole[0].chunk(2), whole[1].chunk(2), strict=True))


def tensors(network: torch.nn.Module) -> dict[str, Tensor]:
    """Copies of all parameters and buffers."""
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    """Whether two networks hold the same numbers, bit by bit."""
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class StoppedError(Exception):
    """What stops a training that is to be resumed."""


class Interruption:
    """Progress that stops a loop after so many items."""

    def __init__(self, items: int) -> None:
        self.items = items

    def __call__(self, items: Iterable[T], label: str, total: int) -> Iterator[T]:
        del label, total
        for number, item in enumerate(items):
            if number == self.items:
                raise StoppedError
            yield item


def never(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Progress that hears of all and says nothing."""
    assert label
    assert total >= 0
    yield from items


def run(
    state: TrainingState,
    samples: tuple[Samples, Samples],
    folder: Path,
    progress: Any = never,
    **options: Any,
) -> Metrics:
    """Trains on the first of the samples and selects on the second."""
    backbone = state.network.backbone
    crops = crops_of(samples[0], state.protocol, backbone.mean)
    transform = Transform(backbone.mean, backbone.std)
    score = Selection(samples[1], len(CLASSES), transform, state.world)
    return train(state, crops, score, folder, progress, **options)


def job(data: Path, fingerprint: DataFingerprint, **changes: Any) -> TrainingJob:
    """A job of the small network."""
    usual = TrainingJob(
        name="a small cell",
        data=str(data.resolve()),
        select_on="val",
        licence="CC0",
        blueprint=BLUEPRINT,
        weights="none",
        protocol=protocol(),
        compute=COMPUTE,
        tensorboard=False,
        fingerprint=fingerprint,
    )
    return replace(usual, **changes)
