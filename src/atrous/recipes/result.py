"""What came of a recipe: measured beside published, as JSON and as Markdown.

result.json, result.md     in the recipe's folder
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.recipes.changes import Difference

RESULT, PAGE = "result.json", "result.md"
FORMAT = 1


@dataclass(frozen=True)
class Measured:
    """An mIoU in [0, 1] over so many images; `weights` is the SHA-256 of the model's weights."""

    scoring: str
    miou: float
    images: int
    weights: str


@dataclass(frozen=True)
class Result:
    """`conditions` is all that a number depends on but the architecture: results are comparable
    where it is equal."""

    recipe: str
    conditions: dict[str, Any]
    differences: tuple[Difference, ...]
    measured: tuple[Measured, ...] = ()

    def find(self, scoring: str) -> Measured | None:
        """What was measured under a scoring's name."""
        return next((one for one in self.measured if one.scoring == scoring), None)

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        return {"format": FORMAT, **asdict(self)}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Result:
        """The record from `to_json`; raises KeyError, TypeError, ValueError."""
        if fields["format"] != FORMAT:
            raise ValueError(f"its format is {fields['format']!r}, not {FORMAT}")
        return cls(
            str(fields["recipe"]),
            dict(fields["conditions"]),
            tuple(Difference(**one) for one in fields["differences"]),
            tuple(Measured(**one) for one in fields["measured"]),
        )


def read_result(folder: Path) -> Result | None:
    """The result in a recipe's folder, None if there is none; raises `AtrousError` for damage."""
    path = folder / RESULT
    try:
        return Result.from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AtrousError(
            f"Expected what a recipe measured in {path}, but: {error!r}. Delete the file to "
            "measure again."
        ) from error


def write_result(folder: Path, result: Result, page: str) -> None:
    """Writes both files; raises `AtrousError` if they cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / RESULT, json.dumps(result.to_json(), indent=2) + "\n")
        write_whole(folder / PAGE, page)
    except OSError as error:
        raise AtrousError(
            f"Expected to write to {folder}, but {error}. Make room, or name another folder with "
            "--out."
        ) from error
