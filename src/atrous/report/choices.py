"""The choices of good architectures against those of bad ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from atrous.search.ledger import Scored
from atrous.spaces import view_of
from atrous.spaces.view import Observed

LEAST = 3


@dataclass(frozen=True)
class Share:
    """`hits` of `total` branches, layers or whole architectures."""

    hits: int
    total: int

    @property
    def percent(self) -> float | None:
        """The share, or `None` if there is nothing to share."""
        return 100 * self.hits / self.total if self.total else None


@dataclass(frozen=True)
class Preference:
    """How often good and bad architectures made a choice, among all their choices of one group."""

    group: str
    name: str
    good: Share
    bad: Share


@dataclass(frozen=True)
class Usage:
    """`count` good architectures against as many bad ones; `derived` good ones were proposed near
    another, so that they share choices with it. `shared` says whose shares these are."""

    count: int
    derived: int
    shared: str
    choices: tuple[Preference, ...]


def usage(measured: Sequence[Scored]) -> Usage | None:
    """The best quarter of the proposed architectures, at least 3, against the worst quarter.

    `None` if there are too few for two groups.
    """
    proposed = [outcome for outcome in measured if not outcome.trial.is_baseline]
    ordered = sorted(proposed, key=lambda outcome: (-outcome.score, outcome.trial.number))
    count = max(LEAST, len(ordered) // 4)
    if len(ordered) < 2 * count:
        return None
    good, bad = ordered[:count], ordered[-count:]
    derived = sum(not outcome.trial.is_uniform for outcome in good)
    view = view_of(good[0].trial.architecture)
    choices = _choices(view.order, _observe(good), _observe(bad))
    return Usage(count, derived, view.shared, choices)


def _observe(outcomes: Sequence[Scored]) -> Counter[Observed]:
    architectures = (outcome.trial.architecture for outcome in outcomes)
    return Counter(choice for each in architectures for choice in view_of(each).observed(each))


def _choices(
    order: Mapping[str, tuple[str, ...]], good: Counter[Observed], bad: Counter[Observed]
) -> tuple[Preference, ...]:
    found = dict.fromkeys([*good, *bad])
    groups = dict.fromkeys([*order, *(group for group, _ in found)])
    return tuple(
        Preference(group, name, _share(good, group, name), _share(bad, group, name))
        for group in groups
        if _total(good, group) + _total(bad, group)
        for name in _names(group, order.get(group, ()), found)
    )


def _names(group: str, known: tuple[str, ...], found: Iterable[Observed]) -> list[str]:
    """Those known of the group, then what else was found in it, by the number it begins with."""
    others = [name for other, name in found if other == group and name not in known]
    return [*known, *sorted(others, key=lambda name: (_leading(name), name))]


def _leading(words: str) -> int:
    first = words.partition(" ")[0]
    return int(first) if first.isdecimal() else 0


def _share(counter: Counter[Observed], group: str, name: str) -> Share:
    return Share(counter[(group, name)], _total(counter, group))


def _total(counter: Counter[Observed], group: str) -> int:
    return sum(number for (other, _), number in counter.items() if other == group)
