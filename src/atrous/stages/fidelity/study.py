"""A study of small cells: a folder with what was asked for, and a ledger for each setting.

fidelity.json       settings, fingerprints and how trials are computed, written once
cached.db           the cells, trained on the small backbone's cached features
end-to-end.db       trained with the small backbone
large.db            trained with the large backbone, or on its cached features

Chen et al. 2018, section 4.1, measure a space of 31 cells but do not list them. ASPP's five
branches have 31 non-empty subsets; which 31 the authors took is not known.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from uuid import uuid4

from atrous.core import records
from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.files import hold, make_folder
from atrous.core.options import leaves
from atrous.core.stage_config import FidelityConfig
from atrous.data.dataset import DataFingerprint
from atrous.estimation.tune import Choice
from atrous.search.ledger import Entry, Ledger, file_url
from atrous.spaces import FAMILIES


def all_cells() -> dict[str, Architecture]:
    """The ablations by name, the smaller first."""
    found = next(family.ablations for family in FAMILIES.values() if family.ablations)
    return found()


WHOLE = list(all_cells())[-1]
"""The name of the yardstick itself."""


def some_cells(count: int) -> dict[str, Architecture]:
    """`count` of the cells, the whole one among them, the others drawn by chance but always the
    same.

    Fewer cells are a part of more. Raises `AtrousError` for a count that there is not.
    """
    cells = all_cells()
    if not 3 <= count <= len(cells):
        raise AtrousError(f"--cells is from 3 to {len(cells)}, got {count}.")
    others = [name for name in cells if name != WHOLE]
    Random(0).shuffle(others)
    chosen = {WHOLE, *others[: count - 1]}
    return {name: cell for name, cell in cells.items() if name in chosen}


ABOUT, LOCK = "fidelity.json", "fidelity.lock"
FORMAT = 6


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of all that scores depend on besides the settings; made on `machine`."""

    data: DataFingerprint
    weights: str
    large_weights: str
    machine: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Study:
    """A study's folder. `computes` says for each setting how its trials are computed; `identity`
    tells the study from all others, wherever its ledgers are."""

    path: Path
    settings: FidelityConfig
    fingerprints: Fingerprints
    computes: dict[str, Choice]
    identity: str = field(default_factory=lambda: uuid4().hex)

    def ledger(self, name: str) -> Ledger:
        """The ledger of a setting."""
        return Ledger(*self._place(name))

    def begin_ledgers(self) -> None:
        """Makes the ledgers of all settings, without any results."""
        for name in self.settings.names:
            Ledger.create(*self._place(name))

    def _place(self, name: str) -> tuple[str, str]:
        return file_url(self.path / f"{name}.db"), f"{name} {self.identity}"

    def entries(self) -> dict[str, list[Entry]]:
        """Returns what has ended so far, by setting."""
        return {name: self.ledger(name).entries() for name in self.settings.names}

    def locked(self) -> AbstractContextManager[None]:
        """Holds the study for one writer; raises `AtrousError` if another process has it."""
        return hold(
            self.path / LOCK,
            f"Another process is measuring in {self.path}. Wait for it, or name another folder "
            "with --out.",
        )


@dataclass(frozen=True)
class _About:
    """The content of `fidelity.json`."""

    settings: FidelityConfig
    fingerprints: Fingerprints
    computes: dict[str, Choice]
    identity: str


def create_study(study: Study) -> None:
    """Makes the folder; raises `AtrousError` if it cannot be written or holds other trials."""
    path = study.path
    make_folder(path, "a study")
    with study.locked():
        if (path / ABOUT).exists():
            raise AtrousError(
                f"Another process has begun a study in {path} meanwhile. Wait for it, or name "
                "another folder with --out."
            )
        if found := sorted(path.glob("*.db")):
            raise AtrousError(
                f"There are trials of another study in {found[0]}, but no {ABOUT} beside it. Put "
                "that back, or name another folder with --out."
            )
        study.begin_ledgers()
        about = _About(study.settings, study.fingerprints, study.computes, study.identity)
        records.write(path / ABOUT, about, FORMAT, "a study", sealed=False)


def open_study(path: Path) -> Study | None:
    """The study in a folder, or `None`; raises `AtrousError` if it is damaged."""
    if not (path / ABOUT).exists():
        return None
    mend = "Restore the file from a copy, or name another folder with --out."
    about = records.read(path / ABOUT, _About, FORMAT, "the settings of a study", "", mend)
    if missing := [name for name in about.settings.names if name not in about.computes]:
        raise AtrousError(
            f"Expected the settings of a study in {path / ABOUT}, but computes does not "
            f"say how: {', '.join(missing)}. {mend}"
        )
    try:
        some_cells(about.settings.cells)
    except AtrousError as error:
        raise AtrousError(
            f"Expected the settings of a study in {path / ABOUT}, but: settings.cells: {error} "
            f"{mend}"
        ) from error
    return Study(path, about.settings, about.fingerprints, about.computes, about.identity)


def require_same(study: Study, settings: FidelityConfig, fingerprints: Fingerprints) -> None:
    """Raises `AtrousError` if a study that began under others would be gone on with."""
    pairs = [
        (leaf.flag, leaf.of(study.settings), leaf.of(settings))
        for leaf in leaves(FidelityConfig)
        if leaf.name != "data"  # a data set may be moved; its fingerprint tells whether it is same
    ]
    changed = [f"--{flag} was {then}, now {now}" for flag, then, now in pairs if then != now]
    if sides := study.fingerprints.data.changes(fingerprints.data, settings.data.select_on):
        changed.append(sides)
    for what in ("weights", "large_weights"):
        then, found = getattr(study.fingerprints, what), getattr(fingerprints, what)
        if then != found:
            name = what.replace("_", "-")
            changed.append(f"--{name} as loaded had fingerprint {then}, now {found}")
    if changed:
        raise AtrousError(
            f"The study in {study.path} began otherwise, so that its scores would not be "
            f"comparable: {'; '.join(changed)}. Ask as before, or name another folder with --out."
        )
