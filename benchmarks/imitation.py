"""Whether searches that imitate an expert find what is like it, and what that costs or saves.

    python -m benchmarks.imitation [--expert fpn] [--weights 0.5,1,2] [--replays 40] [--trials 100]

Claims of Guo et al. 2019 ("IRLAS") that need no training: an added similarity to an expert moves
structure, and makes what is found quicker. Scores are planted: a sum of effects, one for each
choice of each decision of the canonical form, drawn anew for each replay, and a reading adds noise
of 0.45 of their spread, as between seeds on CamVid. So nothing is known of an expert; in a second
world, its own choices are good ones: their effects are all positive. Both are asked, since an
expert is worth what its choices are worth.

Prints, for each world, strategy and weight, at equal trials and paired with the same replay without
imitation, the difference with its 95 % interval over replays: of the mean similarity of the last 30
proposals (1: the expert, 0: uniform draws), of their multiply-adds and their latency in percent, on
this processor by one thread, and of the true score of the best reading, in standard deviations.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, log
from random import Random
from statistics import fmean, median, pstdev
from time import perf_counter
from typing import Any

import torch
from tests.search.simulated import Weightless
from tests.strategies.planted import NOISE

from atrous.core.architecture import Genotype
from atrous.core.statistics import mean_interval
from atrous.core.trial import Job, Measured, Outcome
from atrous.execution.executor import InlineExecutor
from atrous.search.imitation import Imitation, expert_of, imitation
from atrous.search.ledger import Entry
from atrous.search.loop import SearchPlan, search
from atrous.search.promotion import FullBudget
from atrous.spaces import find_space
from atrous.spaces.space import Space
from atrous.strategies import find_strategy
from atrous.tasks.task import Value

MAPS = {8: (32, 46, 61), 16: (96, 23, 31), 32: (320, 12, 16)}
"""Those of MobileNetV2 on images of 361x481 pixels."""
FILTERS, LAST, DRAWN = 32, 30, 300
WORLDS = {"any expert": False, "good expert": True}
MEASURES = ("similarity", "multiply-adds %", "latency %", "best found")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="fast_dense")
    parser.add_argument("--expert", default="fpn")
    parser.add_argument("--weights", default="0.5,1,2")
    parser.add_argument("--strategies", default="local,evolution")
    parser.add_argument("--replays", type=int, default=40)
    parser.add_argument("--trials", type=int, default=100)
    parser.add_argument("--timed", type=int, default=3, help="of each search; 0: no latencies")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    space = find_space(asked.space).at(MAPS, FILTERS)
    expert = expert_of(space, asked.expert)
    weights = [0.0, *map(float, asked.weights.split(","))]
    guides = {weight: imitation(space, expert, weight) for weight in weights}
    print(f"{asked.trials} trials, {asked.replays} replays, {asked.expert} of {space.name}")
    print(f"{'world':12} {'strategy':10} {'weight':>6}", *(f"{m:>22}" for m in MEASURES))
    for world, is_good in WORLDS.items():
        for strategy in asked.strategies.split(","):
            found: dict[float, list[Course]] = {weight: [] for weight in weights}
            for replay in range(asked.replays):
                planted = plant(space, expert if is_good else None, replay)
                for weight, guide in guides.items():
                    plan = SearchPlan(
                        space=space,
                        strategy=find_strategy(strategy),
                        promotion=FullBudget(1),
                        objective=Value("score"),
                        imitation=guide if weight else None,
                        trials=asked.trials,
                        seed=replay,
                        workers=1,
                    )
                    found[weight].append(course(plan, planted, guide, asked.timed))
            for weight, courses in found.items():
                cells = [f"{c:>22}" for c in told(courses, found[0.0] if weight else None)]
                print(f"{world:12} {strategy:10} {weight:6g}", *cells, flush=True)


@dataclass(frozen=True)
class Planted:
    """A problem: effects by decision and choice of canonical forms, and what standardises them."""

    space: Space
    effects: tuple[tuple[float, ...], ...]
    mean: float = 0.0
    spread: float = 1.0

    def score(self, genotype: Genotype) -> float:
        """The true score, in standard deviations from the mean of uniform draws."""
        form = self.space.canonical(genotype)
        total = sum(row[choice] for row, choice in zip(self.effects, form, strict=True))
        return (total - self.mean) / self.spread


def plant(space: Space, expert: Genotype | None, seed: int) -> Planted:
    """A problem, drawn by chance; the choices of an `expert` have effects above 0."""
    rng = Random(f"imitated {seed}")
    effects = [[rng.gauss(0, 1) for _ in range(count)] for count in space.most_choices]
    for row, choice in zip(effects, space.canonical(expert) if expert else (), strict=False):
        row[choice] = abs(row[choice])
    plain = Planted(space, tuple(map(tuple, effects)))
    scores = [plain.score(space.sample(rng)) for _ in range(DRAWN)]
    return Planted(space, plain.effects, fmean(scores), pstdev(scores))


@dataclass(frozen=True)
class Course:
    """The numbers of a search: the mean similarity of the last proposals, the geometric means of
    their multiply-adds and latencies, and the true score of its best reading."""

    similarity: float
    multiply_adds: float
    latency: float
    best: float


def course(plan: SearchPlan, planted: Planted, guide: Imitation, timed: int) -> Course:
    """Runs a search."""
    noise, entries, ledger = Random(f"noise {plan.seed}"), list[Entry](), Weightless()
    anything: Any = ledger

    def read(job: Job) -> Outcome:
        score = planted.score(job.architecture.genotype) + noise.gauss(0, NOISE)
        return Measured(job, {"score": score}, {}, 1.0)

    search(plan, anything, read, InlineExecutor(), entries.append)
    last = [entry.trial.architecture for entry in entries[-LAST:]]
    alike = (guide.similarity(each) or 0.0 for each in last)
    costs = (plan.space.analytic_cost(each.genotype).multiply_adds for each in last)
    times = (latency(plan.space.name, each.genotype) for each in last[::-1][:timed])
    best = max(entries, key=lambda entry: entry.score or 0.0).trial.architecture.genotype
    return Course(fmean(alike), _mean(list(costs)), _mean(list(times)), planted.score(best))


def _mean(values: Sequence[float]) -> float:
    return exp(fmean(map(log, values))) if values else 1.0


@cache
def latency(name: str, genotype: Genotype) -> float:
    """Milliseconds of a decoder on the maps of an image, the least of a few passes."""
    channels = {stride: shape[0] for stride, shape in MAPS.items()}
    part = find_space(name).build(genotype, channels, FILTERS).eval()
    maps = {stride: torch.randn(1, *shape) for stride, shape in MAPS.items()}
    times = []
    with torch.inference_mode():
        for _ in range(6):
            start = perf_counter()
            part(maps)
            times.append(1000 * (perf_counter() - start))
    return median(times[1:])


def told(courses: Sequence[Course], without: Sequence[Course] | None) -> list[str]:
    """Means of searches, or how they differ from those without imitation, with intervals."""
    if without is None:
        means = [fmean(each) for each in zip(*map(numbers, courses), strict=True)]
        similar, costs, times, best = means
        return [f"{similar:.2f}", f"{costs / 1e6:.0f} M", f"{times:.1f} ms", f"{best:.2f}"]
    cells = []
    pairs = list(zip(courses, without, strict=True))
    for place, name in enumerate(MEASURES):
        ratio = name.endswith("%")
        each = [(numbers(a)[place], numbers(b)[place]) for a, b in pairs]
        values = [100 * (a / b - 1) if ratio else a - b for a, b in each]
        found, digits = mean_interval(values), 0 if ratio else 2
        cells.append(
            f"{found.mean:+.{digits}f} [{found.low:+.{digits}f}, {found.high:+.{digits}f}]"
        )
    return cells


def numbers(one: Course) -> tuple[float, ...]:
    """The numbers of a search in the order of `MEASURES`."""
    return one.similarity, one.multiply_adds, one.latency, one.best


if __name__ == "__main__":
    main()
