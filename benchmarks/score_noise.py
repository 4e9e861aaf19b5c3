"""How much of a proxy score is the architecture: rank correlation between seeds.

    python benchmarks/score_noise.py RUN --cells 24 --on val test

Trains random cells of the run's space under the run's own proxy, each with two seeds, and prints,
for each score and each set of images, Spearman's correlation between the two seeds, and the spread
between cells against the spread between seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random
from statistics import pstdev

from scipy.stats import spearmanr

from atrous.cli import default_cache
from atrous.comparison import Reading, fresh_trials, read_all
from atrous.driver import estimator, features_of, material_of
from atrous.estimation.proxy import SCORES, score_of
from atrous.progress import track
from atrous.run import open_run
from atrous.spaces import find_space
from atrous.spaces.dpc import ASPP, TOP1, encode


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--cells", type=int, default=24)
    parser.add_argument("--on", nargs="*", default=["val", "test"])
    asked = parser.parse_args()
    run, cache = open_run(asked.run), default_cache()
    material = material_of(run, cache)
    sets = {"selection": material.selection}
    for split in asked.on:
        samples = material.dataset.splits[split]
        sets[split] = features_of(samples, run.settings, material.backbone, cache)
    space, rng = find_space(run.settings.space), Random(7)
    genotypes = [encode(ASPP), encode(TOP1)] + [space.sample(rng) for _ in range(asked.cells - 2)]
    cells = [space.architecture(genotype) for genotype in genotypes]
    trials = fresh_trials(cells, 2, run.settings.steps, run.settings.seed)
    proxy, path = estimator(run.settings, material), run.path / "score-noise.jsonl"
    found = read_all(proxy, trials, sets, run.settings.workers, path)
    readings = [r for part in track(found, "training cells", len(trials)) for r in part]
    print(f"{'images':10} {'score':14} {'rho':>5}  {'sd cells':>8}  {'sd seeds':>8}")
    for split in sets:
        for name in SCORES:
            first, second = (_column(readings, split, name, seed) for seed in _seeds(readings))
            order = sorted(first)
            a, b = [first[c] for c in order], [second[c] for c in order]
            rho = spearmanr(a, b).statistic
            cells_sd = pstdev([(x + y) / 2 for x, y in zip(a, b, strict=True)])
            seeds_sd = (sum((x - y) ** 2 / 2 for x, y in zip(a, b, strict=True)) / len(a)) ** 0.5
            print(f"{split:10} {name:14} {rho:5.2f}  {cells_sd:8.4f}  {seeds_sd:8.4f}")


def _seeds(readings: list[Reading]) -> list[int]:
    return sorted({reading.seed for reading in readings})


def _column(readings: list[Reading], split: str, name: str, seed: int) -> dict[str, float]:
    return {
        r.architecture: score_of(r.metrics, name)  # type: ignore[arg-type]
        for r in readings
        if r.split == split and r.seed == seed
    }


if __name__ == "__main__":
    main()
