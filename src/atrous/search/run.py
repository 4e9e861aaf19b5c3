"""A run: a folder with what was asked for, what it was asked on, and the ledger of its trials.

run.json     settings and context, written once, when the run begins
ledger.db    the trials, and in studies of their own what is ranked again and replicates
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import Literal

from atrous.core.config import GRADIENT, MOST_WORKERS, SearchConfig, Size
from atrous.core.console import command
from atrous.core.errors import AtrousError, faults
from atrous.core.files import hold, is_held, make_folder, require_place
from atrous.core.options import option, part, replaced
from atrous.core.records import Count, Device, Threads, read, read_plain, write
from atrous.core.trial import Measured, Trial
from atrous.data.dataset import DataFingerprint
from atrous.execution import find_executor
from atrous.search.ledger import (
    Entry,
    Ledger,
    Scored,
    file_url,
    holds_results,
    is_there,
    scored,
)
from atrous.search.objective import Goal, goal_of
from atrous.spaces import find_architecture, find_space, needs_backbone
from atrous.spaces.space import Shape
from atrous.strategies import find_strategy
from atrous.tasks import TASKS, find_task
from atrous.tasks.task import Task, on_split

ABOUT, LEDGER, LOCK = "run.json", "ledger.db", "run.lock"
RERANK = "rerank.json"
SEARCH, SECOND, COMPARED = "search", "rerank", "compare"
"""Kinds of studies: of the scores of a search, of what is ranked again, of replicates."""
HELD_BACK = "held-back"
"""The name of the selection images that the search does not look at, as that of a split."""
FORMAT = 9
PACKAGES = ("atrous", "torch", "timm", "optuna", "numpy", "pillow")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration that the user asked for, and the choices made for it.

    In `config`, files are named by whole paths. `workers`, `crop` and `device` are those of the
    config, or were derived where it left them open.
    """

    config: SearchConfig
    workers: int = option("Trials at a time.", least=1, below=MOST_WORKERS)
    crop: Size = option("Canvas HxW of every image.", compares=True)
    device: Device
    precision: Literal["float32", "bfloat16"] = option("Of products.", compares=True)
    layout: Literal["channels_last", "contiguous"]
    threads: Threads


@dataclass(frozen=True, kw_only=True)
class Context:
    """All that the run was made on, as it is needed to read its figures and to run it again.

    `fingerprint` is that of training and of selection images; `maps` are
    [channels, height, width] of what candidates read, by stride: feature maps, or the image, of
    stride 1; `offsets` are how many pixels beyond stride * i position i of a map sees. `identity`
    tells the run from all others, wherever its ledger is.
    """

    classes: tuple[str, ...]
    training_images: Count
    selection_images: Count
    fingerprint: DataFingerprint = part()
    weights_digest: str = option("Of the backbone.", compares=True)
    teacher_digest: str = option("Of the teacher.", "", compares=True)
    maps: dict[int, Shape]
    offsets: dict[int, float] = field(default_factory=dict)
    versions: dict[str, str]
    python: str
    machine: str
    begun: str
    identity: str


@dataclass(frozen=True)
class ScoredBy:
    """The score that a re-ranking goes by, as its protocol tells it, or the main value."""

    score: str = ""


@dataclass(frozen=True)
class AskedAgain:
    """The fields that are read of `rerank.json`: the numbers of the trials that are ranked again,
    and by which score."""

    trials: tuple[Count, ...]
    protocol: ScoredBy = ScoredBy()


@dataclass(frozen=True)
class About:
    """The content of `run.json`."""

    settings: Settings
    context: Context


