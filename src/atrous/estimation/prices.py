"""Costs of architectures: counted on the maps of a search, or of a whole network for one image.

Weights do not matter to either memory or latency, so both are known before anything is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from atrous.core.architecture import COUNTED, Architecture, Genotype, key_of
from atrous.core.console import untracked
from atrous.core.errors import AtrousError
from atrous.core.records import Amount, read, write
from atrous.core.trial import Metrics
from atrous.estimation.estimators import blueprint_of
from atrous.model.latency.conditions import check_runtime, make_conditions, runtime_version
from atrous.model.latency.measure import compare_latency
from atrous.model.predict.memory import inference_memory
from atrous.networks.compute import LatencyConditions
from atrous.networks.network import Network
from atrous.search.objective import Goal
from atrous.search.run import Run
from atrous.search.verdict import cost_of
from atrous.spaces import find_space
from atrous.spaces.blueprint import Blueprint, build_network

FILE, FORMAT = "latency.json", 1
PASSES = 10
"""Timed passes of each network, after those that warm it up."""
ROUNDS, STEADY = 3, 0.1
"""A network is timed again, up to so many times in all, where its quartiles are further apart than
this part of the median: something else was computed meanwhile."""
QUARTILES = "latency_quartiles"
"""The row of a trial's details with the quartiles of its passes, in milliseconds."""


@dataclass(frozen=True)
class Timings:
    """The latencies of a run: quartiles and median in milliseconds by architecture, all taken
    under the same conditions in the same runtime."""

    runtime: str
    version: str
    conditions: LatencyConditions
    milliseconds: dict[str, tuple[Amount, Amount, Amount]]


class Prices:
    """The costs of architectures of a run, of each function once. Latencies are kept in the run's
    folder: what was measured stands, so that a search that goes on rejects what it rejected
    before."""

    def __init__(self, run: Run, goal: Goal) -> None:
        self._run, self._goal = run, goal
        self._memory: dict[str, int] = {}

    def __call__(self, architecture: Architecture) -> Metrics:
        """Returns the costs that the run keeps of every trial; raises `AtrousError`."""
        found: dict[str, float | tuple[float | None, ...]] = {}
        for name in self._goal.priced:
            found[key_of(name)] = self._price(name, architecture)
        if "latency" in self._goal.priced:
            found[QUARTILES] = self._latency(architecture)
        return found

    def affords(self, architecture: Architecture) -> bool:
        """Returns whether costs that no space counts are within the limits of the run."""
        return all(
            limit.holds(self._price(limit.name, architecture)) for limit in self._goal.measured
        )

    def _price(self, name: str, architecture: Architecture) -> float:
        if name in COUNTED:
            return float(getattr(cost_of(self._run, architecture), key_of(name)))
        return MEASURES[name](self, architecture)

    def memory(self, architecture: Architecture) -> float:
        """Returns the peak of the bytes that the whole network needs for an image."""
        form = self._form(architecture)
        if form not in self._memory:
            size = self._goal.sizes.get("memory", self._run.settings.crop)
            self._memory[form] = inference_memory(self._blueprint(architecture), size)
        return float(self._memory[form])

    def latency(self, architecture: Architecture) -> float:
        """Returns the median in milliseconds of the whole network for an image."""
        return self._latency(architecture)[1]

    def _latency(self, architecture: Architecture) -> tuple[float, float, float]:
        form, known = self._form(architecture), self._timings
        if form not in known.milliseconds:
            network = build_network(self._blueprint(architecture))
            known.milliseconds[form] = timed(network, known.conditions, known.runtime)
            write(self._run.path / FILE, known, FORMAT, "the latencies of a run")
        return known.milliseconds[form]

    @cached_property
    def _timings(self) -> Timings:
        """The latencies that were measured; raises `AtrousError` if they were taken otherwise than
        they would be now."""
        size = self._goal.sizes.get("latency", self._run.settings.crop)
        runtime = self._run.config.goal.runtime
        conditions = make_conditions(size, device=self._run.settings.device)
        check_runtime(runtime, conditions)
        now = Timings(runtime, runtime_version(runtime), conditions, {})
        path = self._run.path / FILE
        if not path.exists():
            return now
        mend = "Restore the file from a copy, or delete it to measure all again."
        before = read(path, Timings, FORMAT, "the latencies of a run", "", mend)
        if replace(before, milliseconds={}) != now:
            raise AtrousError(
                f"The latencies in {path} were measured under other conditions than here, so that "
                f"they do not compare: {_words(before)}; here {_words(now)}. Go on where the run "
                "began, or start a new run with --out."
            )
        return before

    def _form(self, architecture: Architecture) -> str:
        """The name of all architectures that are the same function on the maps of the run."""
        space = find_space(architecture.space)
        form = space.form_on(architecture.genotype, tuple(self._run.context.maps))
        return str(replace(architecture, genotype=form))

    def _blueprint(self, architecture: Architecture) -> Blueprint:
        run = self._run
        classes = run.context.classes
        colours = ((0, 0, 0),) * len(classes)
        return blueprint_of(run.config, architecture, classes, colours, run.context.offsets)


MEASURES: Mapping[str, Callable[[Prices, Architecture], float]] = {
    "memory": Prices.memory,
    "latency": Prices.latency,
}
"""Costs of whole networks for an image."""


def affordable(prices: Prices, space: str) -> Callable[[Genotype], bool]:
    """Returns whether the costs of a genotype of a space are within the limits of a run."""
    return lambda genotype: prices.affords(Architecture(space, genotype))


def timed(
    network: Network, conditions: LatencyConditions, runtime: str
) -> tuple[float, float, float]:
    """Times a network in up to a few rounds until one was hardly disturbed, and takes the
    steadiest: quartiles and median in milliseconds."""
    rounds: list[tuple[float, float, float]] = []
    while not rounds or (_spread(rounds[-1]) > STEADY and len(rounds) < ROUNDS):
        (found,) = compare_latency(network, conditions, (runtime,), PASSES, untracked)
        low, high = found.quartiles_ms
        rounds.append((low, found.median_ms, high))
    return min(rounds, key=_spread)


def _spread(quartiles: tuple[float, float, float]) -> float:
    low, middle, high = quartiles
    return (high - low) / middle


def _words(timings: Timings) -> str:
    how = timings.conditions
    return (
        f"{timings.runtime} {timings.version} on {how.device_name} with {how.threads} threads, for "
        f"images of {how.size[0]}x{how.size[1]}"
    )
