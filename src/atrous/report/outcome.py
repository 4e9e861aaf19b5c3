"""The trained networks of a whole run side by side (Chen et al. 2018, table 1), with pictures small
enough to stand inside a page."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from atrous.core.drawing import BLUE, GREEN, INK, MUTED, ORANGE, draw, dress_lines
from atrous.core.errors import AtrousError
from atrous.core.words import decimal, score_name
from atrous.report import measures
from atrous.report.figures import HEIGHT, shortened
from atrous.report.measures import ClassTable, Measure, TitledNetwork, named, unlike_words
from atrous.report.trained import Sheet, Trained
from atrous.search.ledger import Entry

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from atrous.core.drawing import Label

WIDEST, QUALITY = 1280, 78
"""Pixels across, and of JPEG: about 60 kB for a row of four panels."""
TALLEST = 6000
CAPTION = 56
"""Pixels above a row's panels in which its caption and titles stand."""
WHITE = 255


@dataclass(frozen=True)
class Embedded:
    """A picture as a data URI, with its size in pixels."""

    uri: str
    width: int
    height: int


def read_sheet(path: Path) -> Image.Image:
    """A sheet of pictures in RGB; raises `AtrousError` if it cannot be read."""
    try:
        with Image.open(path) as image:
            return image.convert("RGB")
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise AtrousError(
            f"Expected pictures in {path}, but {error}. Delete it, or evaluate the model again."
        ) from error


def embedded(image: Image.Image) -> Embedded:
    """The picture scaled down to what a page shows."""
    ratio = min(1.0, WIDEST / image.width, TALLEST / image.height)
    size = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    content = BytesIO()
    scaled = image.resize(size, Image.Resampling.LANCZOS)
    scaled.save(content, format="JPEG", quality=QUALITY, optimize=True, subsampling=0)
    uri = f"data:image/jpeg;base64,{b64encode(content.getvalue()).decode('ascii')}"
    return Embedded(uri, *size)


def middle_row(sheet: Image.Image) -> Image.Image:
    """The row in the middle of a sheet; the whole sheet if no row is found in it.

    Sheets run from the worst image to the best, so that this one is neither.
    """
    bands = _bands(sheet)
    if not bands:
        return sheet
    top, bottom = bands[len(bands) // 2]
    return sheet.crop((0, max(0, top - CAPTION), sheet.width, min(sheet.height, bottom + 4)))


def _bands(sheet: Image.Image) -> list[tuple[int, int]]:
    """First and last line of each row's panels: where the last panel's right edge is not white.

    Captions and the legend begin at the left and do not reach so far.
    """
    grey = sheet.convert("L")
    box = grey.point(lambda value: WHITE - value).getbbox()
    if box is None:
        return []
    edge = grey.crop((box[2] - 2, 0, box[2] - 1, sheet.height)).tobytes()
    bands, top = [], 0
    for is_white, lines in groupby(edge, lambda value: value == WHITE):
        bottom = top + len(list(lines))
        if not is_white and bottom - top > CAPTION:
            bands.append((top, bottom))
        top = bottom
    return bands


MOST_SHEETS = 4
"""So many sheets of pictures are embedded, so that a page stays a few megabytes."""


@dataclass(frozen=True)
class Gallery:
    """A network's sheet of pictures; `title` says on what."""

    network: str
    title: str
    sheet: Embedded


@dataclass(frozen=True)
class Outcome:
    """Everything about the trained networks, those that the search found first.

    `telling` is the title of the evaluation to look at first; `glimpse` one row of the pictures of
    the best.
    """

    networks: tuple[TitledNetwork, ...]
    scores: tuple[Measure, ...]
    latencies: tuple[Measure, ...]
    telling: str | None
    classes: tuple[ClassTable, ...]
    curves: str | None
    galleries: tuple[Gallery, ...]
    glimpse: Embedded | None

    @property
    def front(self) -> int:
        """The stride up to which all backbones stayed as they were; 0 where one learnt all."""
        return min(int(network.trained.record.get("frozen") or 0) for network in self.networks)

    @property
    def best(self) -> TitledNetwork | None:
        """The network that the search found, or the only one that was trained."""
        return measures.chief(self.networks)

    @property
    def notes(self) -> list[str]:
        """Sentences that a reader needs to compare rows and columns of the table."""
        return [*measures.biased(self.networks), *unlike_words(self.networks)]

    @property
    def others(self) -> tuple[TitledNetwork, ...]:
        """The networks that the best is compared with."""
        return tuple(n for n in self.networks if not n.is_found and n is not self.best)


def trained_outcome(trained: Sequence[Trained], entries: Sequence[Entry]) -> Outcome | None:
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
        glimpse=_glimpse(measures.chief(networks), sheets, images),
    )


def _sheet(network: TitledNetwork, telling: str | None) -> Sheet | None:
    """The network's pictures of the evaluation to look at first, else any."""
    sheets = network.trained.sheets
    return next((sheet for sheet in sheets if sheet.title == telling), next(iter(sheets), None))


def _glimpse(
    best: TitledNetwork | None,
    sheets: Sequence[tuple[TitledNetwork, Sheet]],
    images: Sequence[Image.Image],
) -> Embedded | None:
    found = [image for (n, _), image in zip(sheets, images, strict=True) if n is best]
    return embedded(middle_row(found[0])) if found else None


BROAD = 500.0
COLOURS = (BLUE, ORANGE, GREEN, INK, MUTED)
DASHES = ("-", (0, (5, 2)), (0, (1, 1.5)))


def curves_figure(networks: Sequence[TitledNetwork]) -> str | None:
    """The main value on the selection images against training steps, a line each; `None` where
    nothing was scored."""
    scored = [network for network in networks if network.trained.scores]
    if not scored:
        return None

    def paint(axes: Axes) -> None:
        labels = [_paint_scores(axes, network, place) for place, network in enumerate(scored)]
        dress_lines(axes, "training steps", f"{name} on the selection images", labels)

    name = score_name(scored[0].trained.scores[0].name)
    title = f"{name} on the selection images against training steps"
    return draw("training-curves", title, (BROAD, HEIGHT), (62, 42, 146, 14), paint)


def _paint_scores(axes: Axes, network: TitledNetwork, place: int) -> Label:
    """Draws a line; gives its label, with the value of the weights that were kept."""
    scores = network.trained.scores
    colour = COLOURS[place % len(COLOURS)]
    axes.plot(
        [score.step for score in scores],
        [score.value for score in scores],
        color=colour,
        linewidth=2,
        linestyle=DASHES[place // len(COLOURS) % len(DASHES)],
        marker="." if len(scores) < 40 else "",
    )
    best = max(scores, key=lambda score: score.standing)
    axes.plot(best.step, best.value, "o", markerfacecolor="none", color=colour, markersize=10)
    return scores[-1].value, f"{shortened(network.title)} {decimal(best.value)}", colour
