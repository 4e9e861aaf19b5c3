"""The history of a search by gradients, snapshot by snapshot: JSON lines, read by the report."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log
from pathlib import Path
from statistics import fmean

from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.core.records import RecordError, from_text, to_json

NAME = "relaxation.jsonl"
FOLDER = "supernet"
"""Where a run keeps its supernets, each in a folder named by its seed."""


@dataclass(frozen=True)
class Snapshot:
    """The state of a search after `step` steps, which are `share` of all, and `seconds`.

    `probabilities` are those of the choices of each group, [choices] each, without the chance of a
    gate; `loss` is that of the weights, `architecture_loss` that of the architecture, `None` while
    it is not trained; `eigenvalue` is the dominant one of the Hessian, `None` where it was not
    taken. `architecture` is what would be decoded.
    """

    step: int
    share: float
    seconds: float
    probabilities: dict[str, tuple[tuple[float, ...], ...]]
    loss: float
    architecture_loss: float | None
    temperature: float
    architecture: str
    eigenvalue: float | None


def read_history(path: Path) -> list[Snapshot]:
    """Reads the snapshots in their order; raises `AtrousError` for a file that holds others."""
    try:
        texts = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AtrousError(
            f"Expected to read the history of a search, {path}, but {error}. Make it readable."
        ) from error
    return [_snapshot(text, f"line {number} of {path}") for number, text in enumerate(texts, 1)]


def histories(run: Path) -> dict[int, Path]:
    """Finds the history of each supernet in a run's folder so far, by seed."""
    found = {int(path.parent.name): path for path in (run / FOLDER).glob(f"*/{NAME}")}
    return dict(sorted(found.items()))


def write_history(path: Path, snapshots: Sequence[Snapshot]) -> None:
    """Writes all snapshots, whole or not at all; raises `AtrousError`."""
    lines = (json.dumps(to_json(snapshot)) + "\n" for snapshot in snapshots)
    try:
        write_whole(path, "".join(lines))
    except OSError as error:
        raise AtrousError(
            f"Expected to write {path}, but {error}. Make room on the disk, or allow writing."
        ) from error


@dataclass(frozen=True)
class Entropy:
    """The mean over several choices: `nats`, and as `share` of what each could have at most."""

    nats: float
    share: float


def entropy(choices: Iterable[Sequence[float]]) -> Entropy:
    """Returns how undecided choices are, from their probabilities; every choice counts alike."""
    found = [(_nats(row), log(len(row))) for row in choices]
    return Entropy(fmean(n for n, _ in found), fmean(n / most for n, most in found))


def _nats(row: Sequence[float]) -> float:
    return -sum(p * log(p) for p in row if p > 0)


def _snapshot(text: str, place: str) -> Snapshot:
    try:
        return from_text(Snapshot, text)
    except RecordError as error:
        raise AtrousError(
            f"Expected a snapshot of a search in {place}, but {error}. Delete the line."
        ) from error