@dataclass(frozen=True)
class Run:
    """An existing run folder."""

    path: Path
    settings: Settings
    context: Context

    @property
    def config(self) -> SearchConfig:
        """The configuration that the user asked for."""
        return self.settings.config

    @property
    def task(self) -> Task:
        """The question that its networks answer."""
        return find_task(self.config.task)

    @cached_property
    def goal(self) -> Goal:
        """The goal of the search."""
        return goal_of(self.config)

    @property
    def score(self) -> str:
        """The name of what the search maximises."""
        return self.goal.name

    @property
    def second_score(self) -> str:
        """The name of what a re-ranking goes by."""
        asked = self.asked_again()
        return (asked.protocol.score if asked else "") or self.task.value

    def ledger(self) -> Ledger:
        """The ledger of the search."""
        return self._ledger(SEARCH)

    def second_ledger(self) -> Ledger:
        """The ledger of the re-ranking that was begun, in the same database."""
        return self._ledger(SECOND)

    def begin_ledger(self, kind: str) -> Ledger:
        """Makes the ledger of the search or of the re-ranking, without any results."""
        ledger = Ledger.create(file_url(self.path / LEDGER), self._study(kind))
        ledger.forget()
        return ledger

    def reranked(self) -> list[Entry]:
        """Returns the entries ranked again so far; none if that was not begun."""
        return self.second_ledger().entries() if (self.path / RERANK).exists() else []

    def asked_again(self) -> AskedAgain | None:
        """Returns what is ranked again, if that was begun; raises `AtrousError` for damage."""
        path = self.path / RERANK
        if not path.exists():
            return None
        mend = "Restore the file from a copy, or delete it to begin anew."
        return read_plain(path, AskedAgain, "a re-ranking", "", mend, some=True)

    def comparison(self) -> Ledger:
        """The ledger of the replicates, made if there is none."""
        return Ledger.create(file_url(self.path / LEDGER), self._study(COMPARED))

    def compared(self) -> list[Entry]:
        """Returns the replicates trained so far; none if nothing was compared."""
        there = is_there(file_url(self.path / LEDGER), self._study(COMPARED))
        return self._ledger(COMPARED).entries() if there else []

    def _ledger(self, kind: str) -> Ledger:
        return Ledger(file_url(self.path / LEDGER), self._study(kind))

    def _study(self, kind: str) -> str:
        """The name of a study, which no other run has in a database that they share."""
        return f"{kind} {self.context.identity}"

    def is_running(self) -> bool:
        """Whether a process is searching in the run now."""
        return is_held(self.path / LOCK)

    def locked(self) -> AbstractContextManager[None]:
        """Holds the run for one writer; raises `AtrousError` if another process has it."""
        busy = (
            f"Another process is searching in {self.path}. Wait for it, or watch it with: "
            f"{command('status', self.path)}"
        )
        return hold(self.path / LOCK, busy)


def require_no_run(path: Path) -> None:
    """Raises `AtrousError` if there is a run in the folder."""
    require_place(path, "a run")
    if (path / ABOUT).exists():
        raise AtrousError(
            f"There is a run in {path} already. Go on with it: "
            f"{command('search', '--resume', path)}; or name another folder with --out."
        )


def create_run(path: Path, settings: Settings, context: Context) -> Run:
    """Makes the folder; raises `AtrousError` if it holds a run already or cannot be written."""
    require_no_run(path)
    run = Run(path, settings, context)
    make_folder(path, "a run")
    with run.locked():
        if (path / ABOUT).exists():
            raise AtrousError(
                f"Another process has begun a run in {path} meanwhile. Watch it with: "
                f"{command('status', path)}; or name another folder with --out."
            )
        if (path / LEDGER).exists() and holds_results(file_url(path / LEDGER)):
            raise AtrousError(
                f"There are trials of another run in {path / LEDGER}, but no {ABOUT} beside it. "
                "Put that back, or name another folder with --out."
            )
        run.begin_ledger(SEARCH)
        write_about(run)
    return run


def extend(run: Run, trials: int | None, seconds: float | None) -> Run:
    """The run with another number of trials or time limit, where given, from now on."""
    trials = run.config.budget.trials if trials is None else trials
    seconds = run.config.budget.seconds if seconds is None else seconds
    ended = sum(not entry.trial.is_baseline for entry in run.ledger().entries())
    if trials < max(1, ended):
        raise AtrousError(f"--trials is at least 1, and the {ended} that have ended, got {trials}.")
    config = replaced(run.config, trials=trials, time=seconds)
    extended = replace(run, settings=replace(run.settings, config=config))
    with run.locked():
        write_about(extended)
    return extended


def write_about(run: Run) -> None:
    """Writes what a run was asked for and made on; raises `AtrousError` if it cannot."""
    about = About(run.settings, run.context)
    write(run.path / ABOUT, about, FORMAT, "the record of a run", sealed=False)


def open_run(path: Path) -> Run:
    """The run in a folder; raises `AtrousError` if there is none or it is damaged."""
    absent = (
        f"Expected a run at {path}: a folder with {ABOUT}, as atrous search makes it. There is "
        "no such file."
    )
    mend = "Restore the file from a copy, or start a new run."
    about = read(path / ABOUT, About, FORMAT, "the record of a run", absent, mend)
    if told := unknown(about.settings.config):
        words = "; ".join(f"settings.config.{each}" for each in told)
        raise AtrousError(f"Expected the record of a run in {path / ABOUT}, but: {words} {mend}")
    return Run(path, about.settings, about.context)


