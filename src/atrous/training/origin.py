"""What is trained and on what: from a run, or from an architecture's name."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

from atrous.architecture import Architecture
from atrous.errors import AtrousError
from atrous.models.weights import BUILTIN
from atrous.named import find_architecture
from atrous.run import Run, open_run
from atrous.trial import Trial
from atrous.winner import winner

FILTERS = 256


@dataclass(frozen=True)
class Given:
    """What the user says of it; `None` leaves it to the run, or to the defaults."""

    data: str | None = None
    select_on: str | None = None
    backbone: str | None = None
    weights: str | None = None
    output_stride: int | None = None
    filters: int | None = None


@dataclass(frozen=True)
class Origin:
    """`name` is what the user called the architecture."""

    name: str
    architecture: Architecture
    data: str
    select_on: str
    backbone: str
    weights: str
    output_stride: int
    filters: int


def origin_of(source: str, trial: int | None, given: Given) -> Origin:
    """The best of the run in the folder `source`, or its `trial`; else what `source` names.

    Raises `AtrousError`.
    """
    if Path(source).is_dir():
        return _from_run(open_run(Path(source)), trial, given)
    if trial is not None:
        raise AtrousError(f"--trial names a trial of a run, but {source!r} is no folder of a run.")
    architecture = find_architecture(source)
    if given.data is None:
        raise AtrousError(f"Expected --data, the folder of a data set to train {source} on.")
    return Origin(
        name=source,
        architecture=architecture,
        data=given.data,
        select_on=given.select_on or "val",
        backbone=given.backbone or BUILTIN,
        weights=given.weights or "auto",
        output_stride=16 if given.output_stride is None else given.output_stride,
        filters=FILTERS if given.filters is None else given.filters,
    )


def _from_run(run: Run, trial: int | None, given: Given) -> Origin:
    chosen, request = _trial(run, trial), run.request
    own = Origin(
        name=f"trial {chosen.number} of {run.path.resolve().name}",
        architecture=chosen.architecture,
        data=request.data,
        select_on=request.select_on,
        backbone=request.backbone,
        weights=request.weights,
        output_stride=request.output_stride,
        filters=request.filters,
    )
    told = {f.name: v for f in fields(given) if (v := getattr(given, f.name)) is not None}
    if given.backbone and not given.weights:
        told["weights"] = "auto"
    return Origin(**(vars(own) | told))


def _trial(run: Run, number: int | None) -> Trial:
    if number is None:
        return winner(run)
    trials = {entry.trial.number: entry.trial for entry in run.ledger().entries()}
    if number not in trials:
        raise AtrousError(
            f"Expected --trial to be one of the {len(trials)} that have ended in {run.path}, got "
            f"{number}."
        )
    return trials[number]
