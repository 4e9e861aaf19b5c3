"""How much of a proxy score is the architecture: rank correlation between seeds.

    python -m benchmarks.score_noise RUN --cells 24 --on val test

Trains random cells of the run's space under the run's own proxy, each with two seeds, and prints,
for each score and each set of images, Spearman's correlation between the two seeds over the random
cells, the spread between cells (of the mean of both seeds) and between seeds, and the ranks of the
run's baselines among all.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random
from statistics import mean, pstdev

from scipy.stats import spearmanr

from atrous.cli.options import default_cache
from atrous.estimation.search_data import cached_of, estimator, features_of
from atrous.execution import find_executor
from atrous.search.ledger import Ledger, file_url
from atrous.search.objective import OBJECTIVES
from atrous.search.run import open_run
from atrous.spaces import find_architecture, find_space
from atrous.stages.compare import Replicate, ReplicatePlan, replicate_trials, replicated


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cells", type=int, default=24)
    parser.add_argument("--on", nargs="*", default=["val", "test"])
    asked = parser.parse_args()
    run, cache = open_run(asked.run), default_cache()
    cached = cached_of(run, cache)
    sets = {"selection": cached.selection}
    for split in asked.on:
        samples = cached.data.dataset.splits[split]
        sets[split] = features_of(samples, run.settings, cached.data, cache)
    space, rng = find_space(run.config.space), Random(7)
    drawn = [space.architecture(space.sample(rng)) for _ in range(asked.cells)]
    named = [find_architecture(name) for name in run.config.baselines]
    steps, workers = run.config.proxy.steps, run.settings.workers
    plan = ReplicatePlan(estimator(run.settings, cached), sets, steps, workers)
    wanted = replicate_trials([*named, *drawn], 2, run.config.seed)
    ledger = Ledger.create(file_url(run.path / "score-noise.db"), "score noise")
    with find_executor("local", workers) as executor:
        measured, left_out = replicated(plan, wanted, ledger, executor)
    failed = {result.trial.architecture: result.error for result in left_out}
    for architecture, error in failed.items():
        print(f"left out {architecture}: {error}")
    drawn, named = ([a for a in cells if a not in failed] for cells in (drawn, named))
    wanted_cells = {str(a) for a in (*drawn, *named)}
    replicates = [one for one in measured if one.architecture in wanted_cells]
    first, second = sorted({one.seed for one in replicates})
    print(
        f"{'images':10} {'score':14} {'rho':>5}  {'sd cells':>8}  {'sd seeds':>8}  baselines' ranks"
    )
    for split in sets:
        for name in OBJECTIVES:
            one, two = (_column(replicates, split, name, seed) for seed in (first, second))
            print(f"{split:10} {name:14} {_row(one, two, [str(a) for a in drawn])}  ", end="")
            means = {cell: one[cell] + two[cell] for cell in one}
            order = sorted(means, key=lambda cell: -means[cell])
            print(", ".join(str(order.index(str(a)) + 1) for a in named), f"of {len(order)}")


def _row(one: dict[str, float], two: dict[str, float], cells: list[str]) -> str:
    a, b = [one[cell] for cell in cells], [two[cell] for cell in cells]
    rho = spearmanr(a, b).statistic
    between = pstdev([(x + y) / 2 for x, y in zip(a, b, strict=True)])
    within = mean((x - y) ** 2 / 2 for x, y in zip(a, b, strict=True)) ** 0.5
    return f"{rho:5.2f}  {between:8.4f}  {within:8.4f}"


def _column(replicates: list[Replicate], split: str, name: str, seed: int) -> dict[str, float]:
    return {
        r.architecture: OBJECTIVES[name](r.metrics.values)
        for r in replicates
        if r.split == split and r.seed == seed
    }


if __name__ == "__main__":
    main()