def unknown(config: SearchConfig) -> list[str]:
    """Returns what a configuration names and this version has not, a phrase each with its field."""
    checks: dict[str, Callable[[], object]] = {
        "space": lambda: find_space(config.space),
        "task": lambda: find_task(config.task),
        "machine.executor": lambda: find_executor(config.machine.executor, 1),
        "encoder": lambda: _require_encoder(config),
    }
    for place, name in enumerate(config.baselines):
        if not name.endswith(".json"):
            checks[f"baselines[{place}]"] = partial(find_architecture, name)
    if config.task in TASKS:
        checks["goal"] = lambda: goal_of(config)
    if config.strategy != GRADIENT:
        checks["strategy"] = lambda: find_strategy(config.strategy)
    found = []
    for name, check in checks.items():
        found += [f"{name}: {told}" for told in faults(check)]
    if (config.strategy == GRADIENT) != (config.gradient is not None):
        found.append(f"gradient: is there for the strategy {GRADIENT} and for no other.")
    for name in config.options.misplaced(config.strategy):
        found.append(f"options.{name}: is there for the strategy {name} and for no other.")
    return found


def _require_encoder(config: SearchConfig) -> None:
    whole, found = not needs_backbone(config.space), config.encoder
    if {whole} != {found.backbone is None, found.output_stride is None}:
        wanted = "neither backbone nor stride" if whole else "a backbone and its stride"
        raise AtrousError(
            f"expected {wanted} for {config.space}, got {found.backbone!r} and "
            f"{found.output_stride}."
        )


def latest_run(folder: Path, about: str = ABOUT) -> Path:
    """The run in `folder` that began last, known by its file `about`; raises `AtrousError` if there
    is none."""
    found = sorted(folder.glob(f"*/{about}"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise AtrousError(f"Expected a run in {folder}, but there is none. Name its folder.")
    return found[-1].parent


def software() -> dict[str, str]:
    """The versions that matter for a result."""
    return {name: version(name) for name in PACKAGES}


def machine() -> str:
    """The machine in words."""
    return f"{platform.system()} {platform.machine()}, {_processor()}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def ranked(entries: Sequence[Entry]) -> list[Scored]:
    """The trials with a score that are no baselines, best first."""
    proposed = [entry for entry in entries if not entry.trial.is_baseline]
    return sorted(scored(proposed), key=lambda found: found.standing, reverse=True)


def winner(run: Run) -> Trial:
    """The trial of the search that was best when ranked again, or in the search if none was.

    Raises `AtrousError` if no trial has a score yet.
    """
    entries = run.ledger().entries()
    found = best_trial(entries, run.reranked(), read_means(run, entries))
    if found is None:
        raise AtrousError(f"Expected a trial with a score in {run.path}, but there is none yet.")
    return found


def best_trial(
    entries: Sequence[Entry], again: Sequence[Entry], read: Mapping[Trial, float]
) -> Trial | None:
    """The trial among the entries of a search that was best when ranked `again`, else when `read`
    with fresh seeds, by the means of that, or in the search if neither was done; `None` if none has
    a score."""
    second, first = ranked(again), ranked(entries)
    if second:
        number = second[0].trial.origin.parents[0]
        return next(entry.trial for entry in entries if entry.trial.number == number)
    if read:
        return max(read, key=lambda trial: read[trial])
    return first[0].trial if first else None


def read_means(run: Run, entries: Sequence[Entry]) -> dict[Trial, float]:
    """The mean of what a search maximises, over fresh seeds on images that it did not look at, of
    those of its trials that were read with the most seeds; costs are those of the search."""
    found = {each.trial.architecture: each for each in reversed(ranked(entries))}
    scores: dict[Trial, list[float]] = {}
    for outcome in (entry.outcome for entry in run.compared()):
        known = found.get(outcome.trial.architecture)
        if known and isinstance(outcome, Measured) and HELD_BACK in outcome.trial.origin.note:
            names = {on_split(name, HELD_BACK): name for name in known.values}
            read = {names[name]: value for name, value in outcome.values.items() if name in names}
            score = run.goal.objective({**known.values, **read})
            scores.setdefault(known.trial, []).append(score)
    most = max(map(len, scores.values()), default=0)
    return {trial: fmean(each) for trial, each in scores.items() if len(each) == most}
