"""Pictures small enough to stand inside a page."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from io import BytesIO
from itertools import groupby
from pathlib import Path

from PIL import Image

from atrous.core.errors import AtrousError

WIDEST, QUALITY = 1280, 78
"""Pixels across, and of JPEG: about 60 kB for a row of four panels."""
TALLEST = 6000
CAPTION = 56
"""Pixels above a row's panels in which its caption and titles stand."""
WHITE = 255


@dataclass(frozen=True)
class Picture:
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


def embedded(image: Image.Image) -> Picture:
    """The picture scaled down to what a page shows."""
    ratio = min(1.0, WIDEST / image.width, TALLEST / image.height)
    size = max(1, round(image.width * ratio)), max(1, round(image.height * ratio))
    content = BytesIO()
    scaled = image.resize(size, Image.Resampling.LANCZOS)
    scaled.save(content, format="JPEG", quality=QUALITY, optimize=True, subsampling=0)
    uri = f"data:image/jpeg;base64,{b64encode(content.getvalue()).decode('ascii')}"
    return Picture(uri, *size)


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
