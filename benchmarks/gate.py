"""How much a gate between two stages would have saved on a finished run, and at what price.

    python -m benchmarks.gate RUN                       # a search, and its re-ranking
    python -m benchmarks.gate RUN --steps 100 400       # what score_noise trained so long

A candidate is measured cheaply; the gate stops it, or lets it be measured at full price (Nekrasov
et al. 2019, section 3.4). Both measurements are known here, so that each gate can be replayed, over
many orders of the candidates. Prints the share that is stopped, the share of the seconds of both
stages that is saved, how often the best by the second measurement was stopped, and what the best of
those that passed scores less than it. A re-ranking holds the best of a search alone: its figures
are of those.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import fmean, median, pstdev

from atrous.core.errors import AtrousError
from atrous.search.ledger import Entry, Ledger, file_url
from atrous.search.run import open_run

Gate = Callable[[float], bool]
"""Hears of the first score of one candidate after another, and says which of them pass."""
DELTA, MEAN, FOLLOWS = 0.9, 0.01, 0.01
SCHEDULE = {100: 0.9, 200: 0.8, 300: 0.7, 400: 0.6}


@dataclass(frozen=True)
class TwoStages:
    """Scores and seconds of a candidate in both stages."""

    first: float
    second: float
    first_seconds: float
    second_seconds: float


@dataclass(frozen=True)
class Replay:
    """Means over orders: shares of candidates and seconds, how often the best was stopped, and what
    the best that passed scores less."""

    stopped: float
    saved: float
    lost: float
    behind: float


def published(rng: Random) -> Gate:
    """The gate as its authors released it.

    A score passes above a moving mean, and below it by chance. The mean begins at 0.01 and follows
    slowly, so that nearly all of the first 100 pass. The counter advances twice where one passes,
    and so jumps over some of the numbers at which the gate was to become stricter.
    """
    count, delta, mean = 0, DELTA, MEAN

    def passes(score: float) -> bool:
        nonlocal count, delta, mean
        delta *= SCHEDULE.get(count, 1.0)
        count += 1
        mean = (1 - FOLLOWS) * mean + FOLLOWS * score
        if score > mean:
            count += 1
            return True
        return score > mean * (1 - rng.uniform(0, delta))

    return passes


def mended(margin: float = 0.5, begins: int = 10) -> Gate:
    """A gate at the median of the scores so far, less `margin` of their standard deviations; the
    first candidates, as many as it `begins` with, pass."""
    seen: list[float] = []

    def passes(score: float) -> bool:
        early = len(seen) < begins
        kept = early or score >= median(seen) - margin * pstdev(seen)
        seen.append(score)
        return kept

    return passes


def replay(candidates: Sequence[TwoStages], gate: Callable[[Random], Gate], orders: int) -> Replay:
    """Replays a gate over so many orders of the candidates."""
    best = max(candidates, key=lambda each: each.second)
    spent = sum(each.first_seconds + each.second_seconds for each in candidates)
    found = []
    for number in range(orders):
        rng = Random(number)
        passes, order = gate(rng), rng.sample(candidates, len(candidates))
        stopped = [each for each in order if not passes(each.first)]
        kept = max((c.second for c in order if c not in stopped), default=0.0)
        saved = sum(each.second_seconds for each in stopped) / spent
        found.append((len(stopped) / len(order), saved, best in stopped, best.second - kept))
    return Replay(*map(fmean, zip(*found, strict=True)))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--steps", nargs=2, help="of two studies of score_noise")
    parser.add_argument("--protocol", default="", help="that of those studies")
    parser.add_argument("--margins", nargs="*", type=float, default=[0.0, 0.5, 1.0])
    parser.add_argument("--orders", type=int, default=1000)
    asked = parser.parse_args()
    candidates = stages_of(asked.run, asked.steps, asked.protocol)
    print(f"{len(candidates)} candidates; {asked.orders} orders")
    print(f"{'gate':22} {'stopped':>7}  {'saved':>6}  {'best stopped':>12}  {'behind':>7}")
    gates: dict[str, Callable[[Random], Gate]] = {"as published": published}
    for margin in asked.margins:
        gates[f"median - {margin:g} sd"] = lambda _, m=margin: mended(m)  # type: ignore[misc]
    for name, gate in gates.items():
        r = replay(candidates, gate, asked.orders)
        shares = f"{r.stopped:7.1%}  {r.saved:6.1%}  {r.lost:12.1%}"
        print(f"{name:22} {shares}  {r.behind:7.4f}")


def stages_of(path: Path, steps: Sequence[str] | None, protocol: str) -> list[TwoStages]:
    """The candidates of a run that were measured in both stages. Raises `AtrousError`."""
    run = open_run(path)
    if steps:
        url = file_url(path / "score-noise.db")
        names = ["-".join(["score-noise", *protocol.split(), each]) for each in steps]
        first, second = (Ledger(url, name).entries() for name in names)
    else:
        first, second = run.ledger().entries(), run.reranked()
    known = {_key(entry): entry for entry in first if entry.score is not None}
    pairs = [(known[_key(e)], e) for e in second if e.score is not None and _key(e) in known]
    if len(pairs) < 2:
        raise AtrousError(
            f"Expected candidates in {path} that were measured twice, got {len(pairs)}. Re-rank "
            "the run first (atrous rerank), or name two --steps of benchmarks.score_noise."
        )
    return [
        TwoStages(one.score or 0, two.score or 0, one.outcome.seconds, two.outcome.seconds)
        for one, two in pairs
    ]


def _key(entry: Entry) -> tuple[str, int]:
    return str(entry.trial.architecture), entry.trial.seed


if __name__ == "__main__":
    main()
