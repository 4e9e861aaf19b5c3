"""What came of a whole run: its trained networks side by side (Chen et al. 2018, table 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from atrous.report import measures
from atrous.report.measures import ClassTable, Measure
from atrous.report.networks import Network, named, unlike_words
from atrous.report.pictures import Picture, embedded, middle_row, read_sheet
from atrous.report.trained import Sheet, Trained
from atrous.report.training_curves import curves_figure
from atrous.search.ledger import Entry

MOST_SHEETS = 4
"""So many sheets of pictures are embedded, so that a page stays a few megabytes."""


@dataclass(frozen=True)
class Gallery:
    """A network's sheet of pictures; `title` says on what."""

    network: str
    title: str
    sheet: Picture


@dataclass(frozen=True)
class Outcome:
    """Everything about the trained networks, those that the search found first.

    `telling` is the title of the evaluation to look at first; `glimpse` one row of the pictures of
    the best.
    """

    networks: tuple[Network, ...]
    scores: tuple[Measure, ...]
    latencies: tuple[Measure, ...]
    telling: str | None
    classes: tuple[ClassTable, ...]
    curves: str | None
    galleries: tuple[Gallery, ...]
    glimpse: Picture | None

    @property
    def best(self) -> Network | None:
        """The network that the search found."""
        return self.networks[0] if self.networks[0].is_found else None

    @property
    def notes(self) -> list[str]:
        """What a reader of the table must know to compare its rows and columns."""
        return [*measures.biased(self.networks), *unlike_words(self.networks)]

    @property
    def others(self) -> tuple[Network, ...]:
        """What the best is compared with."""
        return tuple(network for network in self.networks if not network.is_found)


def outcome_of(trained: Sequence[Trained], entries: Sequence[Entry]) -> Outcome | None:
    """Everything the page shows of trained networks; `None` if there are none.

    `entries` are those of the search. Raises `AtrousError` for pictures that cannot be read.
    """
    if not trained:
        return None
    networks = named(trained, entries)
    telling = measures.most_telling(networks)
    sheets = [(n, sheet) for n in networks if (sheet := _sheet(n, telling))][:MOST_SHEETS]
    images = [read_sheet(sheet.path) for _, sheet in sheets]
    return Outcome(
        networks=tuple(networks),
        scores=tuple(measures.scores(networks)),
        latencies=tuple(measures.latencies(networks)),
        telling=telling,
        classes=tuple(measures.class_tables(networks)),
        curves=curves_figure(networks),
        galleries=tuple(
            Gallery(network.title, sheet.title, embedded(image))
            for (network, sheet), image in zip(sheets, images, strict=True)
        ),
        glimpse=_glimpse(sheets, images),
    )


def _sheet(network: Network, telling: str | None) -> Sheet | None:
    """The network's pictures of the evaluation to look at first, else any."""
    sheets = network.trained.sheets
    return next((sheet for sheet in sheets if sheet.title == telling), next(iter(sheets), None))


def _glimpse(
    sheets: Sequence[tuple[Network, Sheet]], images: Sequence[Image.Image]
) -> Picture | None:
    found = [image for (n, _), image in zip(sheets, images, strict=True) if n.is_found]
    return embedded(middle_row(found[0])) if found else None
