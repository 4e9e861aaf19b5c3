"""How well a short training foretells a long one: by score, losses, or likeness to a teacher.

    python -m benchmarks.signals DATA --backbone mobilenetv2_100 --weights FILE --out FOLDER
        [--architectures 24] [--steps 320] [--teacher fpn]

Trains random decoders to 1/16, 1/4 and all of the steps by the schedule of rungs, each a beginning
of the next, and notes for each: mIoU on the val split, the sum of the training losses, and the
human-model similarity of Blanchard et al. 2019 with a teacher in the place of people: Spearman's
correlation of two tables of dissimilarities (1 less Pearson's correlation) of 60 val images with
each other, by the map before the class scores or by the class scores. The teacher is a baseline
trained for three times the steps.

Prints how well each orders the decoders as their mIoU after all steps does, with 95 % bootstrap
intervals, and by how much better than the mIoU of the same step; beside them parameters and
multiply-adds. What was trained is kept in FOLDER, so that it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import spearmanr

from atrous.core.architecture import Architecture
from atrous.core.console import say
from atrous.core.files import make_folder, save_text
from atrous.core.options import replaced
from atrous.core.statistics import correlate
from atrous.core.words import interval
from atrous.estimation.cached import TRAINING_LOSSES, Proxy
from atrous.estimation.estimators import prepare
from atrous.estimation.features import FeatureSet
from atrous.estimation.learning import features_of
from atrous.estimation.search_data import CachedFeatures, estimator
from atrous.networks.network import Tail
from atrous.spaces import find_architecture, find_space
from atrous.stages.search import lasting, usual
from atrous.stages.told import default_cache

SPACE, SCORE, IMAGES, LONGER, RESAMPLES = "fast_dense", "miou", 60, 3, 2000
SIGNALS = {SCORE: 1, "losses": -1, "hms": 1, "hms of class scores": 1}
"""What is noted of a training, and the sign with which more is better."""
COSTS = ("parameters", "multiply_adds")
Array = npt.NDArray[np.float64]
Line = dict[str, Any]
"""An architecture, its costs, and its signals by steps."""


def main() -> None:
    """Trains what is not trained yet, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="auto")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--architectures", type=int, default=24)
    parser.add_argument("--steps", type=int, default=320)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--filters", type=int, default=32)
    parser.add_argument("--teacher", default="fpn")
    asked = parser.parse_args()
    config = replaced(
        usual(SPACE),
        data=str(asked.data),
        backbone=asked.backbone,
        weights=asked.weights,
        steps=asked.steps,
        batch=asked.batch,
        filters=asked.filters,
        baselines=(asked.teacher,),
        rungs=3,
        workers=1,
    )
    prepared = prepare(config, lasting(config), default_cache())
    if not isinstance(prepared.cached, CachedFeatures):
        raise TypeError("decoders read features")
    make_folder(asked.out, "signals")
    proxy, place = estimator(prepared.settings, prepared.cached), asked.out / "signals.json"
    space = find_space(SPACE).at(prepared.context.maps, asked.filters)
    teacher = taught(proxy, find_architecture(asked.teacher), asked.steps, asked.out)
    lines: list[Line] = json.loads(place.read_text()) if place.exists() else []
    rng, forms = Random(5), dict[tuple[int, ...], Architecture]()
    while len(forms) < asked.architectures:
        genotype = space.sample(rng)
        forms.setdefault(space.canonical(genotype), space.architecture(genotype))
    known = {line["architecture"] for line in lines}
    for architecture in forms.values():
        if str(architecture) not in known:
            cost = vars(space.analytic_cost(architecture.genotype))
            found = {n: signals(proxy, architecture, n, teacher) for n in proxy.schedule.rungs}
            lines.append({"architecture": str(architecture), **cost, "signals": found})
            save_text(place, json.dumps(lines, indent=1))
            lines = json.loads(place.read_text())
            say(f"{len(lines)} of {len(forms)}: {found[asked.steps][SCORE]:.4f} {architecture}")
    tell(lines, asked.steps)


def taught(proxy: Proxy, teacher: Architecture, steps: int, folder: Path) -> dict[str, Array]:
    """The teacher's dissimilarities of images, trained once and kept."""
    files = {name: folder / f"{name.replace(' ', '-')}.npy" for name in SIGNALS if "hms" in name}
    if not all(file.exists() for file in files.values()):
        network = proxy.fit(teacher, LONGER * steps, 1)
        say(f"the teacher {teacher}: {proxy.evaluate(network, proxy.selection)[SCORE]:.4f}")
        for name, values in dissimilarities(network, proxy.selection, proxy).items():
            np.save(files[name], values, allow_pickle=False)
    return {name: np.load(file, allow_pickle=False) for name, file in files.items()}


