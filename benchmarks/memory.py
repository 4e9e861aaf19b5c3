"""Memory of a worker over many trials: it must not grow.

python benchmarks/memory.py RUN [--trials 20] [--steps 5]
"""

from __future__ import annotations

import argparse
import resource
from dataclasses import replace
from pathlib import Path
from random import Random

from atrous.cli import default_cache
from atrous.driver import estimator, material_of
from atrous.run import open_run
from atrous.spaces import find_space
from atrous.trial import Trial


def main() -> None:
    """Prints the memory held after each trial, in MiB."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--steps", type=int, default=5)
    asked = parser.parse_args()
    run = open_run(asked.run)
    proxy = estimator(run.settings, material_of(run, default_cache()))
    space, rng = find_space(run.settings.space), Random(0)
    architecture = space.architecture(space.sample(rng))
    trial = Trial(0, architecture, "uniform", asked.steps, 0)
    for number in range(asked.trials):
        proxy(replace(trial, architecture=space.architecture(space.sample(rng))))
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"trial {number}: {_resident():.0f} MiB held, {peak:.0f} MiB at most", flush=True)


def _resident() -> float:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
