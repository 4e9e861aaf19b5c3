"""How much each strategy finds where the optimum is known: effects add, two interact, with noise.

    python -m benchmarks.planted_strategies [--replays 100] [--reads 100] [--strategies local,tpe]

Prints the true score of the best reading, in standard deviations of all architectures, with the
standard error over replays; that of the optimum beside it; the share of replays in which it is
better than random search of as many trials; and seconds a replay. For gp, these are so many that it
is left out unless named.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from statistics import fmean, stdev

from tests.strategies.planted import found, problem, share_better

from atrous.strategies import STRATEGIES, find_strategy

QUICK = [name for name in STRATEGIES if name != "gp"]


def main() -> None:
    """Prints the table, a line a strategy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=100)
    parser.add_argument("--reads", type=int, default=100)
    parser.add_argument("--strategies", default=",".join(QUICK))
    asked = parser.parse_args()
    tasks = [problem(seed) for seed in range(asked.replays)]
    optimum = fmean(task.score(task.optimum) for task in tasks)
    print(f"{asked.reads} trials, {asked.replays} replays; the optimum is at {optimum:.2f}")
    print(f"{'strategy':12} {'found':>5} {'+-':>5} {'beats random':>13} {'s a replay':>11}")
    random: list[float] = []
    for name in dict.fromkeys(("random", *asked.strategies.split(","))):
        start = time.process_time()
        make = partial(find_strategy, name)
        scores = [found(make, seed, asked.reads) for seed in range(asked.replays)]
        random = random or scores
        seconds = (time.process_time() - start) / len(tasks)
        error = stdev(scores) / len(scores) ** 0.5
        better = f"{100 * share_better(scores, random):.0f} %"
        print(
            f"{name:12} {fmean(scores):5.2f} {error:5.2f} {better:>13} {seconds:11.2f}", flush=True
        )


if __name__ == "__main__":
    main()