def signals(
    proxy: Proxy, architecture: Architecture, steps: int, teacher: dict[str, Array]
) -> dict[str, float]:
    """Everything that is noted of a training of so many steps."""
    network, training = proxy.fitted(architecture, steps, 0)
    (losses,) = training[TRAINING_LOSSES]  # type: ignore[misc]
    score = proxy.evaluate(network, proxy.selection)[SCORE]
    alike = dissimilarities(network, proxy.selection, proxy)
    hms = {name: similarity(alike[name], teacher[name]) for name in teacher}
    return {SCORE: float(score), "losses": float(losses), **hms}  # type: ignore[arg-type]


@torch.inference_mode()
def dissimilarities(network: Tail, data: FeatureSet, proxy: Proxy) -> dict[str, Array]:
    """1 less the correlation of each two of some images, [pairs], by the map before the class
    scores and by the class scores."""
    network.eval()
    rows: dict[str, list[Array]] = {"hms": [], "hms of class scores": []}
    chosen = np.linspace(0, len(data) - 1, min(IMAGES, len(data))).round().astype(np.int64)
    maps = features_of(data, network, proxy.compute, resident=False)
    for number in chosen:
        one = {stride: proxy.compute.place(each[number][None]) for stride, each in maps.items()}
        with proxy.compute.autocast():
            inside = network.head(one)
            both = inside, network.logits(inside)
        for name, found in zip(rows, both, strict=True):
            rows[name].append(found.float().flatten().numpy().astype(np.float64))
    return {name: distances(np.stack(each)) for name, each in rows.items()}


def distances(rows: Array) -> Array:
    """1 less the correlation of each two of some vectors [count, length]: [pairs]."""
    return 1 - np.asarray(np.corrcoef(rows))[np.triu_indices(len(rows), 1)]


def similarity(one: Array, other: Array) -> float:
    """How alike two tables of dissimilarities order their pairs, -1 to 1; 0 where a network answers
    every image alike, so that it has no order."""
    found = float(spearmanr(one, other).statistic)
    return 0.0 if isnan(found) else found


def tell(lines: Sequence[Line], steps: int) -> None:
    """Prints the rank correlation of each signal with the score after all steps."""
    last = [line["signals"][str(steps)][SCORE] for line in lines]
    spread = f"sd {100 * np.std(last):.2f}, from {100 * min(last):.1f} to {100 * max(last):.1f}"
    print(f"{len(lines)} decoders, mIoU after {steps} steps {100 * np.mean(last):.1f} ({spread})")
    print(f"{'steps':>6} {'signal':20} {'rho with its interval':24} more than by the score then")
    for each in sorted(map(int, lines[0]["signals"])):
        scores = [line["signals"][str(each)][SCORE] for line in lines]
        for name, sign in SIGNALS.items():
            values = [sign * line["signals"][str(each)][name] for line in lines]
            if (each, name) != (steps, SCORE):
                more = difference(values, scores, last) if name != SCORE and each < steps else ""
                print(f"{each:6} {name:20} {interval(correlate(values, last).spearman):24} {more}")
    for name in COSTS:
        values = [line[name] for line in lines]
        print(f"{'none':>6} {name:20} {interval(correlate(values, last).spearman)}")


def difference(one: Sequence[float], other: Sequence[float], last: Sequence[float]) -> str:
    """How much better the first orders the last than the other does, with a bootstrap interval
    over architectures."""
    table, rng = np.array([one, other, last]), np.random.default_rng(0)

    def more(columns: Array) -> float:
        first, second = (spearmanr(row, columns[2]).statistic for row in columns[:2])
        return float(first - second)

    draws = (table[:, rng.integers(len(last), size=len(last))] for _ in range(RESAMPLES))
    # A draw of one decoder alone has no order.
    found = [more(draw) for draw in draws if (draw.min(1) < draw.max(1)).all()]
    low, high = np.quantile(found, [0.025, 0.975])
    return f"{more(table):+.2f} [{low:+.2f}, {high:+.2f}]"


if __name__ == "__main__":
    main()
