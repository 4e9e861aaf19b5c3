"""One worker with all threads against one single-threaded worker a core, in every type and layout.

    python -m benchmarks.workers [--size 23x30] [--filters 64 256]

Each row is measured with all its workers stepping at the same time: milliseconds of wall clock a
step, divided by the workers.
"""

from __future__ import annotations

import argparse

from atrous.data.canvas import parse_size
from atrous.estimation.tune import Workload, measure_all, worker_counts
from atrous.networks.compute import cores
from atrous.spaces import yardstick


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crop", default="353x465")
    parser.add_argument("--filters", type=int, nargs="*", default=[64, 256])
    asked = parser.parse_args()
    print("filters  workers x threads  type      layout         ms a step")
    for filters in asked.filters:
        load = Workload(yardstick("dpc"), {16: 320}, parse_size(asked.crop), filters, 11, 8)
        for choice, seconds in measure_all(load, worker_counts(None, cores())):
            compute = choice.compute
            print(
                f"{filters:7}  {choice.workers:7} x {compute.threads:<7}  {compute.precision:8}  "
                f"{compute.layout:13}  {1e3 * seconds:8.0f}"
            )


if __name__ == "__main__":
    main()
