"""Memory of a worker over many trials: it must not grow.

python -m benchmarks.memory RUN [--trials 20] [--steps 5]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from random import Random

from atrous.core.trial import Job, Origin, Rung, Trial
from atrous.estimation.search_data import cached_of, estimator
from atrous.search.run import open_run
from atrous.spaces import find_space
from atrous.stages.told import default_cache


def main() -> None:
    """Prints the private memory held after each trial, on Linux."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--steps", type=int, default=5)
    asked = parser.parse_args()
    run = open_run(asked.run)
    proxy = estimator(run.settings, cached_of(run, default_cache()))
    space, rng = find_space(run.config.space), Random(0)
    architecture = space.architecture(space.sample(rng))
    trial = Trial(0, architecture, Origin("uniform"), 0)
    for number in range(asked.trials):
        drawn = replace(trial, architecture=space.architecture(space.sample(rng)))
        proxy(Job(drawn, Rung(0, asked.steps)))
        print(f"trial {number}: {_private():.0f} MiB", flush=True)


def _private() -> float:
    """MiB of this process alone: the features, mapped from disk, are not counted."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024


if __name__ == "__main__":
    main()
