"""Sheets of pictures, laid out like figures 7 to 9 of Chen et al. 2018: a row for each image with
the image, the truth, the prediction and where the two differ; below, the colours of the classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from atrous.core.files import whole, writing
from atrous.data.encoding import Colour
from atrous.data.pixels import Pixels

PANEL = 480
"""The longest side of a panel, in pixels."""

GAP, TEXT, SWATCH = 10, 18, 22
WHITE, INK = (255, 255, 255), (30, 30, 30)
IGNORED: Colour = (190, 190, 190)
SAME: Colour = (245, 245, 245)
DIFFERENT: Colour = (214, 39, 40)
COLUMNS = ("image", "truth", "prediction", "difference")


@dataclass(frozen=True)
class EvaluatedImage:
    """An image, uint8 H x W x 3, with its labels and predictions, class ids H x W; `caption` says
    in a line which image it is and how it fared. Labels that are no class are ignored pixels."""

    caption: str
    image: Pixels
    label: Pixels
    prediction: Pixels


@dataclass(frozen=True)
class Key:
    """The names of the classes and the colours they are drawn in."""

    classes: Sequence[str]
    colours: Sequence[Colour]

    def paint(self, labels: Pixels) -> Pixels:
        """Class ids H x W as RGB; what is no class is grey."""
        table = np.full((256, 3), IGNORED, dtype=np.uint8)
        table[: len(self.colours)] = self.colours
        return table[labels]


def ranked_evenly(scores: Sequence[float | None], most: int) -> list[int]:
    """Chooses images from the worst to the best, at even steps of rank.

    So the sheet shows the whole range and cannot flatter; images without a score are left out.
    """
    scored = [(score, place) for place, score in enumerate(scores) if score is not None]
    ranked = [place for _, place in sorted(scored)]
    count = min(most, len(ranked))
    return [ranked[round(rank)] for rank in np.linspace(0, len(ranked) - 1, count)]


def write_sheet(path: Path, pictures: Iterable[EvaluatedImage], key: Key) -> None:
    """Writes a sheet as PNG; raises AtrousError if it cannot be written."""
    with writing(f"pictures to {path}"), whole(path) as partial:
        sheet(pictures, key).save(partial, format="PNG")


def sheet(pictures: Iterable[EvaluatedImage], key: Key) -> Image.Image:
    """Draws the rows one below the other, and a legend of the classes that occur in them."""
    rows, present = [], np.zeros(256, dtype=bool)
    for picture in pictures:
        rows.append(_row(picture, key))
        present[picture.label] = present[picture.prediction] = True
    width = max((row.width for row in rows), default=PANEL)
    legend = _legend(key, present, width)
    return _stacked([*rows, legend], width)


def difference(label: Pixels, prediction: Pixels, classes: int) -> Pixels:
    """Draws in red where label and prediction differ, in grey where pixels are ignored."""
    painted = np.where((label == prediction)[..., None], SAME, DIFFERENT)
    return np.where((label >= classes)[..., None], IGNORED, painted).astype(np.uint8)


def _row(picture: EvaluatedImage, key: Key) -> Image.Image:
    """Four panels with their titles, below a caption."""
    apart = difference(picture.label, picture.prediction, len(key.classes))
    panels = (
        _fitted(picture.image, Image.Resampling.LANCZOS),
        _fitted(key.paint(picture.label), Image.Resampling.NEAREST),
        _fitted(key.paint(picture.prediction), Image.Resampling.NEAREST),
        _fitted(apart, Image.Resampling.BOX),
    )
    width, height = panels[0].size
    top = 2 * (TEXT + GAP)
    row = Image.new("RGB", (4 * width + 5 * GAP, top + height), WHITE)
    draw = ImageDraw.Draw(row)
    draw.text((GAP, GAP // 2), picture.caption, INK, _font())
    for column, (title, panel) in enumerate(zip(COLUMNS, panels, strict=True)):
        left = GAP + column * (width + GAP)
        draw.text((left, TEXT + GAP), title, INK, _font())
        row.paste(panel, (left, top))
    return row


def _fitted(pixels: Pixels, resampling: Image.Resampling) -> Image.Image:
    """Scales the picture so that its longest side has `PANEL` pixels."""
    height, width = pixels.shape[:2]
    ratio = PANEL / max(height, width)
    size = max(1, round(width * ratio)), max(1, round(height * ratio))
    return Image.fromarray(pixels).resize(size, resampling)


def _legend(
    key: Key, present: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], width: int
) -> Image.Image:
    entries = [
        (name, colour)
        for k, (name, colour) in enumerate(zip(key.classes, key.colours, strict=True))
        if present[k]
    ]
    entries += [("ignored", IGNORED), ("same", SAME), ("different", DIFFERENT)]
    column = max(SWATCH + 2 * GAP + round(_font().getlength(name)) for name, _ in entries)
    across = max(1, (width - GAP) // column)
    lines = -(-len(entries) // across)
    legend = Image.new("RGB", (width, lines * (SWATCH + GAP)), WHITE)
    draw = ImageDraw.Draw(legend)
    for number, (name, colour) in enumerate(entries):
        line, place = divmod(number, across)
        left, top = GAP + place * column, line * (SWATCH + GAP)
        draw.rectangle((left, top, left + SWATCH, top + SWATCH), colour, INK)
        draw.text((left + SWATCH + GAP // 2, top + 1), name, INK, _font())
    return legend


def _stacked(parts: Sequence[Image.Image], width: int) -> Image.Image:
    height = sum(part.height + GAP for part in parts) + GAP
    whole = Image.new("RGB", (width, height), WHITE)
    top = GAP
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height + GAP
    return whole


@cache
def _font() -> ImageFont.FreeTypeFont:
    """Loads the typeface that matplotlib brings along."""
    return ImageFont.truetype(
        Path(matplotlib.get_data_path(), "fonts/ttf/DejaVuSans.ttf"), TEXT - 2
    )
