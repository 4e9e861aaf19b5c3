"""Computes the numbers that `values.json` holds. They may not change when the code is rearranged.

`python -m tests.golden.compute` prints them; whoever changes them on purpose says why.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from atrous.core.architecture import Architecture
from atrous.core.trial import Job, Measured, Origin, Outcome, Rung, Trial
from atrous.data.dataset import Sample
from atrous.data.encoding import distinct
from atrous.estimation.cached import Proxy
from atrous.estimation.end_to_end import FineTune
from atrous.estimation.extraction import Extraction, cached_features
from atrous.estimation.features import FeatureSet
from atrous.execution.executor import InlineExecutor
from atrous.networks.backbones import load_backbone
from atrous.networks.compute import Compute
from atrous.relax.bilevel import SearchState
from atrous.relax.config import SearchProtocol
from atrous.scenes.canvas import CLASSES
from atrous.scenes.scene import draw_scene
from atrous.search.loop import SearchPlan, baseline_trials, search
from atrous.search.promotion import FullBudget
from atrous.spaces import find_architecture, find_space
from atrous.spaces.auto_deeplab.relaxation.decoding import decode
from atrous.spaces.auto_deeplab.relaxation.space import relaxation_of
from atrous.spaces.blueprint import Blueprint, build_network, network_cost
from atrous.strategies import find_strategy
from atrous.tasks import USUAL
from atrous.training.config import Protocol
from atrous.training.optimiser import Schedule
from atrous.training.state import TrainingState
from atrous.training.world import World
from tests.search.simulated import Weightless

BACKBONE = "tf_efficientnet_lite0"
COMPUTE = Compute("cpu", "float32", "contiguous", 1)
CROP = (97, 129)
LARGE = (1025, 2049)
"""Height and width of the images of Cityscapes, one more than a multiple of the strides."""
Values = Any
"""What JSON can hold: exact texts and whole numbers, and floats."""

# Proposals ------------------------------------------------------------------------------------


def _score(job: Job) -> Outcome:
    """A score that looks like chance and depends on the architecture alone."""
    digest = blake2b(str(job.architecture).encode(), digest_size=4).digest()
    score = int.from_bytes(digest, "big") / 2**32
    return Measured(job, {"miou": score}, {}, 1.0)


def _proposals(strategy: str, space: str, workers: int = 1) -> Values:
    """[number, architecture, origin, seed] of each trial of a search."""
    grammar = find_space(space)
    names = ("dpc:aspp", "dpc:top1") if space.startswith("dpc") else ()
    trials = 40 - len(names)
    miou = USUAL.objective("miou")
    plan = SearchPlan(
        space=grammar,
        strategy=find_strategy(strategy),
        promotion=FullBudget(5),
        objective=miou,
        listed=baseline_trials(names, 11),
        trials=trials,
        seed=11,
        workers=workers,
        reproducible=True,
    )
    ended: list[Trial] = []
    ledger: Any = Weightless()
    search(plan, ledger, _score, InlineExecutor(), lambda entry: ended.append(entry.trial))
    ended.sort(key=lambda trial: trial.number)
    return [[t.number, str(t.architecture), str(t.origin), t.seed] for t in ended]


def proposals() -> Values:
    """What both strategies propose in spaces of several sizes, and to three workers."""
    spaces = ("dpc", "dpc-3", "auto_deeplab-6x3")
    alone = {f"{s} {space}": _proposals(s, space) for s in ("random", "local") for space in spaces}
    return {**alone, "local dpc, 3 workers": _proposals("local", "dpc", 3)}


# The proxy ------------------------------------------------------------------------------------


def _scenes(root: Path, name: str, count: int) -> tuple[Sample, ...]:
    """Built-in scenes, whose files lose nothing; the last is narrower than the others."""
    samples = []
    for number in range(count):
        image, mask = draw_scene(f"{name}/{number}", (96, 128 if number + 1 < count else 110))
        sample = Sample(f"{number}", root / f"{name}{number}.png", root / f"{name}{number}-m.png")
        image.save(sample.image)
        mask.save(sample.mask)
        samples.append(sample)
    return tuple(samples)


def _features(root: Path) -> tuple[FeatureSet, FeatureSet]:
    backbone = load_backbone(BACKBONE, "builtin", 16)
    training, selection = (
        cached_features(Extraction(_scenes(root, name, count), backbone, CROP, "cpu", (16,)), root)
        for name, count in (("training", 9), ("selection", 4))
    )
    return training, selection


def _job(number: int, architecture: Architecture, steps: int, seed: int) -> Job:
    return Job(Trial(number, architecture, Origin("uniform"), seed), Rung(0, steps))


def _reported(outcome: Outcome) -> Values:
    assert isinstance(outcome, Measured), outcome
    ious = [-1.0 if iou is None else iou for iou in outcome.details["class_iou"]]
    cross_entropy = outcome.values.get("cross_entropy", -1.0)
    return {"score": outcome.values["miou"], "cross-entropy": cross_entropy, "class IoU": ious}


def proxy_trials() -> Values:
    """Candidates trained on cached features, and some of these features."""
    space = find_space("dpc")
    cells = {
        "aspp": space.published["aspp"],
        "top1": space.published["top1"],
        "random": space.sample(Random(3)),
    }
    with TemporaryDirectory() as folder:
        training, selection = _features(Path(folder))
        schedule = Schedule(4, 0.1, 4e-5)
        proxy = Proxy(training, selection, len(CLASSES), 16, schedule, COMPUTE)
        trials = {
            name: _reported(proxy(_job(0, space.architecture(cell), 12, 5)))
            for name, cell in cells.items()
        }
        features = training.features[16][0].float()
        some = features[::61, ::3, ::4].flatten().tolist()
        targets = training.targets[0, ::6, ::8].flatten().tolist()
    return {"trials": trials, "features": some, "targets": targets}


# Supernets ------------------------------------------------------------------------------------


def _batch(generator: torch.Generator, classes: int, images: int = 4) -> tuple[Tensor, Tensor]:
    """Noisy squares of colours that belong to classes: uint8 [B, 3, 33, 49] and [B, 33, 49]."""
    coarse = torch.randint(classes, (images, 5, 7), generator=generator)
    labels = coarse.repeat_interleave(8, 1).repeat_interleave(8, 2)[:, :33, :49]
    colours = torch.tensor([[200, 60, 60], [60, 200, 60], [60, 60, 200]])[labels]
    pictures = colours.permute(0, 3, 1, 2)
    noise = torch.randint(56, pictures.shape, generator=generator)
    return (pictures + noise).to(torch.uint8), labels.to(torch.uint8)


def _supernet(gate: str, layers: int) -> Values:
    space = find_space(f"auto_deeplab-{layers}x2")
    protocol = SearchProtocol(
        gate=gate,
        space=space.name,
        filters=4,
        classes=3,
        steps=20,
        batch=4,
        crop=(33, 49),
        scale=1.0,
        warm_up=0.25,
        seed=7,
    )
    state = SearchState(relaxation_of(space.name), protocol, COMPUTE)
    draw = torch.Generator().manual_seed(1)
    losses: list[list[float]] = []
    for step in range(protocol.steps):
        batch, other = _batch(draw, 3), _batch(draw, 3)
        found = state.advance(batch, other if protocol.learns_at(step) else None)
        learnt = [] if found.architecture is None else [float(found.architecture)]
        losses.append([float(found.weights), *learnt])
    alpha, beta = (p.detach() for p in state.supernet.architecture())
    return {
        "losses": losses,
        "alpha": alpha.flatten().tolist(),
        "beta": beta.flatten().tolist(),
        "decoded": str(space.architecture(decode(alpha, beta))),
    }


def supernets() -> Values:
    """The first steps of a differentiable search under each gate.

    With FBNet's gate and a third layer some gradients are rounding alone, which Adam makes whole
    steps of: another processor would take other ones.
    """
    return {gate: _supernet(gate, n) for gate, n in {"softmax": 3, "gdas": 3, "fbnet": 2}.items()}


# Networks -------------------------------------------------------------------------------------


def _blueprint(architecture: Architecture, filters: int, decoder: bool = True) -> Blueprint:
    cells = architecture.space.startswith("dpc")
    backbone, stride = (BACKBONE, 16) if cells else ("", 0)
    colours = distinct(len(CLASSES))
    return Blueprint(architecture, backbone, stride, filters, decoder, CLASSES, colours)


def _whole(text: str = "auto_deeplab-3x2") -> Architecture:
    space = find_space(text)
    return space.architecture(space.sample(Random(2)))


def _logits(architecture: Architecture, filters: int, unit: float) -> Values:
    """Some logits, which are small before training, in a unit of their size."""
    weights = "builtin" if architecture.space.startswith("dpc") else "none"
    network = build_network(_blueprint(architecture, filters), weights, 4)
    rows, columns = torch.linspace(0, 9, 70).view(-1, 1), torch.linspace(0, 7, 90)
    image = torch.stack([(k * rows + columns * rows / (1 + k)).sin() for k in range(3)])
    with torch.no_grad():
        logits = network(image.unsqueeze(0))
    return (logits / unit)[0, :, ::23, ::29].flatten().tolist()


def networks() -> Values:
    """Logits of untrained networks at some pixels, and what published networks cost."""
    named = {name: find_architecture(name) for name in ("dpc:aspp", "dpc:top1")}
    named["auto_deeplab:published"] = find_architecture("auto_deeplab:published")
    costs = {}
    for name, architecture in named.items():
        cost = network_cost(_blueprint(architecture, 256 if "dpc" in name else 20), LARGE)
        costs[name] = [cost.parameters, cost.multiply_adds]
    logits = {"dpc:top1": _logits(named["dpc:top1"], 16, 5e-3), "whole": _logits(_whole(), 4, 5e-6)}
    return {"logits": logits, "whole": str(_whole()), "costs": costs}


# Training end to end --------------------------------------------------------------------------


def _first_losses(architecture: Architecture, filters: int, drop_path: float) -> list[float]:
    network = build_network(_blueprint(architecture, filters), "none", 3)
    protocol = Protocol(steps=12, batch=4, crop=(33, 49), rate=0.02, seed=2, drop_path=drop_path)
    state = TrainingState(network, protocol, COMPUTE, World("cpu"))
    draw = torch.Generator().manual_seed(6)
    return [float(state.advance([_batch(draw, 3)])) for _ in range(5)]


def _squares(root: Path, name: str, count: int, seed: int) -> tuple[Sample, ...]:
    """The images of `_batch`, as files."""
    samples = []
    images, labels = _batch(torch.Generator().manual_seed(seed), 3, count)
    for number, (image, mask) in enumerate(zip(images, labels, strict=True)):
        sample = Sample(f"{number}", root / f"{name}{number}.png", root / f"{name}{number}-m.png")
        Image.fromarray(image.permute(1, 2, 0).numpy()).save(sample.image)
        Image.fromarray(mask.numpy()).save(sample.mask)
        samples.append(sample)
    return tuple(samples)


def _fine_tuned(root: Path) -> Values:
    training, selection = _squares(root, "training", 9, 0), _squares(root, "selection", 6, 1)
    protocol = Protocol(steps=9, batch=4, crop=(33, 49), rate=0.05)
    names, colours = ("red", "green", "blue"), distinct(3)
    blueprint = Blueprint(
        find_architecture("dpc:aspp"), "test_resnet", 16, 8, False, names, colours
    )
    work = root / "work"
    tune = FineTune(blueprint, "none", training, selection, protocol, COMPUTE, work)
    return _reported(tune(_job(1, find_architecture("dpc-2:0.3.1.54"), 20, 2)))


def trainings() -> Values:
    """The first steps of networks trained end to end, and a trial of a re-ranking."""
    with TemporaryDirectory() as folder:
        reranked = _fine_tuned(Path(folder))
    return {
        "dpc": _first_losses(find_architecture("dpc-2:0.3.1.54"), 8, 0.0),
        "whole": _first_losses(_whole(), 4, 0.3),
        "re-ranked": reranked,
    }


PARTS: Sequence[Callable[[], Values]] = (proposals, proxy_trials, supernets, networks, trainings)


def compute(part: Callable[[], Values]) -> Values:
    """The values of a part, as JSON gives them back."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return json.loads(json.dumps(part()))
    finally:
        torch.set_num_threads(threads)


def rounded(values: Values) -> Values:
    """The values with floats of 7 digits."""
    match values:
        case dict():
            return {key: rounded(value) for key, value in values.items()}
        case list():
            return [rounded(value) for value in values]
        case float():
            return float(f"{values:.7g}")
    return values


if __name__ == "__main__":
    print(json.dumps({part.__name__: rounded(compute(part)) for part in PARTS}))
