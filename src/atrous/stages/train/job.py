"""A training run as a folder: what is trained, on what, and how.

training.json     the job, written once, when the run begins
checkpoint.safetensors, best.safetensors, log.jsonl
model/            the trained model, when the run has ended
"""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.core.lock import hold
from atrous.core.records import from_json, to_json
from atrous.data.dataset import Dataset, Samples, fingerprint, select
from atrous.data.layouts import read_dataset
from atrous.networks.compute import Compute
from atrous.spaces.blueprint import Blueprint
from atrous.training.config import Protocol

ABOUT, MODEL, LOCK = "training.json", "model", "training.lock"
FORMAT = 1


@dataclass(frozen=True)
class Job:
    """`name` is what the architecture was called, `licence` that of the data, as the user states
    it; `weights` those of the backbone. `fingerprint` is that of training and selection images."""

    name: str
    data: str
    select_on: str
    licence: str
    blueprint: Blueprint
    weights: str
    protocol: Protocol
    compute: Compute
    tensorboard: bool
    fingerprint: str

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        nested = {
            "blueprint": to_json(self.blueprint),
            "protocol": self.protocol.to_json(),
            "compute": vars(self.compute),
        }
        return {**vars(self), **nested}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Job:
        """The record from `to_json`; raises KeyError, TypeError, ValueError, AtrousError."""
        nested = {
            "blueprint": from_json(Blueprint, fields["blueprint"]),
            "protocol": Protocol.from_json(fields["protocol"]),
            "compute": Compute(**fields["compute"]),
        }
        return cls(**{**fields, **nested})

    def samples(self) -> tuple[Dataset, Samples, Samples]:
        """The data set, and the samples to train and to select on.

        Raises AtrousError if they are not those that the run began with.
        """
        dataset = read_dataset(Path(self.data))
        training, selection = select(dataset, self.select_on)
        found = fingerprint((*training, *selection))
        if found != self.fingerprint:
            raise AtrousError(
                f"The images or masks of {self.data} have changed since this training began "
                f"(fingerprint {self.fingerprint}, now {found}). Put them back, or begin anew with "
                "another --out."
            )
        return dataset, training, selection


def require_none(folder: Path) -> None:
    """Raises `AtrousError` if there is a training run in the folder."""
    if (folder / ABOUT).exists():
        raise AtrousError(
            f"There is a training run in {folder} already. Go on with it: atrous train --resume "
            f"{folder}; or name another folder with --out."
        )


def create(folder: Path, job: Job) -> None:
    """Writes the job; raises `AtrousError` if another is there or the folder cannot be written."""
    require_none(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / ABOUT, json.dumps({"format": FORMAT, **job.to_json()}, indent=2))
    except OSError as error:
        raise AtrousError(
            f"Expected to write a training run to {folder}, but {error}. Name a folder that can be "
            "written with --out."
        ) from error


def read(folder: Path) -> Job:
    """The job of a folder; raises `AtrousError` if there is none or it is damaged."""
    try:
        content = json.loads((folder / ABOUT).read_text())
        if content.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return Job.from_json(content)
    except FileNotFoundError as error:
        raise AtrousError(
            f"Expected a training run at {folder}: a folder with {ABOUT}, as atrous train makes "
            "it. There is no such file."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AtrousError(
            f"Expected a training run in {folder / ABOUT}, but: {error!r}. Restore the file from a "
            "copy, or begin anew with another --out."
        ) from error


def held(folder: Path) -> AbstractContextManager[None]:
    """Holds the folder for one process; raises `AtrousError` if another trains in it."""
    return hold(folder / LOCK, f"Another process is training in {folder}. Wait for it.")
