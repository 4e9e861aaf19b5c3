"""How much of a proxy score is the architecture, and does it last: seeds, steps, protocols.

    python -m benchmarks.score_noise RUN --cells 24 --on val test
    python -m benchmarks.score_noise RUN --cells 6 --steps 100 400 --also CELL \\
        --protocols "optimiser=adamw rate=0.03" "init=reference optimiser=sgd rate=0.1"
    python -m benchmarks.score_noise RUN --cells 10 --equal-seconds \\
        --protocols "" "flip=true" "auxiliary=0.15" "average=0.9" "teacher=MODEL"
    python -m benchmarks.score_noise RUN --cells 12 --on --steps 15 60 240 --scores miou \\
        --protocols "" "rungs=3 eta=4"

Trains the run's baselines, some cells and random ones of its space under the run's own proxy, or
under others: "init=torch optimiser=adamw rate=0.003" is one that differs from the run's
in these. With `--equal-seconds`, all but the first train for as many steps as take them as long as
it, told from a few steps of three cells in seconds of the processor, which others at work beside do
not use up. Prints, for each protocol and number of steps, score and set of images: Spearman's
correlation between two seeds over the cells, the spread between cells (of the mean over seeds) and
between seeds, and the ranks of the named cells; and the correlation of each number of steps with
the next; and of each protocol and number of steps, by score and by the sum of the training losses,
with the longest training of the first protocol. What was trained is kept in the run's folder, so
that it goes on where it stopped.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import mean, pstdev, variance

from scipy.stats import spearmanr

from atrous.core.architecture import Architecture
from atrous.core.config import SearchConfig
from atrous.core.options import leaves, replaced
from atrous.core.statistics import correlate
from atrous.core.trial import Measured
from atrous.core.words import interval
from atrous.estimation.cached import TRAINING_LOSSES, Proxy
from atrous.estimation.features import FeatureSet
from atrous.estimation.search_data import (
    cached_of,
    cached_of_data,
    estimator,
    features_beside,
    search_data_of,
)
from atrous.execution import find_executor
from atrous.networks.pyramid import Offsets
from atrous.search.ledger import Ledger, file_url
from atrous.search.run import Run, Settings, open_run
from atrous.spaces import find_architecture, find_space
from atrous.stages.compare import Replicate, ReplicatePlan, replicate_trials, replicated
from atrous.stages.told import default_cache, read_value
from atrous.tasks.segmentation import SEGMENTATION
from atrous.training import optimiser

TIMED_CELLS, TIMED_STEPS = 3, (5, 25)
"""So many cells are timed, for so many steps."""
Means = dict[str, float]
"""By cell, the mean of a score over seeds."""


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cells", type=int, default=24, help="random ones")
    parser.add_argument("--also", nargs="*", default=[], help="architectures beside the baselines")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--on", nargs="*", default=["val", "test"])
    parser.add_argument("--steps", nargs="*", type=int, default=[], help="the run's, if none")
    parser.add_argument("--protocols", nargs="*", default=[""])
    parser.add_argument("--scores", nargs="*", default=list(SEGMENTATION.objectives))
    parser.add_argument("--cooling", type=float, help="over which the rate falls on a rung")
    parser.add_argument("--equal-seconds", action="store_true", help="as the first protocol takes")
    asked = parser.parse_args()
    if asked.cooling:
        optimiser.COOLING = asked.cooling
    early: list[Early] = []
    run, cache = open_run(asked.run), default_cache()
    cached_of(run, cache)
    space, rng = find_space(run.config.space), Random(7)
    drawn = [space.architecture(space.sample(rng)) for _ in range(asked.cells)]
    named = [find_architecture(name) for name in (*run.config.baselines, *asked.also)]
    cells, first = list(dict.fromkeys([*named, *drawn])), 0.0
    for protocol in asked.protocols:
        before: dict[tuple[str, str], Means] = {}
        settings = replace(run.settings, config=varied(run.config, protocol))
        proxy, sets = measured_by(settings, asked.on, run.context.offsets, cache)
        pace = seconds_a_step(proxy, cells[:TIMED_CELLS]) if asked.equal_seconds else 1.0
        first = first or pace
        for steps in asked.steps or [run.config.proxy.steps]:
            steps = max(1, round(steps * first / pace))
            kept = f"{protocol} cooling={asked.cooling}" if asked.cooling else protocol
            found, losses = train_all(run, kept, steps, proxy, sets, cells, asked.seeds)
            told = f", {1000 * pace:.0f} ms each" if asked.equal_seconds else ""
            print(f"\n{protocol or 'the protocol of the run'}; {steps} steps{told}", flush=True)
            before = tell(found, sets, asked.scores, named, drawn, before)
            scores = before["selection", asked.scores[0]]
            early.append(Early(protocol, steps, scores, losses))
    tell_early(early)


@dataclass(frozen=True)
class Early:
    """By cell, the mean over seeds of a score, and of the sum of the training losses."""

    protocol: str
    steps: int
    scores: Means
    losses: Means


def tell_early(found: Sequence[Early]) -> None:
    """Prints how far each training orders the cells as the longest of the first protocol does."""
    last = max((e for e in found if e.protocol == found[0].protocol), key=lambda e: e.steps)
    print(
        f"\n{'protocol':20} {'steps':>5}  {'mean':>6}  rho, by score, with its interval; by losses"
    )
    for each in found:
        cells = [cell for cell in last.scores if cell in each.scores]
        score, losses = (
            interval(
                correlate([a[c] * sign for c in cells], [last.scores[c] for c in cells]).spearman
            )
            for a, sign in ((each.scores, 1), (each.losses, -1))
        )
        middle = mean(each.scores.values())
        print(f"{each.protocol:20} {each.steps:5}  {middle:.4f}  {score}  {losses}")


def measured_by(
    settings: Settings, splits: Sequence[str], offsets: Offsets, cache: Path
) -> tuple[Proxy, dict[str, FeatureSet]]:
    """Returns the proxy of a protocol, and the features of the images that it is scored on."""
    data = search_data_of(settings.config, offsets)
    cached = cached_of_data(data, settings.config, settings.crop, settings.device, cache)
    images = {split: data.dataset.splits[split] for split in splits}
    sets = {split: features_beside(each, settings, data, cache) for split, each in images.items()}
    return estimator(settings, cached), {"selection": cached.selection, **sets}


def seconds_a_step(proxy: Proxy, cells: Sequence[Architecture]) -> float:
    """Returns the mean over some cells: of a longer training less a shorter one, so that what comes
    before the first step is left out."""

    def seconds(cell: Architecture, steps: int) -> float:
        busy = time.process_time if proxy.compute.device == "cpu" else time.perf_counter
        start = busy()
        proxy.fit(cell, steps, 0)
        return busy() - start

    few, more = TIMED_STEPS
    spent = (min(seconds(c, more) - seconds(c, few) for _ in range(2)) for c in cells)
    return mean(spent) / (more - few)


def train_all(
    run: Run,
    protocol: str,
    steps: int,
    proxy: Proxy,
    sets: dict[str, FeatureSet],
    cells: Sequence[Architecture],
    seeds: int,
) -> tuple[list[Replicate], Means]:
    """Returns the replicates of all cells with all seeds, and the sum of the training losses of
    each cell; says which failed."""
    name, workers = "-".join(["score-noise", *protocol.split(), str(steps)]), run.settings.workers
    plan = ReplicatePlan(proxy, sets, steps, workers)
    ledger = Ledger.create(file_url(run.path / "score-noise.db"), name)
    with find_executor(run.config.machine.executor, workers) as executor:
        trials = replicate_trials(cells, seeds, run.config.seed)
        replicates, left_out = replicated(plan, trials, ledger, executor)
    for result in left_out:
        print(f"left out {result.trial.architecture}: {result.error}")
    losses: dict[str, list[float]] = {}
    for outcome in (entry.outcome for entry in ledger.entries()):
        if isinstance(outcome, Measured):
            told = outcome.details.get(TRAINING_LOSSES, (0.0,))[0] or 0.0
            losses.setdefault(str(outcome.trial.architecture), []).append(told)
    return replicates, {cell: mean(each) for cell, each in losses.items()}


def varied(config: SearchConfig, protocol: str) -> SearchConfig:
    """Returns the configuration with the options that a text names, `name=value` each."""
    known = {leaf.name: leaf for leaf in leaves(SearchConfig)}
    told = dict(pair.split("=") for pair in protocol.split())
    values = {
        name: text == "true" if known[name].kind is bool else read_value(known[name], text)
        for name, text in told.items()
    }
    return replaced(config, **values)


def tell(
    replicates: Sequence[Replicate],
    sets: dict[str, FeatureSet],
    scores: Sequence[str],
    named: Sequence[Architecture],
    drawn: Sequence[Architecture],
    before: dict[tuple[str, str], Means],
) -> dict[tuple[str, str], Means]:
    """Prints a line for each set of images and score; returns the means over seeds."""
    head = f"{'images':10} {'score':14} {'rho':>5}  {'sd cells':>8}  {'sd seeds':>8}  {'ratio':>5}"
    print(f"{head}  {'fewer':>5}  named cells, ranks and scores")
    found: dict[tuple[str, str], Means] = {}
    every = list(dict.fromkeys(map(str, (*named, *drawn))))
    for split in sets:
        for score in scores:
            table = _table(replicates, split, score)
            cells = [cell for cell in every if cell in table]
            means = found[split, score] = {cell: mean(table[cell].values()) for cell in cells}
            earlier = before.get((split, score), {})
            shared = [cell for cell in cells if cell in earlier]
            rho = _rho([earlier[c] for c in shared], [means[c] for c in shared])
            order = sorted(means, key=lambda cell: -means[cell])
            ranks = [f"{order.index(c) + 1}: {means[c]:.4f}" for c in map(str, named) if c in means]
            print(f"{split:10} {score:14} {_spread(table, cells)}  {rho}  {', '.join(ranks)}")
    return found


def _table(replicates: Sequence[Replicate], split: str, score: str) -> dict[str, dict[int, float]]:
    """By cell and seed, a score on a set of images."""
    found: dict[str, dict[int, float]] = {}
    for r in replicates:
        if r.split == split:
            found.setdefault(r.architecture, {})[r.seed] = SEGMENTATION.objective(score)(r.values)
    return found


def _spread(table: dict[str, dict[int, float]], cells: Sequence[str]) -> str:
    """The correlation between the first two seeds, and how far cells and seeds lie apart."""
    between = pstdev([mean(table[cell].values()) for cell in cells])
    several = [table[cell] for cell in cells if len(table[cell]) > 1]
    if not several:
        return f"    -  {between:8.4f}         -      -"
    pairs = [[score for _, score in sorted(each.items())[:2]] for each in several]
    within = mean(variance(each.values()) for each in several) ** 0.5
    rho = _rho([a for a, _ in pairs], [b for _, b in pairs])
    return f"{rho}  {between:8.4f}  {within:8.4f}  {between / within:5.2f}"


def _rho(one: Sequence[float], other: Sequence[float]) -> str:
    return f"{spearmanr(one, other).statistic:5.2f}" if len(one) > 2 else "    -"


if __name__ == "__main__":
    main()
