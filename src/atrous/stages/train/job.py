"""A training run as a folder: what is trained, on what, and how.

training.json     the job, written once, when the run begins
checkpoint.safetensors, best.safetensors, log.jsonl
model/            the trained model, when the run has ended
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from atrous.core import records
from atrous.core.errors import AtrousError
from atrous.core.files import hold
from atrous.data.dataset import Dataset, Samples, fingerprint, select
from atrous.data.layouts import read_dataset
from atrous.networks.compute import Compute
from atrous.spaces.blueprint import Blueprint
from atrous.training.config import Protocol

ABOUT, MODEL, LOCK = "training.json", "model", "training.lock"
FORMAT = 2


@dataclass(frozen=True)
class TrainingJob:
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


def create(folder: Path, job: TrainingJob) -> None:
    """Writes the job; raises `AtrousError` if another is there or the folder cannot be written."""
    require_none(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AtrousError(
            f"Expected to write a training run to {folder}, but {error}. Name a folder that can be "
            "written with --out."
        ) from error
    records.write(folder / ABOUT, job, FORMAT, "a training run")


def read(folder: Path) -> TrainingJob:
    """Returns the job of a folder; raises `AtrousError` if there is none or it is damaged."""
    absent = (
        f"Expected a training run at {folder}: a folder with {ABOUT}, as atrous train makes it. "
        "There is no such file."
    )
    mend = "Restore the file from a copy, or begin anew with another --out."
    return records.read(folder / ABOUT, TrainingJob, FORMAT, "a training run", absent, mend)


def held(folder: Path) -> AbstractContextManager[None]:
    """Holds the folder for one process; raises `AtrousError` if another trains in it."""
    return hold(folder / LOCK, f"Another process is training in {folder}. Wait for it.")
