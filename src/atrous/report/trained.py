"""The plan of a whole run and its trained networks, as files in its folder tell of them.

Only JSON is read: no tensor is loaded and no network is built. Beside RUN/plan.json and
RUN/took.json, in RUN/trained/NAME/:

training.json                 what is trained, and how
log.jsonl                     loss and selection scores as training went on
model/                        the model, with evaluation.json if it was evaluated
evaluation/**/pictures-N.png  sheets of pictures, with the evaluation.json of their own beside
latency.json                  how long an image takes
export.json                   the exported file, and how it agrees with the network
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from atrous.core.architecture import ArchitectureText
from atrous.core.files import locate
from atrous.core.records import Amount, Count, read_lines, read_plain
from atrous.core.trial import Score
from atrous.model.evaluation.record import Evaluation, read_evaluations, require_classes
from atrous.model.facts import Latency, TrainingRecord, crop_of
from atrous.tasks import USUAL

PLAN, TOOK, FOLDER = "plan.json", "took.json", "trained"
CHECKS = "checks"
"""The time before the budget is split: images are checked, and first steps timed."""
JOB, LOG, MODEL = "training.json", "log.jsonl", "model"
RECORD, EVALUATIONS, SHEET = "model.json", "evaluation.json", "pictures-1.png"
LATENCY, EXPORT = "latency.json", "export.json"

T = TypeVar("T")
WHAT = "a record of a whole run"
MEND = "Restore it from a copy, or delete it: the report then goes without."


@dataclass(frozen=True)
class PlannedStage:
    """A stage with the seconds planned for it, and in words why."""

    name: str
    seconds: Amount
    why: str


@dataclass(frozen=True)
class Timetable:
    """The budget in seconds, and how it was split; `told` says how the split was found."""

    budget: Amount
    stages: tuple[PlannedStage, ...]
    told: str

    def share(self, stage: PlannedStage) -> float:
        """The stage's part of all that is planned, in percent."""
        return 100 * stage.seconds / max(sum(each.seconds for each in self.stages), 1e-9)


@dataclass(frozen=True)
class Took:
    """The seconds that each stage of a whole run has taken, over all times that it went on."""

    seconds: dict[str, Amount]


@dataclass(frozen=True)
class Compared:
    """How far an exported file was from the network on some images."""

    difference: Amount


@dataclass(frozen=True)
class Export:
    """The fields that are read of `export.json`: a file of `size` bytes, which lies at `path` or,
    if it was moved, in the training's folder. Each difference is at most `tolerance`."""

    path: str
    size: Count
    comparisons: tuple[Compared, ...] = ()
    tolerance: Amount | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def difference(self) -> float | None:
        """The largest difference on all that it was compared on; `None` if it was not."""
        return max((each.difference for each in self.comparisons), default=None)


@dataclass(frozen=True)
class Outline:
    """The fields that are read of a blueprint."""

    architecture: ArchitectureText
    backbone: str = ""
    classes: tuple[str, ...] = ()
    task: str = USUAL.name


@dataclass(frozen=True)
class JobOutline:
    """The fields that are read of `training.json`."""

    blueprint: Outline
    name: str = ""


@dataclass(frozen=True)
class ModelOutline:
    """The fields that are read of `model.json`."""

    blueprint: Outline
    training: TrainingRecord


@dataclass(frozen=True)
class Sheet:
    """A sheet of pictures; `title` says on what, as that of an evaluation."""

    title: str
    path: Path


@dataclass(frozen=True)
class Trained:
    """A training run and what came of it.

    `record` is how the model was trained, empty while it is not; `blueprint` what it is built
    from.
    """

    name: str
    folder: Path
    label: str
    blueprint: Outline
    record: Mapping[str, Any]
    scores: tuple[Score, ...]
    evaluations: tuple[Evaluation, ...]
    sheets: tuple[Sheet, ...]
    timings: tuple[Latency, ...]
    exported: Export | None

    @property
    def model(self) -> Path | None:
        """The model's folder, once there is one."""
        return self.folder / MODEL if self.record else None

    @property
    def architecture(self) -> str:
        """The short form of the architecture."""
        return str(self.blueprint.architecture)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.blueprint.classes

    @property
    def parameters(self) -> int | None:
        """Of the whole network."""
        return self.record.get("parameters")

    @property
    def multiply_adds(self) -> int | None:
        """Of the whole network on one image of `crop`."""
        return self.record.get("multiply_adds")

    @property
    def crop(self) -> tuple[int, int] | None:
        """Height and width in pixels that it was trained on."""
        return crop_of(self.record)


def read_timetable(run: Path) -> Timetable | None:
    """The split of a run's time, `None` if it was not planned; raises `AtrousError` for damage."""
    return _found(run / PLAN, Timetable, some=True)


def read_took(run: Path) -> dict[str, float]:
    """The seconds that stages have taken so far, by name; raises `AtrousError` for damage."""
    took = _found(run / TOOK, Took)
    return dict(took.seconds) if took else {}


def read_trained(run: Path) -> list[Trained]:
    """All training runs in a run's folder, by name; raises `AtrousError` for damaged files."""
    folders = sorted((run / FOLDER).glob("*/"))
    return [_read(folder) for folder in folders if _holds_training(folder)]


def _holds_training(folder: Path) -> bool:
    return (folder / JOB).is_file() or locate(folder / MODEL, RECORD).is_file()


def _read(folder: Path) -> Trained:
    model = folder / MODEL
    job = _found(folder / JOB, JobOutline, some=True)
    saved = _found(locate(model, RECORD), ModelOutline, some=True)
    outline = saved or job
    assert outline is not None, "one of the two is there"
    record = saved.training if saved else {}
    classes = len(outline.blueprint.classes)
    return Trained(
        name=folder.name,
        folder=folder,
        label=str(record.get("name") or (job.name if job else "") or folder.name),
        blueprint=outline.blueprint,
        record=record,
        scores=tuple(read_lines(folder / LOG, Score, "a score of a training", MEND)),
        evaluations=read_evaluations(locate(model, EVALUATIONS), classes, MEND),
        sheets=tuple(_sheets(folder, classes)),
        timings=_found(folder / LATENCY, tuple[Latency, ...]) or (),
        exported=_exported(folder),
    )


def _found(path: Path, kind: type[T], some: bool = False) -> T | None:
    """A record, or some of its fields, if there is such a file; raises `AtrousError` for damage."""
    if not path.is_file():
        return None
    return read_plain(path, kind, WHAT, "", MEND, some)


def _sheets(folder: Path, classes: int) -> Iterator[Sheet]:
    """The first sheet of every evaluation, from wherever evaluations are written to."""
    places = (folder / "evaluation", folder / MODEL / "evaluations")
    found = (path for place in places for path in sorted(place.rglob(SHEET)))
    for path in found:
        beside = path.with_name(EVALUATIONS)
        told = _found(beside, Evaluation)
        if told:
            require_classes(told, classes, f"in {beside}", MEND)
        yield Sheet(told.title if told else "", path)


def _exported(folder: Path) -> Export | None:
    found = _found(folder / EXPORT, Export, some=True)
    if found is None:
        return None
    name = Path(found.path).name
    places = (folder / name, folder / MODEL / name)
    return replace(found, path=str(next((p for p in places if p.is_file()), found.path)))
