"""What a whole run was asked for, kept before anything else is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atrous.core.config import SearchConfig
from atrous.core.errors import AtrousError
from atrous.core.records import read, write
from atrous.data.canvas import Size

WISH = "whole.json"
FORMAT = 2


@dataclass(frozen=True)
class Wish:
    """The budget of `config` is for everything; networks are trained end to end with `batch` crops
    a step, of `crop` (height, width) pixels or of a size derived from the images. A budget that is
    too short is refused, or with `stretch` made just long enough."""

    config: SearchConfig
    batch: int
    crop: Size | None
    stretch: bool = False


def write_wish(wish: Wish, folder: Path) -> None:
    """Keeps the wish in the run's folder, in the place of an earlier one.

    Raises `AtrousError` if it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AtrousError(
            f"Expected to write a run to {folder}, but {error}. Name a folder that can be written "
            "with --out."
        ) from error
    write(folder / WISH, wish, FORMAT, "what a whole run was asked for")


def read_wish(folder: Path) -> Wish:
    """The wish of a folder; raises `AtrousError` if there is none or it is damaged."""
    return read(
        folder / WISH,
        Wish,
        FORMAT,
        "what a whole run was asked for",
        f"Expected a whole run at {folder}: a folder with {WISH}, as atrous run makes it. "
        "There is no such file. A search goes on with: atrous search --resume",
        "Restore the file from a copy, or begin anew with another --out.",
    )
