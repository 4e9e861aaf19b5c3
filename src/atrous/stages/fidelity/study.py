"""A study: a folder with what was asked for, what it is made on, and a ledger for each setting.

fidelity.json       settings, sources and how trials are computed, written once
cached.db           the cells, trained on the small backbone's cached features
end-to-end.db       trained with the small backbone
large.db            trained with the large backbone, or on its cached features
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from filelock import FileLock, Timeout

from atrous.core.errors import AtrousError
from atrous.search.ledger import Entry, Ledger, file_url

ABOUT, LOCK = "fidelity.json", "fidelity.lock"
FORMAT = 2
CACHED, END_TO_END, LARGE = "cached", "end-to-end", "large"
NO_BACKBONE = "none"
PATIENCE = 2

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """What the user asks for.

    `cells` is how many of the 31 are measured; `crop` the canvas (height, width) in pixels, `None`
    if it is to be derived; `large_backbone` is `none` where there is to be no large setting;
    `workers` is how many trials run at a time, `None` if that is to be measured; `rate` and
    `end_to_end_rate` are base learning rates.
    """

    data: str
    select_on: str
    cells: int
    backbone: str
    weights: str
    large_backbone: str
    large_weights: str
    large_cached: bool
    output_stride: int
    crop: tuple[int, int] | None
    filters: int
    steps: int
    end_to_end_steps: int
    batch: int
    rate: float
    end_to_end_rate: float
    workers: int | None
    seed: int
    device: str
    executor: str = "local"

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that are measured, the cheapest first."""
        large = () if self.large_backbone == NO_BACKBONE else (LARGE,)
        return (CACHED, END_TO_END, *large)

    def backbone_of(self, name: str) -> tuple[str, str]:
        """The backbone of a setting, and its weights."""
        large = (self.large_backbone, self.large_weights)
        return large if name == LARGE else (self.backbone, self.weights)

    def is_cached(self, name: str) -> bool:
        """Whether a setting trains cells on cached features, its backbone frozen."""
        return name == CACHED or (name == LARGE and self.large_cached)

    def steps_of(self, name: str) -> int:
        """For how many steps a setting trains each cell."""
        return self.steps if self.is_cached(name) else self.end_to_end_steps


@dataclass(frozen=True)
class Sources:
    """What scores depend on besides the settings, by fingerprint; made on `machine`."""

    data: str
    weights: str
    large_weights: str
    machine: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Study:
    """A study's folder. `computes` says for each setting how its trials are computed; `identity`
    tells the study from all others, wherever its ledgers are."""

    path: Path
    settings: Settings
    sources: Sources
    computes: dict[str, dict[str, Any]]
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
        """What has ended so far, by setting."""
        return {name: self.ledger(name).entries() for name in self.settings.names}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Holds the study for one writer; raises `AtrousError` if another process has it."""
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=PATIENCE)
        except Timeout as held:
            raise AtrousError(
                f"Another process is measuring in {self.path}. Wait for it, or name another folder "
                "with --out."
            ) from held
        try:
            yield
        finally:
            lock.release()


def create_study(study: Study) -> None:
    """Makes the folder; raises `AtrousError` if it cannot be written or holds other trials."""
    path = study.path
    try:
        path.mkdir(parents=True, exist_ok=True)
        if found := sorted(path.glob("*.db")):
            raise AtrousError(
                f"There are trials of another study in {found[0]}, but no {ABOUT} beside it. Put "
                "that back, or name another folder with --out."
            )
        study.begin_ledgers()
        partial = path / f"{ABOUT}.partial"
        partial.write_text(json.dumps(_content(study), indent=2))
        partial.replace(path / ABOUT)
    except OSError as error:
        raise AtrousError(
            f"Expected to write a study to {path}, but {error}. Name a folder that can be written "
            "with --out."
        ) from error


def open_study(path: Path) -> Study | None:
    """The study in a folder, or `None`; raises `AtrousError` if it is damaged."""
    try:
        content = json.loads((path / ABOUT).read_text())
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']} is not {FORMAT}")
        settings = _fill(Settings, content["settings"])
        computes = {name: dict(content["computes"][name]) for name in settings.names}
        sources = _fill(Sources, content["sources"])
        return Study(path, settings, sources, computes, str(content["identity"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AtrousError(
            f"Expected the settings of a study in {path / ABOUT}, but: {error}. Restore the file "
            "from a copy, or name another folder with --out."
        ) from error


def require_same(study: Study, settings: Settings, sources: Sources) -> None:
    """Raises `AtrousError` if a study that began under others would be gone on with."""
    before, now = vars(study.settings), vars(settings)
    changed = [
        f"--{name.replace('_', '-')} was {before[name]}, now {now[name]}"
        for name in before
        if before[name] != now[name]
    ]
    for what in ("data", "weights", "large_weights"):
        then, found = getattr(study.sources, what), getattr(sources, what)
        if then != found:
            name = "images or masks" if what == "data" else f"--{what.replace('_', '-')} as loaded"
            changed.append(f"{name} had fingerprint {then}, now {found}")
    if changed:
        raise AtrousError(
            f"The study in {study.path} began otherwise, so that its scores would not be "
            f"comparable: {'; '.join(changed)}. Ask as before, or name another folder with --out."
        )


def _content(study: Study) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "settings": asdict(study.settings),
        "sources": asdict(study.sources),
        "computes": study.computes,
        "identity": study.identity,
    }


def _fill(kind: type[T], content: dict[str, Any]) -> T:
    """A record from JSON, where tuples have become lists."""
    expected = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    if expected != set(content):
        raise ValueError(f"fields {sorted(expected ^ set(content))} are missing or unknown")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in content.items()})
