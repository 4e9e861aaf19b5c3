"""Strategies replayed on a table: how good is what they pick, after so many readings and seconds.

A replay draws a truth of all architectures of the table's space (`surrogate.py`), the same for all
strategies; each reading is a true score with an error out of those that the two seeds of the table
made. After each reading the architecture with the best one is picked; its regret is how far its
true score is below the best that climbing with the truth, or any strategy of the replay, found.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

from atrous.core.console import counting
from atrous.core.errors import AtrousError
from atrous.core.stage_config import ReplayConfig
from atrous.core.statistics import Interval, mean_interval
from atrous.core.trial import Job, Rung, Trial
from atrous.execution import find_executor
from atrous.execution.executor import Executor
from atrous.search.history import History
from atrous.stages.bench.surrogate import DrawnTruth, believed_of, climbed, drawn_truth
from atrous.stages.bench.table import read_table
from atrous.strategies import STRATEGIES, find_strategy
from atrous.strategies.strategy import ExhaustedError, Result

RANDOM = "random"
UNASKED = ("gp",)
"""Strategies that are replayed where they are named: one replay of them takes about a minute."""
FEWEST = 5
"""Of fewer replays there is no interval worth the name."""
MARKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
"""Numbers of readings after which regrets are told."""


@dataclass(frozen=True)
class Replay:
    """One strategy on one truth: the true score of what is picked after each reading, the best that
    it came across, the true optimum as climbing found it, and its own seconds."""

    picked: tuple[float, ...]
    seen: float
    climbed: float
    seconds: float


@dataclass(frozen=True)
class StrategyRegret:
    """A strategy over its replays: regrets by number of readings, with 95 % intervals; its own
    seconds a reading; after how many readings the mean of its picks is as good as that of random
    search after its long run, `None` if after more than there were; the share of replays in which
    it ends above random search of as many readings, equals counted half."""

    strategy: str
    replays: int
    regrets: dict[int, Interval]
    own_seconds: float
    needs: int | None
    beats_random: float


@dataclass(frozen=True)
class Standings:
    """All strategies, best first; `level` is the mean regret of random search after `long`
    readings, and `seconds` are those of a reading. `left_out` names who was too slow."""

    architectures: int
    reads: int
    long: int
    level: float
    seconds: float
    strategies: tuple[StrategyRegret, ...]
    left_out: dict[str, float]


def replay(folder: Path, name: str, reads: int, seed: int) -> Replay:
    """Plays a strategy on the truth of a seed; the same for the same arguments but for seconds."""
    believed = believed_of(folder)
    space, (truth, top) = believed.space, _truth(folder, seed)
    strategy, history, noise = find_strategy(name), History(space), Random(f"noise {seed}")
    errors, best, seen = believed.noises, float("-inf"), float("-inf")
    state, picked, spent = strategy.begin(), [float("-inf")], 0.0

    def proposed(number: int) -> Any:
        return strategy.propose(state, space, history, Random(f"{seed}/{number}"))

    for number in range(reads):
        start = time.process_time()
        try:
            proposal = proposed(number)
        except ExhaustedError:
            picked += picked[-1:] * (reads - number)
            break
        spent += time.process_time() - start
        score = truth(space.canonical(proposal.genotype))
        reading = score + noise.choice(errors)
        seen = max(seen, score)
        picked.append(score if reading > best else picked[-1])
        best = max(best, reading)
        trial = Trial(number, space.architecture(proposal.genotype), proposal.origin, seed)
        found = Result(trial, 0, reading)
        history.begin(Job(trial, Rung(0, 1)))
        history.learn(found)
        start = time.process_time()
        state = strategy.update(state, [found])
        spent += time.process_time() - start
    return Replay(tuple(picked[1:]), seen, top, spent)


@lru_cache(maxsize=1024)
def _truth(folder: Path, seed: int) -> tuple[DrawnTruth, float]:
    """The truth of a seed, and its optimum as climbing finds it, once for all strategies."""
    truth = drawn_truth(believed_of(folder), seed)
    return truth, climbed(truth)


def standings(folder: Path, how: ReplayConfig) -> Standings:
    """Replays strategies on the table in a folder; raises `AtrousError`."""
    table = read_table(folder)
    names = [name for name in how.strategies or STRATEGIES if how.strategies or name not in UNASKED]
    if unknown := [name for name in names if name not in STRATEGIES]:
        raise AtrousError(
            f"--strategies: expected some of {', '.join(STRATEGIES)}, got {', '.join(unknown)}."
        )
    reads = dict.fromkeys(dict.fromkeys((RANDOM, *names)), how.reads)
    reads[RANDOM] = max(how.reads, how.long)
    workers = how.workers or len(os.sched_getaffinity(0))
    with find_executor(f"local:{workers}" if workers > 1 else "inline", workers) as executor:
        found, left_out = _played(executor, folder, reads, how, workers)
    return _standings(found, left_out, how, len(table.rows), table.seconds)


def _played(
    executor: Executor, folder: Path, reads: Mapping[str, int], how: ReplayConfig, workers: int
) -> tuple[dict[str, list[Replay]], dict[str, float]]:
    """The replays of each strategy, as many as the time allows; and who was left out, with the
    seconds of a replay."""
    begun = time.monotonic()
    _timed(executor, folder, RANDOM, 1)  # the start of a process is no strategy's time
    first = {name: _timed(executor, folder, name, reads[name]) for name in reads}
    left = (how.seconds - (time.monotonic() - begun)) * workers
    counts = shares({name: seconds for name, (_, seconds) in first.items()}, left, how.replays - 1)
    counts[RANDOM] = max(counts[RANDOM], min(FEWEST, how.replays) - 1)  # all are compared with it
    left_out = {n: first[n][1] for n, c in counts.items() if c + 1 < min(FEWEST, how.replays)}
    waiting: dict[str, list[Future[Replay]]] = {}
    total = sum(c for n, c in counts.items() if n not in left_out)
    with counting("replaying strategies", total) as advance:
        for name, count in counts.items():
            if name not in left_out:
                seeds = range(1, count + 1)
                waiting[name] = [
                    executor.submit(replay, folder, name, reads[name], seed) for seed in seeds
                ]
        found = {name: [first[name][0]] for name in waiting}
        for name, futures in waiting.items():
            for future in futures:
                found[name].append(future.result())
                advance()
    return found, left_out


def _timed(executor: Executor, folder: Path, name: str, reads: int) -> tuple[Replay, float]:
    start = time.monotonic()
    found = executor.submit(replay, folder, name, reads, 0).result()
    return found, time.monotonic() - start


def shares(seconds: Mapping[str, float], total: float, most: int) -> dict[str, int]:
    """Returns how often each is done, given its `seconds`, so that all take `total`: `most` times
    where that is possible; who takes less than an equal share leaves the rest to slower ones."""
    counts = {}
    for place, name in enumerate(sorted(seconds, key=lambda each: seconds[each])):
        share = max(0.0, total) / (len(seconds) - place)
        counts[name] = min(most, int(share / max(seconds[name], 1e-9)))
        total -= counts[name] * seconds[name]
    return counts


def _standings(
    found: Mapping[str, Sequence[Replay]],
    left_out: dict[str, float],
    how: ReplayConfig,
    architectures: int,
    seconds: float,
) -> Standings:
    best = _best_known(found)
    chance = found[RANDOM]
    level = fmean(best[seed] - each.picked[-1] for seed, each in enumerate(chance))
    ranked = sorted(
        (_standing(name, replays, chance, best, how, level) for name, replays in found.items()),
        key=lambda each: each.regrets[how.reads].mean,
    )
    return Standings(
        architectures, how.reads, len(chance[0].picked), level, seconds, tuple(ranked), left_out
    )


def _best_known(found: Mapping[str, Sequence[Replay]]) -> list[float]:
    """The best true score of each replay, by seed."""
    count = max(map(len, found.values()))
    every = [[r[seed] for r in found.values() if seed < len(r)] for seed in range(count)]
    return [max(max(each.seen, each.climbed) for each in replays) for replays in every]


def _standing(
    name: str,
    replays: Sequence[Replay],
    chance: Sequence[Replay],
    best: Sequence[float],
    how: ReplayConfig,
    level: float,
) -> StrategyRegret:
    reads = len(replays[0].picked)
    regrets = [[top - each for each in r.picked] for r, top in zip(replays, best, strict=False)]
    means = [fmean(each[n] for each in regrets) for n in range(reads)]
    marks = sorted({*(mark for mark in MARKS if mark < reads), how.reads, reads})
    own = sum(each.seconds for each in replays) / (len(replays) * reads)
    ends = [
        (one.picked[how.reads - 1], other.picked[how.reads - 1])
        for one, other in zip(replays, chance, strict=False)
    ]
    return StrategyRegret(
        strategy=name,
        replays=len(replays),
        regrets={mark: mean_interval([each[mark - 1] for each in regrets]) for mark in marks},
        own_seconds=own,
        needs=next((n for n, mean in enumerate(means, 1) if mean <= level), None),
        beats_random=fmean((a > b) + (a == b) / 2 for a, b in ends),
    )


def lines(found: Standings, in_seconds: bool) -> Iterator[tuple[str, list[tuple[float, Interval]]]]:
    """Yields each strategy with its regrets by readings, or by hours of search on one worker."""
    for each in found.strategies:
        pace = (found.seconds + each.own_seconds) / 3600 if in_seconds else 1.0
        points = {n: r for n, r in each.regrets.items() if n <= found.reads}
        yield each.strategy, [(n * pace, regret) for n, regret in points.items()]
