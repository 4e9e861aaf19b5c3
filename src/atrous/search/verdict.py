"""Whether the best that a search found is better than the cheapest baseline, or only luckier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from atrous.core.architecture import Architecture, Cost
from atrous.core.statistics import chance_margin, replicates
from atrous.core.trial import Measured
from atrous.core.words import count, decimal, difference, score_name
from atrous.search.ledger import Entry, alike, scored
from atrous.search.run import HELD_BACK, Run, best_trial, ranked, read_means
from atrous.spaces import find_architecture, find_space
from atrous.tasks.task import on_split

FEWEST_SEEDS = 2
COST = "cost"
"""The preference for what is cheap."""


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
class Reread:
    """An architecture that was read again: its mean score over fresh seeds, with the half-width
    `margin` of its 95 % interval, and the probability that it is the best of those read."""

    contender: Contender
    mean: float
    margin: float
    chance: float


@dataclass(frozen=True)
class Rereading:
    """Architectures that were trained anew with the same fresh seeds, the best first.

    One is shown worse than the best if its mean is lower by more than `differs`, which chance
    exceeds for any of them in one case of 20; `noise` is that for the best found and a baseline,
    whichever is higher. `basis` says how they were read.
    """

    read: tuple[Reread, ...]
    differs: float
    noise: float
    basis: str
    score: str

    @property
    def best(self) -> Reread:
        """The one with the highest mean."""
        return self.read[0]

    @property
    def cheapest(self) -> Reread:
        """The cheapest that is not shown worse than the best."""
        able = [each for each in self.read if self.best.mean - each.mean <= self.differs]
        return min(able, key=lambda each: each.contender.price)

    def preferred(self, prefer: str) -> Contender:
        """The best, or with `cost` the cheapest that is not shown worse."""
        return (self.cheapest if prefer == COST else self.best).contender

    @property
    def words(self) -> str:
        """The best with its interval and its probability, and the cheapest."""
        best, cheap = self.best, self.cheapest.contender
        low, high = best.mean - best.margin, best.mean + best.margin
        cheaper = (
            "and the cheapest that is not shown worse"
            if cheap == best.contender
            else f"and {cheap.name} is the cheapest that is not shown worse"
        )
        return (
            f"Of {len(self.read)} that were read again ({self.basis}), {best.contender.name} is "
            f"the best with probability {best.chance:.2f}, at {decimal(best.mean)} "
            f"[{decimal(low)}, {decimal(high)}] {self.score}, {cheaper}."
        )


@dataclass(frozen=True)
class Verdict:
    """The best that a search found against the cheapest baseline.

    `value` is the short name of the task's main value. `trained` is by how much of it the found
    network has more when both were trained in full, once each, on the images to look at first;
    `None` where they were not. `only` is the network that was trained where one alone was.
    `rereading` is what fresh seeds tell of all that were read with them, and `prefer` whether its
    score or its cost is to decide.
    """

    found: Contender
    baseline: Contender
    evidence: Evidence
    value: str
    trained: float | None = None
    only: Contender | None = None
    rereading: Rereading | None = None
    prefer: str = "score"

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
        """The only one that was trained; else, where cost is preferred, the cheapest of those read
        again that is not shown worse; else the found one if it is shown to be better, else the
        cheaper of the two that is not shown to be worse."""
        if self.only:
            return self.only
        if self.rereading and self.prefer == COST:
            return self.rereading.cheapest.contender
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
            f"{f' {self.rereading.words}' if self.rereading else ''}"
        )

    def _only_words(self) -> str:
        return ", which alone was trained" if self.only else ""

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
    best = best_trial(entries, again, read_means(run, entries))
    measured = [each.trial for each in scored(entries)]
    baseline = cheapest(run, {t.label: t.architecture for t in measured if t.is_baseline})
    if best is None or baseline is None:
        return None
    found = Contender(best.label, best.architecture, cost_of(run, best.architecture))
    rereading = reread_of(run, entries, (found, baseline))
    evidence = (
        _by_replicates(rereading, found, baseline)
        or _by_spread(again, found, baseline, run.second_score, "ranked again")
        or _by_spread(entries, found, baseline, run.score, "proposed")
    )
    if evidence is None:
        return None
    return Verdict(
        found,
        baseline,
        evidence,
        score_name(run.task.value),
        rereading=rereading,
        prefer=run.config.reading.prefer,
    )


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


Table = Mapping[Architecture, Mapping[int, float]]
"""Scores by architecture and seed."""


def reread_of(
    run: Run, entries: Sequence[Entry], among: tuple[Contender, ...] = ()
) -> Rereading | None:
    """Returns how all that fresh seeds were given stand, those `among` included; `None`
    where too few were. On the split that has the most seeds; of equals, on one whose images chose
    nothing. `entries` are those of the search."""
    value, chose = run.task.value, run.config.data.select_on
    outcomes = [e.outcome for e in run.compared() if isinstance(e.outcome, Measured)]
    splits = dict.fromkeys(split for m in outcomes for split in m.trial.origin.note)
    tables = {s: _balanced(_table(outcomes, on_split(value, s)), among) for s in splits}

    def worth(split: str) -> tuple[int, bool, int]:
        table = tables[split]
        seeds = len(next(iter(table.values()), ()))
        return seeds, split not in ("train", chose), len(table)

    split = max(tables, key=worth, default=None)
    if split is None or worth(split)[0] < FEWEST_SEEDS or len(tables[split]) < 2:
        return None
    where = "selection images that chose nothing" if split == HELD_BACK else split
    basis = f"{worth(split)[0]} fresh seeds each, on {where}"
    return _rereading(run, entries, tables[split], basis)


def _rereading(run: Run, entries: Sequence[Entry], table: Table, basis: str) -> Rereading:
    found = replicates([[row[seed] for seed in sorted(row)] for row in table.values()])
    names = {each.trial.architecture: each.trial.label for each in reversed(scored(entries))}
    contenders = [Contender(names.get(a, str(a)), a, cost_of(run, a)) for a in table]
    read = [
        Reread(contender, mean, found.margin, chance)
        for contender, mean, chance in zip(contenders, found.means, found.chances, strict=True)
    ]
    read.sort(key=lambda each: -each.mean)
    proposed = {each.trial.architecture for each in scored(entries) if not each.trial.is_baseline}
    choices = sum(each.contender.architecture in proposed for each in read)
    allowed = found.differs(len(read) - 1, sides=1), found.differs(max(1, choices))
    return Rereading(tuple(read), *allowed, basis, score_name(run.task.value))


def _table(outcomes: Iterable[Measured], name: str) -> dict[Architecture, dict[int, float]]:
    table: dict[Architecture, dict[int, float]] = {}
    for each in outcomes:
        if (value := each.values.get(name)) is not None:
            table.setdefault(each.trial.architecture, {})[each.trial.seed] = value
    return table


def _balanced(table: Table, among: tuple[Contender, ...]) -> Table:
    """The seeds that the architectures `among` share, or that most have, and those who have all."""
    asked = [set(table.get(each.architecture, {})) for each in among]
    most = max((set(row) for row in table.values()), key=len, default=set())
    seeds = set.intersection(*asked) if asked else most
    if not seeds:
        return {}
    return {a: {s: row[s] for s in seeds} for a, row in table.items() if seeds <= row.keys()}


def _by_replicates(
    rereading: Rereading | None, found: Contender, baseline: Contender
) -> Evidence | None:
    """The margin over the fresh seeds that both were trained with."""
    means = {each.contender.architecture: each.mean for each in rereading.read} if rereading else {}
    if rereading is None or found.architecture == baseline.architecture:
        return None
    margin = means[found.architecture] - means[baseline.architecture]
    return Evidence(margin, rereading.noise, rereading.basis, rereading.score)


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
