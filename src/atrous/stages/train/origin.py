"""What is trained and on what: from a run, or from an architecture's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.trial import Trial
from atrous.networks.weights import BUILTIN
from atrous.search.ranking import winner
from atrous.search.run import Run, open_run
from atrous.spaces import find_architecture, needs_backbone

FILTERS = 256
"""The width of a head, unless another is asked for."""
NETWORK_FILTERS = 20
"""The F of an architecture with an encoder of its own: that of Auto-DeepLab-S."""

OF_A_BACKBONE = ("backbone", "weights", "output_stride")


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
    """`name` is what the user called the architecture. One with an encoder of its own has the
    `backbone` "", the `weights` "none" and the `output_stride` 0."""

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
    usual = usual_origin(source, architecture, given.data, given.select_on or "val")
    return _as_told(usual, given)


def usual_origin(name: str, architecture: Architecture, data: str, select_on: str) -> Origin:
    """An architecture on a data set, with the usual backbone where it needs one."""
    if not needs_backbone(architecture):
        return Origin(name, architecture, data, select_on, "", "none", 0, NETWORK_FILTERS)
    return Origin(name, architecture, data, select_on, BUILTIN, "auto", 16, FILTERS)


def origin_in(run: Run, name: str, architecture: Architecture) -> Origin:
    """An architecture on what a run was made on."""
    config = run.config
    usual = usual_origin(name, architecture, config.data.path, config.data.select_on)
    own = replace(usual, filters=config.proxy.filters)
    if not needs_backbone(architecture):
        return own
    return replace(
        own,
        backbone=config.encoder.backbone,
        weights=config.encoder.weights,
        output_stride=config.encoder.output_stride,
    )


def _from_run(run: Run, trial: int | None, given: Given) -> Origin:
    chosen = _trial(run, trial)
    name = f"trial {chosen.number} of {run.path.resolve().name}"
    return _as_told(origin_in(run, name, chosen.architecture), given)


def _as_told(own: Origin, given: Given) -> Origin:
    """What the user says goes before the rest; raises `AtrousError` for what the architecture
    cannot have."""
    told = {f.name: v for f in fields(given) if (v := getattr(given, f.name)) is not None}
    if not needs_backbone(own.architecture):
        _refuse_backbone(own.name, told)
    if given.backbone and not given.weights:
        told["weights"] = "auto"
    return replace(own, **told)


def _refuse_backbone(name: str, told: Mapping[str, object]) -> None:
    options = {field: f"--{field.replace('_', '-')}" for field in OF_A_BACKBONE}
    refused = [option for field, option in options.items() if field in told]
    if refused:
        raise AtrousError(
            f"{name} is a whole network, whose own encoder starts from random weights: expected "
            f"none of {', '.join(options.values())}, got {', '.join(refused)}. What it has is "
            "--filters, its width."
        )


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
