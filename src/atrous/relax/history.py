"""How a differentiable search went, moment by moment: JSON lines, read by the report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atrous.core.errors import AtrousError
from atrous.core.files import write_whole

NAME = "relaxation.jsonl"
FOLDER = "supernet"
"""Where a run keeps its supernets, each in a folder named by its seed."""


@dataclass(frozen=True)
class Moment:
    """The state of a search after `step` steps, which are `share` of all, and `seconds`.

    `alpha` [edges][8] are the probabilities of the operations, `beta` [arrows] the outgoing ones of
    the trellis, without the chance of a gate; `loss` is that of the weights, `architecture_loss`
    that of the architecture, `None` while it is not trained. `miou` and `eigenvalue` (the dominant
    one of the Hessian) are `None` where they were not taken. `architecture` is what would be
    decoded.
    """

    step: int
    share: float
    seconds: float
    alpha: tuple[tuple[float, ...], ...]
    beta: tuple[float, ...]
    loss: float
    architecture_loss: float | None
    miou: float | None
    temperature: float
    architecture: str
    eigenvalue: float | None

    def to_line(self) -> str:
        """The record as a line of JSON."""
        return json.dumps(asdict(self)) + "\n"


def read_history(path: Path) -> list[Moment]:
    """The moments in their order; raises `AtrousError` for a file that does not hold them."""
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AtrousError(
            f"Expected to read the history of a search, {path}, but {error}. Make it readable."
        ) from error
    return [_moment(text, f"line {number} of {path}") for number, text in enumerate(texts, 1)]


def histories(run: Path) -> dict[int, Path]:
    """The history of each supernet in a run's folder so far, by seed."""
    found = {int(path.parent.name): path for path in (run / FOLDER).glob(f"*/{NAME}")}
    return dict(sorted(found.items()))


def write_history(path: Path, moments: Sequence[Moment]) -> None:
    """Writes all moments, whole or not at all; raises `AtrousError`."""
    try:
        write_whole(path, "".join(moment.to_line() for moment in moments))
    except OSError as error:
        raise AtrousError(
            f"Expected to write {path}, but {error}. Make room on the disk, or allow writing."
        ) from error


def _moment(text: str, place: str) -> Moment:
    try:
        values: dict[str, Any] = json.loads(text)
        alpha = tuple(tuple(map(float, row)) for row in values.pop("alpha"))
        beta = tuple(map(float, values.pop("beta")))
        return Moment(alpha=alpha, beta=beta, **values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise AtrousError(
            f"Expected a moment of a search in {place}, but {error}. Delete the line."
        ) from error
