"""A table of latencies, made up."""

from __future__ import annotations

from atrous.model.latency.conditions import make_conditions
from atrous.relax.latency_table import MOVES, PLACES, LatencyTable

TABLE = LatencyTable(
    filters=2,
    blocks=2,
    setting=make_conditions((65, 33), 2, "cpu", 1),
    version="2.13.0",
    repeats=3,
    operations=tuple(tuple(0.1 + p + 0.01 * o for o in range(7)) for p in range(len(PLACES))),
    inputs=tuple(0.001 * (m + 1) for m in range(len(MOVES))),
)
