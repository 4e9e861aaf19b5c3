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
from atrous.core.console import track
from atrous.core.trial import Failed
from atrous.estimation.search_data import cached_of, estimator, features_of
from atrous.execution import find_executor
from atrous.search.objective import OBJECTIVES
from atrous.search.run import open_run
from atrous.spaces import find_architecture, find_space
from atrous.stages.compare import Reading, fresh_jobs, read_all


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cells", type=int, default=24)
    parser.add_argument("--on", nargs="*", default=["val", "test"])
    asked = parser.parse_args()
    run, cache = open_run(asked.run), default_cache()
    material = cached_of(run, cache)
    sets = {"selection": material.selection}
    for split in asked.on:
        samples = material.data.dataset.splits[split]
        sets[split] = features_of(samples, run.settings, material.data, cache)
    space, rng = find_space(run.config.space), Random(7)
    drawn = [space.architecture(space.sample(rng)) for _ in range(asked.cells)]
    named = [find_architecture(name) for name in run.config.baselines]
    jobs = fresh_jobs([*named, *drawn], 2, run.config.proxy.steps, run.config.seed)
    executor = find_executor("local", run.settings.workers)
    proxy, path = estimator(run.settings, material), run.path / "score-noise.jsonl"
    found = read_all(proxy, jobs, sets, executor, path)
    results = list(track(found, "training cells", len(jobs)))
    failed = {r.trial.architecture: r.error for r in results if isinstance(r, Failed)}
    for architecture, error in failed.items():
        print(f"left out {architecture}: {error}")
    drawn, named = ([a for a in cells if a not in failed] for cells in (drawn, named))
    wanted = {str(a) for a in (*drawn, *named)}
    measured = [r for result in results if not isinstance(result, Failed) for r in result]
    readings = [reading for reading in measured if reading.architecture in wanted]
    first, second = sorted({reading.seed for reading in readings})
    print(
        f"{'images':10} {'score':14} {'rho':>5}  {'sd cells':>8}  {'sd seeds':>8}  baselines' ranks"
    )
    for split in sets:
        for name in OBJECTIVES:
            one, two = (_column(readings, split, name, seed) for seed in (first, second))
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


def _column(readings: list[Reading], split: str, name: str, seed: int) -> dict[str, float]:
    return {
        r.architecture: OBJECTIVES[name](r.metrics.values)
        for r in readings
        if r.split == split and r.seed == seed
    }


if __name__ == "__main__":
    main()
