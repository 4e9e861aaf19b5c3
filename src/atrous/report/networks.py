"""The trained networks of a run under the names that its other parts have for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from atrous.report.trained import Trained
from atrous.search.ledger import Entry

BEST = "best"
LIKE = frozenset(("name", "selection_miou", "parameters", "multiply_adds", "device"))
"""What the records of networks that were trained alike may differ in."""


@dataclass(frozen=True)
class Network:
    """A trained network; `title` is what it is called on the page, `is_found` whether the search
    proposed it."""

    title: str
    is_found: bool
    trained: Trained


def named(trained: Sequence[Trained], entries: Sequence[Entry]) -> list[Network]:
    """The networks, those that the search found first; named after the trials of `entries`."""
    found = {str(e.trial.architecture): e for e in reversed(entries)}
    titles = [_title(each, found) for each in trained]
    often = Counter(titles)
    networks = [
        Network(
            title=f"{title} ({each.name})" if often[title] > 1 else title,
            is_found=_is_found(each, found),
            trained=each,
        )
        for title, each in zip(titles, trained, strict=True)
    ]
    return sorted(networks, key=_place)


def differences(one: Network, other: Network) -> list[str]:
    """In what the training of two networks differed."""
    first, second = one.trained.record, other.trained.record
    names = sorted((first.keys() | second.keys()) - LIKE)
    return [name.replace("_", " ") for name in names if first.get(name) != second.get(name)]


def unlike_words(networks: Sequence[Network]) -> list[str]:
    """A sentence for each network that was not trained as the first one was."""
    first, *others = networks
    compared = [(other, differences(first, other)) for other in others if other.trained.record]
    return [
        f"{other.title} was not trained as {first.title} was: they differ in {', '.join(unlike)}."
        for other, unlike in compared
        if unlike and first.trained.record
    ]


def _title(trained: Trained, found: Mapping[str, Entry]) -> str:
    entry = found.get(trained.architecture)
    if entry is None:
        return trained.label
    return entry.trial.label


def _is_found(trained: Trained, found: Mapping[str, Entry]) -> bool:
    entry = found.get(trained.architecture)
    return entry is not None and not entry.trial.is_baseline


def _place(network: Network) -> tuple[bool, bool, str]:
    return not network.is_found, network.trained.name != BEST, network.trained.name
