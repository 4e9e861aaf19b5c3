"""What a whole run was asked for, kept before anything else is done."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atrous.core.config import Request
from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.data.canvas import Size

WISH = "whole.json"
FORMAT = 1


@dataclass(frozen=True)
class Wish:
    """`request.seconds` is the budget for everything; networks are trained end to end with `batch`
    crops a step, of `crop` (height, width) pixels or of a size derived from the images. A budget
    that is too short is refused, or with `stretch` made just long enough."""

    request: Request
    batch: int
    crop: Size | None
    stretch: bool = False


def write_wish(wish: Wish, folder: Path) -> None:
    """Keeps the wish in the run's folder, in the place of an earlier one.

    Raises `AtrousError` if it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / WISH, json.dumps({"format": FORMAT, **asdict(wish)}, indent=2))
    except OSError as error:
        raise AtrousError(
            f"Expected to write a run to {folder}, but {error}. Name a folder that can be written "
            "with --out."
        ) from error


def read_wish(folder: Path) -> Wish:
    """The wish of a folder; raises `AtrousError` if there is none or it is damaged."""
    path = folder / WISH
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        crop = content["crop"]
        return Wish(
            Request.from_json(content["request"]),
            int(content["batch"]),
            _size(crop),
            bool(content["stretch"]),
        )
    except FileNotFoundError as error:
        raise AtrousError(
            f"Expected a whole run at {folder}: a folder with {WISH}, as atrous run makes it. "
            "There is no such file. A search goes on with: atrous search --resume"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AtrousError(
            f"Expected what a whole run was asked for in {path}, but: {error!r}. Restore the file "
            "from a copy, or begin anew with another --out."
        ) from error


def _size(sides: list[Any] | None) -> Size | None:
    if sides is None:
        return None
    height, width = sides
    return int(height), int(width)
