"""The trained networks of a run, and what was measured on them: the columns of a table, each with
all that it depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isnan

from atrous.core.architecture import Architecture, Cost
from atrous.core.words import quantity, size
from atrous.model.evaluation.record import Evaluation, margin
from atrous.model.facts import Latency
from atrous.report.trained import Trained
from atrous.search.ledger import Entry
from atrous.search.run import Run
from atrous.search.verdict import Contender, Evidence, Verdict, verdict_of
from atrous.spaces import find_architecture
from atrous.tasks import find_task

BEST = "best"
LIKE = frozenset(("name", "parameters", "multiply_adds", "device"))
"""Fields in which the records of networks that were trained alike may differ, as in their value."""


@dataclass(frozen=True)
class TitledNetwork:
    """A trained network; `title` is what it is called on the page, `is_found` whether the search
    proposed it."""

    title: str
    is_found: bool
    trained: Trained


def named(trained: Sequence[Trained], entries: Sequence[Entry]) -> list[TitledNetwork]:
    """The networks, those that the search found first; named after the trials of `entries`."""
    trials = {str(e.trial.architecture): e.trial for e in reversed(entries)}
    found = [trials.get(each.architecture) for each in trained]
    titles = [
        trial.label if trial else each.label for each, trial in zip(trained, found, strict=True)
    ]
    networks = [
        TitledNetwork(
            title=f"{title} ({each.name})" if titles.count(title) > 1 else title,
            is_found=trial is not None and not trial.is_baseline,
            trained=each,
        )
        for title, trial, each in zip(titles, found, trained, strict=True)
    ]
    return sorted(networks, key=_place)


def chief(networks: Sequence[TitledNetwork]) -> TitledNetwork | None:
    """The network that the search found, or the only one that was trained, if there is one."""
    first = networks[0] if networks else None
    return first if first and (first.is_found or len(networks) == 1) else None


def unlike_fields(one: TitledNetwork, other: TitledNetwork) -> list[str]:
    """The fields in which the training of two networks differed."""
    first, second = one.trained.record, other.trained.record
    values = {find_task(n.trained.blueprint.task).selected_by for n in (one, other)}
    names = sorted((first.keys() | second.keys()) - LIKE - values)
    return [name.replace("_", " ") for name in names if first.get(name) != second.get(name)]


def unlike_words(networks: Sequence[TitledNetwork]) -> list[str]:
    """A sentence for each network that was not trained as the first one was."""
    first, *others = networks
    compared = [(other, unlike_fields(first, other)) for other in others if other.trained.record]
    return [
        f"{other.title} was not trained as {first.title} was: they differ in {', '.join(unlike)}."
        for other, unlike in compared
        if unlike and first.trained.record
    ]


def _place(network: TitledNetwork) -> tuple[bool, bool, str]:
    return not network.is_found, network.trained.name != BEST, network.trained.name


@dataclass(frozen=True)
class Measure:
    """A value in each column of a table, `None` where it was not measured, or where the class that
    it is named after did not appear.

    `conditions` are all that the values depend on beside the network; they differ for no two.
    """

    name: str
    values: tuple[float | None, ...]
    conditions: str = ""

    @property
    def best(self) -> float | None:
        """The largest value, if there are several and they are not all alike."""
        known = [value for value in self.values if value is not None]
        return max(known) if known and max(known) > min(known) else None


@dataclass(frozen=True)
class ClassTable:
    """The IoU of each class, and their mean, in each of the `networks` that was evaluated so.

    Networks for other classes are left out.
    """

    title: str
    networks: tuple[str, ...]
    lines: tuple[Measure, ...]
    mean: tuple[float, ...]


def titles(networks: Sequence[TitledNetwork]) -> list[str]:
    """The titles of all evaluations, in the order in which they first occur."""
    return list(dict.fromkeys(e.title for n in networks for e in n.trained.evaluations))


def evaluation_of(network: TitledNetwork, asked: str | None) -> Evaluation | None:
    """The network's evaluation of a title."""
    return next((e for e in network.trained.evaluations if e.title == asked), None)


def scores(networks: Sequence[TitledNetwork]) -> list[Measure]:
    """The mIoU of the networks in each evaluation."""
    return [_score(networks, asked) for asked in titles(networks)]


def latencies(networks: Sequence[TitledNetwork]) -> list[Measure]:
    """The median latency of the networks, in milliseconds, under each condition."""
    timings = [{conditions(timing): timing for timing in n.trained.timings} for n in networks]
    return [
        Measure(
            "latency, ms",
            tuple(each[asked].median_ms if asked in each else None for each in timings),
            asked,
        )
        for asked in dict.fromkeys(condition for each in timings for condition in each)
    ]


def conditions(timing: Latency) -> str:
    """All that a latency depends on, beside the network."""
    return (
        f"{timing.runtime} {timing.version}, {timing.precision}, batch {timing.batch}, "
        f"{size(timing.size)} pixels, {quantity(timing.threads, 'thread')}, {timing.device}: "
        f"{timing.device_name}"
    )


