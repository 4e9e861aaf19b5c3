"""What a proposal of each strategy costs, by how many trials there are.

    python -m benchmarks.proposals --trials 28 2800 28000

Prints the milliseconds of a proposal, of `--proposals` in a `--space`: by the clock, and of the
processor. On a machine that others use, the clock's worst is the time for which the system let them
run; the goal is one of the processor.
"""

from __future__ import annotations

import argparse
import gc
import time
from random import Random
from statistics import fmean, median
from typing import Any

from atrous.core.trial import Job, Origin, Rung, Trial
from atrous.search.history import History
from atrous.spaces import find_space
from atrous.spaces.space import Space
from atrous.strategies import STRATEGIES, find_strategy
from atrous.strategies.strategy import Result

MAPS = {4: (24, 90, 120), 8: (40, 45, 60), 16: (112, 23, 30)}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, nargs="*", default=[28, 2800, 28000])
    parser.add_argument("--space", default="dpc")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--proposals", type=int, default=1000)
    asked = parser.parse_args()
    space = find_space(asked.space)
    space = space.at({1: (3, 360, 480)} if space.encoder else MAPS, 32)
    heads = ("median ms", "worst ms", "mean CPU ms", "worst CPU ms")
    print(f"{'strategy':10} {'trials':>7}", *(f"{head:>12}" for head in heads))
    for trials in asked.trials:
        history = _history(space, trials)
        gc.collect()
        gc.freeze()  # as the loop does with what is known
        for name in asked.strategies.split(","):
            strategy, times, worked = find_strategy(name), [], []
            state: Any = strategy.update(strategy.begin(), history.since(0))
            for number in range(asked.proposals):
                start, busy = time.perf_counter(), time.thread_time()
                strategy.propose(state, space, history, Random(number))
                times.append(1000 * (time.perf_counter() - start))
                worked.append(1000 * (time.thread_time() - busy))
            found = (median(times), max(times), fmean(worked), max(worked))
            print(f"{name:10} {trials:7}", *(f"{each:12.2f}" for each in found), flush=True)


def _history(space: Space, trials: int) -> History:
    history, rng = History(space), Random(0)
    for number in range(trials):
        architecture = space.architecture(space.sample(rng))
        trial = Trial(number, architecture, Origin("uniform"), 0)
        history.begin(Job(trial, Rung(0, 1)))
        history.learn(Result(trial, 0, rng.random()))
    return history


if __name__ == "__main__":
    main()
