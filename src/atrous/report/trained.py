"""The plan of a whole run and its trained networks, as files in its folder tell of them.

Only JSON is read: no tensor is loaded and no network is built. Beside RUN/plan.json, in
RUN/trained/NAME/:

training.json                 what is trained, and how
log.jsonl                     loss and selection mIoU as training went on
model/                        the model, with evaluation.json if it was evaluated
evaluation/**/pictures-N.png  sheets of pictures, with the evaluation.json of their own beside
latency.json                  how long an image takes
export.json                   the exported file, and how it agrees with the network
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atrous.core.errors import AtrousError
from atrous.core.files import locate
from atrous.core.records import from_json
from atrous.model.evaluation.record import Evaluation, parse_evaluations
from atrous.model.latency.record import Latency

PLAN, FOLDER = "plan.json", "trained"
JOB, LOG, MODEL = "training.json", "log.jsonl", "model"
RECORD, EVALUATIONS, SHEET = "model.json", "evaluation.json", "pictures-1.png"
LATENCY, EXPORT = "latency.json", "export.json"

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class PlannedStage:
    """A stage with the seconds planned for it, and in words why."""

    name: str
    seconds: float
    why: str


@dataclass(frozen=True)
class Timetable:
    """The budget in seconds, and how it was split; `told` says how the split was found."""

    budget: float
    stages: tuple[PlannedStage, ...]
    told: str

    def share(self, stage: PlannedStage) -> float:
        """The stage's part of all that is planned, in percent."""
        return 100 * stage.seconds / max(sum(each.seconds for each in self.stages), 1e-9)


@dataclass(frozen=True)
class Export:
    """A file of `size` bytes, named where it lies now if that is the training's folder.

    `difference` is the largest one from the network on all that it was compared on, at most
    `tolerance`; `None` where it was not compared.
    """

    file: str
    size: int
    difference: float | None
    tolerance: float | None


@dataclass(frozen=True)
class Score:
    """The mean loss since the last score and the selection mIoU after `step`."""

    step: int
    loss: float | None
    miou: float


@dataclass(frozen=True)
class Sheet:
    """A sheet of pictures; `title` says on what, as that of an evaluation."""

    title: str
    path: Path


@dataclass(frozen=True)
class Trained:
    """A training run and what came of it.

    `record` is how the model was trained, empty while it is not; `blueprint` what it is built
    from. Neither is checked beyond being JSON objects.
    """

    name: str
    folder: Path
    label: str
    blueprint: Fields
    record: Fields
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
        return str(self.blueprint["architecture"])

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(map(str, self.blueprint.get("classes", ())))

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
        crop = self.record.get("crop")
        return (int(crop[0]), int(crop[1])) if crop else None


def read_timetable(run: Path) -> Timetable | None:
    """The split of a run's time, `None` if it was not planned; raises `AtrousError` for damage."""
    found: Timetable | None = _parsed(run / PLAN, _timetable, None)
    return found


def read_trained(run: Path) -> list[Trained]:
    """All training runs in a run's folder, by name; raises `AtrousError` for damaged files."""
    folders = sorted((run / FOLDER).glob("*/"))
    return [_read(folder) for folder in folders if _holds_training(folder)]


def _holds_training(folder: Path) -> bool:
    return (folder / JOB).is_file() or locate(folder / MODEL, RECORD).is_file()


def _read(folder: Path) -> Trained:
    model = folder / MODEL
    job = _parsed(folder / JOB, _mapping, {})
    record = _parsed(locate(model, RECORD), _model, {})
    blueprint = record.get("blueprint") or job.get("blueprint")
    if not isinstance(blueprint, dict) or "architecture" not in blueprint:
        raise _damaged(folder, "none of its files says which architecture was trained")
    classes = len(blueprint.get("classes", ()))
    training = record.get("training", {})
    return Trained(
        name=folder.name,
        folder=folder,
        label=str(training.get("name") or job.get("name") or folder.name),
        blueprint=blueprint,
        record=training,
        scores=_scores(folder / LOG),
        evaluations=_parsed(
            locate(model, EVALUATIONS), lambda c: parse_evaluations(c, classes), ()
        ),
        sheets=tuple(_sheets(folder, classes)),
        timings=_parsed(folder / LATENCY, lambda c: from_json(tuple[Latency, ...], c), ()),
        exported=_parsed(folder / EXPORT, lambda content: _exported(content, folder), None),
    )


def _parsed(path: Path, parse: Any, absent: Any) -> Any:
    """A JSON file as `parse` takes it, or `absent`; raises `AtrousError` for a damaged one."""
    if not path.is_file():
        return absent
    with _reading(path):
        return parse(json.loads(path.read_text(encoding="utf-8")))


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(path, repr(error)) from error


def _damaged(path: Path, why: str) -> AtrousError:
    return AtrousError(
        f"Expected a record of a whole run in {path}, but: {why}. Restore it from a "
        "copy, or delete it: the report then goes without."
    )


def _mapping(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise TypeError(f"{type(content).__name__} instead of an object")
    return content


def _model(content: Any) -> dict[str, Any]:
    return _mapping(content) | {"training": _mapping(content["training"])}


def _scores(path: Path) -> tuple[Score, ...]:
    if not path.is_file():
        return ()
    with _reading(path):
        lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        return tuple(
            Score(int(line["step"]), line.get("loss"), float(line["miou"])) for line in lines
        )


def _sheets(folder: Path, classes: int) -> Iterator[Sheet]:
    """The first sheet of every evaluation, from wherever evaluations are written to."""
    places = (folder / "evaluation", folder / MODEL / "evaluations")
    found = (path for place in places for path in sorted(place.rglob(SHEET)))
    for path in found:
        beside = path.with_name(EVALUATIONS)
        told = _parsed(beside, lambda content: parse_evaluations([content], classes)[0].title, "")
        yield Sheet(told, path)


def _timetable(content: Any) -> Timetable:
    stages = tuple(
        PlannedStage(str(each["name"]), float(each["seconds"]), str(each["why"]))
        for each in content["stages"]
    )
    return Timetable(float(content["budget"]), stages, str(content["told"]))


def _exported(content: Any, folder: Path) -> Export:
    path = Path(content["path"])
    places = (folder / path.name, folder / MODEL / path.name)
    apart = [float(each["difference"]) for each in content.get("comparisons", ())]
    tolerance = content.get("tolerance")
    return Export(
        file=str(next((place for place in places if place.is_file()), path)),
        size=int(content["size"]),
        difference=max(apart, default=None),
        tolerance=None if tolerance is None else float(tolerance),
    )