def most_telling(networks: Sequence[TitledNetwork]) -> str | None:
    """The evaluation to look at first.

    One on images that chose nothing, if there is; then one that more networks have; then one
    at the images' own scale.
    """
    asked = titles(networks)
    return max(asked, key=lambda each: _telling(networks, each), default=None)


def chose(network: TitledNetwork, evaluation: Evaluation) -> bool:
    """Whether the evaluation is on images that the network was trained or selected on."""
    return evaluation.split in {"train", network.trained.record.get("select_on")}


def biased(networks: Sequence[TitledNetwork]) -> list[str]:
    """A sentence for each split whose scores flatter, because it chose the weights."""
    evaluations = [(n, e) for n in networks for e in n.trained.evaluations]
    splits = dict.fromkeys(e.split for n, e in evaluations if chose(n, e))
    return [
        f"Scores on {split} flatter: its images chose the weights, and the cell where it was found "
        "by the search."
        if split != "train"
        else "Scores on train flatter: the networks were trained on its images."
        for split in splits
    ]


def network_of(
    networks: Sequence[TitledNetwork], architecture: Architecture
) -> TitledNetwork | None:
    """The trained network of an architecture, if there is one."""
    text = str(architecture)
    return next((each for each in networks if each.trained.architecture == text), None)


def judged(run: Run, entries: Sequence[Entry], networks: Sequence[TitledNetwork]) -> Verdict | None:
    """The verdict on a run, with what its trained networks tell on the images to look at first."""
    verdict = verdict_of(run, entries)
    if verdict is None or not networks:
        return verdict
    if len(networks) == 1:
        return replace(verdict, only=_contender(networks[0].trained))
    asked = most_telling(networks)
    pair = [network_of(networks, each.architecture) for each in (verdict.found, verdict.rival)]
    found = [each for n in pair if n and (each := evaluation_of(n, asked))]
    if len(found) < len(pair) or pair[0] is pair[1]:
        return verdict
    return replace(verdict, evidence=(_by_images(*found), *verdict.evidence))


def unjudged(networks: Sequence[TitledNetwork]) -> str:
    """The sentence that stands for a verdict where there is none."""
    if len(networks) == 1 and not networks[0].is_found:
        return (
            f"There was no time to search: {networks[0].title}, a well-known network, was trained "
            "alone, without a rival beside it."
        )
    return "There is no verdict yet: no proposed architecture has a score beside a fixed rival's."


def _by_images(found: Evaluation, rival: Evaluation) -> Evidence:
    """The margin of networks that were trained in full, over images."""
    basis = f"on {quantity(found.images, 'image')} of {found.split}, one training each"
    apart = margin(found, rival)
    if apart is None:
        return Evidence(found.miou - rival.miou, None, None, basis, "mIoU")
    low, high = (None if isnan(each) else each for each in (apart.low, apart.high))
    return Evidence(apart.mean, low, high, basis, "mIoU")


def _contender(trained: Trained) -> Contender:
    cost = Cost(trained.parameters or 0, trained.multiply_adds or 0)
    return Contender(trained.label, find_architecture(trained.architecture), cost)


def class_tables(networks: Sequence[TitledNetwork]) -> list[ClassTable]:
    """The IoU of each class in each evaluation, the most telling first."""
    first = most_telling(networks)
    asked = sorted(titles(networks), key=lambda each: each != first)
    return [_class_table(networks, each) for each in asked]


def _score(networks: Sequence[TitledNetwork], asked: str) -> Measure:
    found = [evaluation_of(network, asked) for network in networks]
    one = next(each for each in found if each)
    scores = tuple(each.miou if each else None for each in found)
    words = f"{one.data}, {quantity(one.images, 'image')}, {one.inference}"
    return Measure(f"mIoU on {one.split}", scores, words)


def _telling(networks: Sequence[TitledNetwork], asked: str) -> tuple[bool, int, bool]:
    found = [(n, e) for n in networks if (e := evaluation_of(n, asked))]
    _, one = found[0]
    plain = list(one.scales) == [1] and not one.flip
    return not any(chose(n, e) for n, e in found), len(found), plain


def _class_table(networks: Sequence[TitledNetwork], asked: str) -> ClassTable:
    measured = [(n, e) for n in networks if (e := evaluation_of(n, asked))]
    names = measured[0][0].trained.classes
    found = [(n, e) for n, e in measured if n.trained.classes == names]
    columns = zip(*(e.class_iou.values() for _, e in found), strict=True)
    return ClassTable(
        title=asked,
        networks=tuple(n.title for n, _ in found),
        lines=tuple(Measure(name, values) for name, values in zip(names, columns, strict=True)),
        mean=tuple(e.miou for _, e in found),
    )
