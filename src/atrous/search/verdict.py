"""Whether the best that a search found is better than the cheapest baseline, or only luckier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from atrous.core.architecture import Architecture, Cost
from atrous.core.statistics import chance_margin, mean_interval
from atrous.core.trial import Measured
from atrous.core.words import count, decimal, difference, score_name
from atrous.search.ledger import Entry, alike, scored
from atrous.search.run import Run, best_trial, ranked
from atrous.spaces import find_architecture, find_space
from atrous.tasks.task import on_split

FEWEST_SEEDS = 2


@dataclass(frozen=True)
class Contender:
    """An architecture, what it is called, and the cost of what is searched of it on the maps of the
    run."""

    name: str
    architecture: Architecture
    cost: Cost

    @property
    def price(self) -> tuple[int, int]:
        """Multiply-adds, then parameters: the smaller is the cheaper."""
        return self.cost.multiply_adds, self.cost.parameters


@dataclass(frozen=True)
class Evidence:
    """The score of the best found less that of the baseline, `margin`, and the `noise`: a margin
    that chance alone exceeds in one case of 20, `None` where nothing tells it. `basis` says what
    both are taken from, `score` what is compared."""

    margin: float
    noise: float | None
    basis: str
    score: str


@dataclass(frozen=True)
class Verdict:
    """The best that a search found against the cheapest baseline.

    `value` is the short name of the task's main value. `trained` is by how much of it the found
    network has more when both were trained in full, once each, on the images to look at first;
    `None` where they were not. `only` is the network that scored highest, baselines counted, where
    that alone was trained.
    """

    found: Contender
    baseline: Contender
    evidence: Evidence
    value: str
    trained: float | None = None
    only: Contender | None = None

    @property
    def is_better(self) -> bool:
        """Whether the found one is shown to be better, beyond the noise."""
        noise = self.evidence.noise
        lost = self.trained is not None and self.trained <= 0
        return noise is not None and self.evidence.margin > noise and not lost

    @property
    def is_worse(self) -> bool:
        """Whether the found one is shown to be worse, beyond the noise."""
        noise = self.evidence.noise
        return noise is not None and self.evidence.margin < -noise

    @property
    def recommended(self) -> Contender:
        """The only one that was trained; else the found one if it is shown to be better, else the
        cheaper of the two that is not shown to be worse."""
        if self.only:
            return self.only
        is_cheaper = self.found.price < self.baseline.price
        return self.found if self.is_better or (is_cheaper and not self.is_worse) else self.baseline

    @property
    def words(self) -> str:
        """The verdict in a few sentences, with the noise and what is recommended."""
        is_better, told = self.is_better, self.evidence
        shown = "is better than" if is_better else "is not shown to be better than"
        adds = (count(each.cost.multiply_adds) for each in (self.found, self.baseline))
        return (
            f"{self.found.name.capitalize()} {shown} {self.baseline.name}, the cheapest baseline: "
            f"{difference(told.margin)} {told.score}, {self._noise_words()} ({told.basis})"
            f"{self._trained_words()}. Recommended: {self.recommended.name}{self._only_words()}. "
            "They cost "
            f"{' and '.join(adds)} multiply-adds."
        )

    def _only_words(self) -> str:
        return ", which scored highest of all and alone was trained" if self.only else ""

    def _noise_words(self) -> str:
        noise = self.evidence.noise
        if noise is None:
            return "and nothing tells how much of that is chance"
        beyond = "beyond" if abs(self.evidence.margin) > noise else "within"
        return f"{beyond} the noise of {decimal(noise)}"

    def _trained_words(self) -> str:
        return (
            ""
            if self.trained is None
            else f"; trained in full {difference(self.trained)} {self.value}"
        )


def verdict_of(run: Run, entries: Sequence[Entry]) -> Verdict | None:
    """The verdict on the winner of a run, whose search has these entries; `None` where it, or every
    baseline, lacks a score.

    Replicates with fresh seeds tell best. Where there are none, the spread of the candidates stands
    for the noise: of those that were ranked again, else of those searched. As that spread holds the
    differences between architectures too, it rather leaves a better network unshown than crowns
    one that was lucky.
    """
    again = run.reranked()
    best, measured = best_trial(entries, again), [each.trial for each in scored(entries)]
    baseline = cheapest(run, {t.label: t.architecture for t in measured if t.is_baseline})
    if best is None or baseline is None:
        return None
    found = Contender(best.label, best.architecture, cost_of(run, best.architecture))
    evidence = (
        _by_replicates(run, found, baseline)
        or _by_spread(again, found, baseline, run.second_score, "ranked again")
        or _by_spread(entries, found, baseline, run.score, "proposed")
    )
    return Verdict(found, baseline, evidence, score_name(run.task.value)) if evidence else None


def cheapest(run: Run, named: Mapping[str, Architecture]) -> Contender | None:
    """The cheapest of some architectures, by multiply-adds and then parameters."""
    found = (Contender(name, each, cost_of(run, each)) for name, each in named.items())
    return min(found, key=lambda contender: contender.price, default=None)


def cheapest_baseline(run: Run) -> Contender | None:
    """The cheapest of the baselines that a run was asked for."""
    return cheapest(run, {name: find_architecture(name) for name in run.config.baselines})


def cost_of(run: Run, architecture: Architecture) -> Cost:
    """The cost of an architecture on the maps of a run: of a head, or of trunk and head."""
    space = find_space(architecture.space)
    return space.cost(architecture.genotype, run.context.maps, run.config.proxy.filters)


def _by_replicates(run: Run, found: Contender, baseline: Contender) -> Evidence | None:
    """The margin over seeds that both were trained with, on the split that has the most of them;
    of equals, one whose images chose nothing."""
    value, chose = run.task.value, run.config.data.select_on
    outcomes = [e.outcome for e in run.compared() if isinstance(e.outcome, Measured)]
    splits = dict.fromkeys(split for m in outcomes for split in m.trial.origin.note)
    margins = {s: _margins(outcomes, found, baseline, on_split(value, s)) for s in splits}
    best = max(splits, key=lambda s: (len(margins[s]), s not in ("train", chose)), default=None)
    if best is None or len(margins[best]) < FEWEST_SEEDS:
        return None
    interval = mean_interval(margins[best])
    basis = f"{interval.count} fresh seeds each, on {best}"
    return Evidence(interval.mean, interval.mean - interval.low, basis, score_name(value))


def _margins(
    outcomes: Iterable[Measured], found: Contender, baseline: Contender, name: str
) -> list[float]:
    """The differences in a value, one for each seed that both have."""
    scores: dict[Architecture, dict[int, float]] = {}
    for each in outcomes:
        if (value := each.values.get(name)) is not None:
            scores.setdefault(each.trial.architecture, {})[each.trial.seed] = value
    one, other = (scores.get(each.architecture, {}) for each in (found, baseline))
    return [one[seed] - other[seed] for seed in sorted(one.keys() & other.keys())]


def _by_spread(
    entries: Sequence[Entry], found: Contender, baseline: Contender, score: str, how: str
) -> Evidence | None:
    """The margin of one training each, and the noise that the spread of all candidates allows."""
    scores = {each.trial.architecture: each.score for each in alike(scored(entries))}
    one, other = (scores.get(each.architecture) for each in (found, baseline))
    if one is None or other is None:
        return None
    spread = [each.score for each in alike(ranked(entries))]
    basis = f"from the spread of the {len(spread)} {how}, one seed each"
    return Evidence(one - other, chance_margin(spread), basis, score_name(score))
