"""Whether the best that a search found is better than a fixed rival, or only luckier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from atrous.core.architecture import Architecture, Cost
from atrous.core.statistics import chance_margin, replicates
from atrous.core.trial import Measured
from atrous.core.words import count, of_points, points, score_name, told
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
    """The score of the best found less that of its rival, `margin`, with its 95 % interval, from
    `low` to `high`: `None` where nothing tells how much of it is chance. `basis` says what both are
    taken from, `score` what is compared."""

    margin: float
    low: float | None
    high: float | None
    basis: str
    score: str

    @classmethod
    def within(cls, margin: float, noise: float | None, basis: str, score: str) -> Evidence:
        """Makes evidence of a margin and a `noise`, which chance exceeds in one case of 20."""
        low, high = (None, None) if noise is None else (margin - noise, margin + noise)
        return cls(margin, low, high, basis, score)

    @property
    def words(self) -> str:
        """The margin with its interval, and what it is taken from."""
        told = f"{points(self.margin, self.score)} {of_points(self.score)}"
        if self.low is None or self.high is None:
            return f"{told} {self.basis}, and nothing tells how much of that is chance"
        return (
            f"{told} [{points(self.low, self.score)}, {points(self.high, self.score)}] {self.basis}"
        )


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
            f"the best with probability {best.chance:.2f}, at {self.score} "
            f"{told(best.mean, self.score)} [{told(low, self.score)}, {told(high, self.score)}], "
            f"{cheaper}."
        )


@dataclass(frozen=True)
class Verdict:
    """The best that a search found against a fixed rival: a well-known architecture that it was
    given beside its own.

    The rival `is_dearer` where every one costs more. There is `evidence` of several kinds, each of
    which has a say. `only` is the network that was trained where one alone was. `rereading` is what
    fresh seeds tell of all that were read with them, and `prefer` whether its score or its cost is
    to decide.
    """

    found: Contender
    rival: Contender
    evidence: tuple[Evidence, ...]
    only: Contender | None = None
    rereading: Rereading | None = None
    prefer: str = "score"

    @property
    def is_dearer(self) -> bool:
        """Whether the rival costs more than the found one."""
        return self.rival.cost.multiply_adds > self.found.cost.multiply_adds

    @property
    def is_better(self) -> bool:
        """Whether the found one is shown to be better: all evidence says so, some beyond chance."""
        bounds = [each.low for each in self.evidence if each.low is not None]
        return bool(bounds) and min(*bounds, *(each.margin for each in self.evidence)) > 0

    @property
    def is_worse(self) -> bool:
        """Whether the found one is shown to be worse, in the same way."""
        bounds = [each.high for each in self.evidence if each.high is not None]
        return bool(bounds) and max(*bounds, *(each.margin for each in self.evidence)) < 0

    @property
    def recommended(self) -> Contender:
        """The only one that was trained; else, where cost is preferred, the cheapest of those read
        again that is not shown worse; else the found one if it is shown to be better, else the
        cheaper of the two that is not shown to be worse."""
        if self.only:
            return self.only
        if self.rereading and self.prefer == COST:
            return self.rereading.cheapest.contender
        is_cheaper = self.found.price < self.rival.price
        return self.found if self.is_better or (is_cheaper and not self.is_worse) else self.rival

    @property
    def sentence(self) -> str:
        """The verdict: better than, worse than, or no different from its rival, with intervals."""
        shown = (
            "is better than"
            if self.is_better
            else "is worse than"
            if self.is_worse
            else "is no different from"
        )
        which = "the cheapest fixed rival" if self.is_dearer else "the best fixed rival at its cost"
        evidence = "; ".join(each.words for each in self.evidence)
        name = f"{self.found.name[:1].upper()}{self.found.name[1:]}"
        return f"{name} {shown} {self.rival.name}, {which}: {evidence}."

    @property
    def words(self) -> str:
        """The verdict, what is recommended, and what the two cost."""
        alone = ", which alone was trained" if self.only else ""
        adds = (count(each.cost.multiply_adds) for each in (self.found, self.rival))
        return (
            f"{self.sentence} Recommended: {self.recommended.name}{alone}. They cost "
            f"{' and '.join(adds)} multiply-adds."
            f"{f' {self.rereading.words}' if self.rereading else ''}"
        )


def verdict_of(run: Run, entries: Sequence[Entry]) -> Verdict | None:
    """The verdict on the winner of a run, whose search has these entries; `None` where it, or every
    baseline, lacks a score.

    Replicates with fresh seeds tell best. Where there are none, the spread of the candidates stands
    for the noise: of those that were ranked again, else of those searched. As that spread holds the
    differences between architectures too, it rather leaves a better network unshown than crowns
    one that was lucky.
    """
    best = best_trial(entries, run.reranked(), read_means(run, entries))
    if best is None or (rival := rival_of(run, entries, best.architecture)) is None:
        return None
    found = Contender(best.label, best.architecture, cost_of(run, best.architecture))
    rereading = reread_of(run, entries, (found, rival))
    evidence = (
        _by_replicates(rereading, found, rival)
        or _by_spread(run.reranked(), found, rival, run.second_score, "ranked again")
        or _by_spread(entries, found, rival, run.score, "proposed")
    )
    if evidence is None:
        return None
    prefer = run.config.reading.prefer
    return Verdict(found, rival, (evidence,), rereading=rereading, prefer=prefer)


def rival_of(run: Run, entries: Sequence[Entry], found: Architecture) -> Contender | None:
    """The best of the baselines that cost no more than what was found, the cheapest where all cost
    more; `None` where none has a score. The second ranking tells the best, if all stand there."""
    limit = cost_of(run, found).multiply_adds
    for known in (run.reranked(), entries):
        scores = {each.trial.architecture: each.score for each in alike(scored(known))}
        beside = {
            e.trial.label: e.trial.architecture for e in scored(entries) if e.trial.is_baseline
        }
        if not beside or (known is not entries and not {*beside.values(), found} <= scores.keys()):
            continue
        rivals = [Contender(name, each, cost_of(run, each)) for name, each in beside.items()]
        able = [each for each in rivals if each.cost.multiply_adds <= limit]
        if not able:
            return min(rivals, key=lambda each: each.price)
        return max(able, key=lambda each: scores.get(each.architecture, float("-inf")))
    return None


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
    rereading: Rereading | None, found: Contender, rival: Contender
) -> Evidence | None:
    """The margin over the fresh seeds that both were trained with."""
    means = {each.contender.architecture: each.mean for each in rereading.read} if rereading else {}
    if rereading is None or found.architecture == rival.architecture:
        return None
    margin = means[found.architecture] - means[rival.architecture]
    return Evidence.within(margin, rereading.noise, f"with {rereading.basis}", rereading.score)


def _by_spread(
    entries: Sequence[Entry], found: Contender, rival: Contender, score: str, how: str
) -> Evidence | None:
    """The margin of one training each, and the noise that the spread of all candidates allows."""
    scores = {each.trial.architecture: each.score for each in alike(scored(entries))}
    one, other = (scores.get(each.architecture) for each in (found, rival))
    if one is None or other is None:
        return None
    spread = [each.score for each in alike(ranked(entries))]
    basis = f"by the spread of the {len(spread)} {how}, one seed each"
    return Evidence.within(one - other, chance_margin(spread), basis, score_name(score))
