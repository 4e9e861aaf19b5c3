"""The answer at the top of a whole run's page: what was found, how good it is, what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atrous.core.errors import AtrousError
from atrous.core.words import count, ordinal, points, quantity, size, told
from atrous.report.curves import RandomLine
from atrous.report.measures import TitledNetwork, chose, conditions, evaluation_of, unlike_fields
from atrous.report.outcome import Embedded, Outcome
from atrous.report.rerank import SecondRanking
from atrous.spaces import find_architecture, view_of
from atrous.spaces.view import Drawing

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Tile:
    """A number with its name, and a note on what it depends on."""

    name: str
    value: str
    note: str

    @property
    def is_measured(self) -> bool:
        """Whether there is a number."""
        return self.value != NOT_MEASURED


@dataclass(frozen=True)
class Glance:
    """The top of the page; `drawing` shows the architecture that was found."""

    tiles: tuple[Tile, ...]
    drawing: Drawing | None
    glimpse: Embedded | None


@dataclass(frozen=True)
class Searched:
    """The search as the top tells of it: how its best compares with random search, what `score` is
    called, whether the search was random itself in the main, and the plain architecture of its
    family."""

    random: RandomLine | None
    score: str
    is_random: bool
    yardstick: str | None = None


def glance_of(
    outcome: Outcome | None, second: SecondRanking | None, searched: Searched
) -> Glance | None:
    """The top of the page; `None` while neither a network that the search found was trained nor
    one alone."""
    if outcome is None or outcome.best is None:
        return None
    best = outcome.best
    tiles = [
        _found(best, second),
        _quality(outcome, best),
        *_margins(outcome, best, searched.yardstick),
        *(_against_random(searched) if best.is_found else []),
        _parameters(best),
        _multiply_adds(best),
        _latency(best),
    ]
    return Glance(tuple(tiles), _drawing(best), outcome.glimpse)


def _found(best: TitledNetwork, second: SecondRanking | None) -> Tile:
    cell = next((c for c in second.cells if c.name == best.title), None) if second else None
    title = best.title if not best.is_found else best.title.capitalize()
    if not best.is_found:
        return Tile("Trained", title, "a well-known network, by itself")
    if cell is None or cell.rank is None:
        return Tile("Found", title, "by its proxy score; not ranked again")
    again = f"{ordinal(cell.rank)} after fine-tuning"
    proxy = f", {ordinal(cell.proxy.rank)} by the proxy" if cell.proxy and cell.proxy.rank else ""
    return Tile("Found", title, again + proxy)


def _quality(outcome: Outcome, best: TitledNetwork) -> Tile:
    found = evaluation_of(best, outcome.telling)
    if found is None:
        return Tile("mIoU", NOT_MEASURED, "the trained network has no evaluation")
    role = "that it was chosen by" if chose(best, found) else "that it has not seen"
    images = quantity(found.images, "image")
    return Tile(f"mIoU on {found.split}", f"{told(found.miou, 'miou')} %", f"on {images} {role}")


def _margins(outcome: Outcome, best: TitledNetwork, yardstick: str | None) -> Iterator[Tile]:
    """The best less every other network, on the same images."""
    titles = {network.title for network in outcome.networks}
    if yardstick and yardstick not in titles:
        yield Tile(f"Against {yardstick}", NOT_MEASURED, f"{yardstick} was not trained")
    mine = evaluation_of(best, outcome.telling)
    for other in outcome.others:
        its = evaluation_of(other, outcome.telling)
        if mine is None or its is None:
            yield Tile(f"Against {other.title}", NOT_MEASURED, "not evaluated on the same images")
            continue
        unlike = unlike_fields(best, other)
        how = f"trained with other {', '.join(unlike)}" if unlike else "trained alike"
        apart = points(mine.miou - its.miou, "miou")
        note = f"points of mIoU; it has {told(its.miou, 'miou')} %, {how}"
        yield Tile(f"Against {other.title}", apart, note)


def _against_random(searched: Searched) -> Iterator[Tile]:
    """The best proxy score less what random search would have; nothing where too few random trials
    tell that, or where the search was random itself, which would be compared with itself."""
    line = searched.random
    if line is None or (line.is_own and searched.is_random):
        return
    whose = "its own random trials" if line.is_own else f"those of {line.source}"
    trials = quantity(line.expected.trials, "trial")
    note = f"proxy {searched.score} after {trials}, over that expected of {whose}"
    apart = points(line.reached - line.expected.mean, searched.score)
    yield Tile("Against random search", apart, note)


def _parameters(best: TitledNetwork) -> Tile:
    found = best.trained.parameters
    if found is None:
        return Tile("Parameters", NOT_MEASURED, "the model says nothing of them")
    return Tile("Parameters", count(found), "of the whole network")


def _multiply_adds(best: TitledNetwork) -> Tile:
    found, crop = best.trained.multiply_adds, best.trained.crop
    if found is None:
        return Tile("Multiply-adds", NOT_MEASURED, "the model says nothing of them")
    note = f"for {size(crop)} pixels" if crop else "of the whole network"
    return Tile("Multiply-adds", count(found), note)


def _latency(best: TitledNetwork) -> Tile:
    """The fastest of the timings, with its conditions."""
    timings = best.trained.timings
    if not timings:
        return Tile("Latency", NOT_MEASURED, "the network was not timed")
    fastest = min(timings, key=lambda timing: timing.median_ms)
    busy = "; the machine was busy" if fastest.is_busy else ""
    return Tile("Latency", fastest.spread, f"median and quartiles, {conditions(fastest)}{busy}")


def _drawing(best: TitledNetwork) -> Drawing | None:
    """The architecture that was found, drawn; `None` if it cannot be found again, or drawn."""
    try:
        architecture = find_architecture(best.trained.architecture)
    except AtrousError:
        return None
    return view_of(architecture).draw(architecture)
