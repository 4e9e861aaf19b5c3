"""All that a person asks for, as functions; the commands of the command line call them.

Their arguments are the options of the commands, by the same names with underscores, with the same
defaults. A value may be a text as on the command line (`budget="2h"`, `crop="129x257"`) or what it
stands for (7200.0, (129, 257)). Nothing here loads torch before it is needed.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial, update_wrapper
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from atrous.core.config import SearchConfig
from atrous.core.console import command, say, stoppable
from atrous.core.errors import AtrousError, require_all
from atrous.core.files import save_text
from atrous.core.options import leaves
from atrous.core.requests import (
    CheckRequest,
    EvaluationRequest,
    ExportConfig,
    Folders,
    SearchRequest,
    TrainRequest,
    WholeRequest,
)
from atrous.report.page import COMMAND
from atrous.stages.told import (
    RUNS,
    Told,
    cache_of,
    dated,
    described,
    extendable,
    refuse_to_change,
    require_dataset,
    resumed,
    tell_score,
)

if TYPE_CHECKING:
    from atrous.data.check import Report
    from atrous.model.evaluation.record import Evaluation
    from atrous.model.export.exported import ExportedFile
    from atrous.model.model import Model
    from atrous.search.loop import Estimator
    from atrous.search.run import Run
    from atrous.stages.train.config import Subject
    from atrous.stages.train.trainer import TrainingJob

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
TRAININGS = Path("trainings")


def tabled(records: list[dict[str, Any]]) -> Any:
    """Returns records as a data frame where pandas is installed, else as they are."""
    if find_spec("pandas") is None:
        return records
    from importlib import import_module

    return import_module("pandas").DataFrame(records)


@dataclass(frozen=True, repr=False)
class RunResult:
    """A search or a whole run, as its folder tells of it."""

    path: Path

    @property
    def run(self) -> Run:
        """The run with its ledgers."""
        from atrous.search.run import open_run

        return open_run(self.path)

    @property
    def best(self) -> str:
        """The architecture that the search found, as `atrous.train` takes it; that of the model
        where nothing was searched. Raises `AtrousError` while there is none."""
        from atrous.report.page import answer
        from atrous.search.run import winner

        known = answer(self.run).networks
        if known and not self.run.ledger().entries():
            return known[0].trained.architecture
        return str(winner(self.run).architecture)

    @property
    def trials(self) -> Any:
        """All trials, the best first, with scores and costs: a data frame, or a list of records
        where pandas is not installed."""
        from atrous.report.leaderboard import records

        return tabled(records(self.run, self.run.ledger().entries()))

    @property
    def verdict(self) -> str:
        """Whether what was found is better than its rival, in words."""
        from atrous.report.page import answer

        return answer(self.run).words

    @property
    def model(self) -> Model | None:
        """The trained model that is recommended; `None` where none was trained."""
        from atrous.model.model import load
        from atrous.report.page import answer

        folder = answer(self.run).model
        return load(folder) if folder else None

    def report(self) -> Path:
        """Writes the page and the table of the run, and returns the page's path."""
        from atrous.report.page import write_report

        return write_report(self.run)

    def __repr__(self) -> str:
        return f"RunResult({str(self.path)!r}): {self.verdict}"


@dataclass(frozen=True, repr=False)
class TrainingResult:
    """A training, as its folder tells of it."""

    path: Path

    @property
    def model(self) -> Model:
        """The trained model."""
        from atrous.model.model import load

        return load(self.path / "model")

    @property
    def scores(self) -> Any:
        """The scores that were taken on the way: a data frame, or a list of records."""
        from atrous.core.records import read_lines, to_json
        from atrous.core.trial import Score
        from atrous.training.checkpoint import LOG

        read = read_lines(self.path / LOG, Score, "a score of a training", "Train again.")
        return tabled([to_json(each) for each in read])

    def __repr__(self) -> str:
        return f"TrainingResult({str(self.path)!r})"


class Asking(Protocol[T_co]):
    """A function of a configuration's options; `of` is the same for what was told of it."""

    of: Callable[[Told], Any]

    def __call__(self, *given: Any, **options: Any) -> T_co: ...


def asks(kind: Any, *but: str) -> Callable[[Callable[[Told], T]], Asking[T]]:
    """Makes a function of options out of one that hears what was told, `but` some options."""

    def decorate(function: Callable[[Told], T]) -> Asking[T]:
        name = f"atrous.{function.__name__}"

        def run(*given: Any, **options: Any) -> T:
            wrong = [each for each in but if each in options]
            if wrong:
                raise AtrousError(f"{name} has no argument {wrong[0]}.")
            return function(Told.of(kind, given, options, f"{name}()"))

        update_wrapper(run, function)
        asked = [leaf for leaf in leaves(kind) if leaf.name not in but]
        lines = [f"    {leaf.name}: {described(leaf)}" for leaf in asked]
        run.__doc__ = f"{function.__doc__}\n\n    Arguments:\n\n" + "\n".join(lines)
        usual = inspect.Parameter.empty
        run.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(
                    leaf.name,
                    inspect.Parameter.POSITIONAL_OR_KEYWORD
                    if leaf.option.positional
                    else inspect.Parameter.KEYWORD_ONLY,
                    default=usual
                    if leaf.option.positional and leaf.option.needed
                    else leaf.default,
                )
                for leaf in sorted(asked, key=lambda leaf: not leaf.option.positional)
            ]
        )
        run.of = function  # type: ignore[attr-defined]
        return cast(Asking[T], run)

    return decorate


@asks(CheckRequest)
def check(told: Told) -> Report:
    """Looks for everything that is wrong with a data set.

    Returns the report, with `problems`, `errors` and `shares` of the classes.
    """
    from atrous.data.check import check as check_data
    from atrous.data.layouts.folder import keep_split

    asked = told.made(CheckRequest)
    keep_split(asked.data, asked.split)
    return check_data(asked.data)


@asks(SearchRequest, "plan")
def search(told: Told) -> RunResult:
    """Searches a space on a data set, or goes on with a search where `resume`.

    Returns the run: its best architecture, its trials, its report. Raises `AtrousError`.
    """
    from atrous.data.layouts.folder import keep_split
    from atrous.search.run import latest_run
    from atrous.stages import search as driver

    if "resume" in told:
        may = " and ".join(f"--{name}" for name in extendable(SearchConfig))
        may = f"Only {may} can. Start a new run for anything else."
        changed = told.values(lambda _: refuse_to_change(told, "a search", may))
        folders = told.part("folders").on(Folders())
        path = resumed(told, folders, latest_run)
        _extend(path, changed, folders)
        return _searched(path, None, cache_of(folders))
    asked = searched(told)
    out, cache = asked.folders.out or dated(RUNS), cache_of(asked.folders)
    keep_split(Path(asked.search.data.path), asked.folders.split)
    _, estimator = driver.begin(asked.search, out, cache)
    save_text(out / COMMAND, told.command("search"))
    return _searched(out, estimator, cache)


def searched(told: Told) -> SearchRequest:
    """Returns the search that a user asks for; raises `AtrousError` with all that is wrong."""
    from atrous.spaces import known_space
    from atrous.stages.search import require_possible, usual, usual_trials

    strategy = told.get("strategy", "local")

    def check(asked: SearchRequest) -> None:
        require_all(
            partial(require_dataset, told, "search", asked.folders),
            partial(told.require_read_by, strategy),
            partial(require_possible, asked.search, asked.folders.out),
        )

    usual_one = usual(known_space(told.get("space", "")), strategy)
    asked = told.on(SearchRequest(usual_one), check)
    return asked if "trials" in told else replace(asked, search=usual_trials(asked.search))


def _searched(path: Path, estimator: Estimator | None, cache: Path) -> RunResult:
    """Runs what is left of a run and says how to go on if it is interrupted."""
    from atrous.estimation.estimators import estimator_of
    from atrous.search.run import open_run
    from atrous.stages import search as driver
    from atrous.stages.compare import reread
    from atrous.stages.relax import relax, tell_snapshot
    from atrous.stages.search import SearchView, total_of

    run = open_run(path)
    estimator = estimator or estimator_of(run, cache)
    view = SearchView(total_of(run), run.config.budget.seconds, run.ledger().entries())

    def stopped() -> str:
        again = command("search", "--resume", path)
        return f"Stopped; {len(run.ledger().entries())} trials are kept. Go on: {again}"

    with stoppable(stopped):
        strategy = relax(run, tell_snapshot) if run.config.gradient else None
        with view.shown():
            driver.proceed(run, estimator, view.watch, strategy)
        if run.config.reading.reread:
            reread(run, cache)
    return RunResult(path)


def _extend(path: Path, changed: dict[str, Any], folders: Folders) -> None:
    """Gives the run to go on with another budget, and its data from elsewhere, if asked for."""
    from atrous.estimation.search_data import moved as with_data
    from atrous.search.run import extend, open_run

    with_data(open_run(path), folders.moved)
    if changed.keys() & {"trials", "time"}:
        extend(open_run(path), changed.get("trials"), changed.get("time"))


@asks(WholeRequest)
def run(told: Told) -> RunResult:
    """Checks, searches, re-ranks, trains, evaluates, exports and reports, within a budget of time,
    or goes on with a run where `resume`.

    Returns the run: its verdict, the model to use, its trials, its report. Raises `AtrousError`.
    """
    from atrous.data.layouts.folder import keep_split
    from atrous.search.run import latest_run
    from atrous.spaces import known_space, quick_space
    from atrous.stages.whole.request import (
        BUDGET,
        WHOLE,
        begin,
        give,
        move,
        require_possible,
        usual,
    )

    if "resume" in told:
        may = "Begin another with another --out."
        changed = told.values(lambda _: refuse_to_change(told, "a run", may))
        folders = told.part("folders").on(Folders())
        folder = resumed(told, folders, partial(latest_run, about=WHOLE))
        if "budget" in changed:
            give(folder, changed["budget"])
        if folders.moved:
            move(folder, folders.moved)
        return finished(folder, cache_of(folders))

    def check(asked: WholeRequest) -> None:
        require_all(
            partial(require_dataset, told, "run", asked.folders),
            partial(require_possible, asked.whole),
        )

    space = known_space(told.get("space", quick_space()))
    seconds = told.on(WholeRequest(usual(space)), check).whole.search.budget.seconds or BUDGET
    asked = told.on(WholeRequest(usual(space, seconds)))
    out = asked.folders.out or dated(RUNS)
    keep_split(Path(asked.whole.search.data.path), asked.folders.split)
    begin(asked.whole, out)
    save_text(out / COMMAND, told.command("run"))
    return finished(out, cache_of(asked.folders))


def finished(out: Path, cache: Path) -> RunResult:
    """Goes through the stages that are left, and says how to go on if it is interrupted."""
    from atrous.stages.whole.whole import finish

    with stoppable(lambda: f"Stopped. Go on: {command('run', '--resume', out)}"):
        finish(out, cache, say, tell_score)
    return RunResult(out)


@asks(TrainRequest)
def train(told: Told) -> TrainingResult:
    """Trains a network end to end: the best of a run, or a named architecture on `data`; or goes on
    with the training in the folder `resume`.

    Returns the training: its model, its scores. Raises `AtrousError`.
    """
    from atrous.stages.train.config import job_of, require_possible
    from atrous.stages.train.trainer import create, moved, read
    from atrous.training.world import announced

    how, _ = told.part("how").readable()

    def check(asked: TrainRequest) -> None:
        if asked.resume:
            refuse_to_change(told, "a training", "Begin another with another --out.")
        else:
            require_all(partial(_folder, asked.out), lambda: require_possible(_subject(asked, how)))

    asked = told.on(TrainRequest(), check)
    if asked.resume:
        job = read(asked.resume)
        return _trained(
            asked.resume, moved(asked.resume, job, how["data"]) if "data" in how else job
        )
    folder = _folder(asked.out)
    job = job_of(_subject(asked, how))
    if announced("cpu").leads:
        create(folder, job)
    return _trained(folder, job)


def _subject(asked: TrainRequest, how: dict[str, Any]) -> Subject:
    """Returns what is to be trained, as the user says `how`; raises `AtrousError`."""
    from atrous.stages.train.config import subject_of

    if asked.source is None:
        raise AtrousError(
            "Expected what to train: atrous train RUN, or the name of an architecture."
        )
    return subject_of(asked.source, asked.trial, how)


def _folder(out: Path | None) -> Path:
    """Where a new training goes; raises `AtrousError` if one is there already."""
    from atrous.stages.train.trainer import require_none
    from atrous.training.world import announced

    world = announced("cpu")
    if out is None and world.size > 1:
        raise AtrousError("Under torchrun, name the folder of the training with --out.")
    folder = out or dated(TRAININGS)
    if world.leads:
        require_none(folder)
    return folder


def _trained(folder: Path, found: TrainingJob) -> TrainingResult:
    from atrous.stages.train import trainer
    from atrous.training.world import announced

    try:
        trainer.run(folder, found, tell_score)
    except KeyboardInterrupt:
        if announced("cpu").leads:
            say(f"Stopped. Go on: {command('train', '--resume', folder)}")
        raise
    return TrainingResult(folder)


@asks(EvaluationRequest)
def evaluate(told: Told) -> Evaluation:
    """Scores a model on labelled images, and writes scores, tables and pictures.

    Returns the scores. Stopped, the same call goes on. Raises `AtrousError`.
    """
    return evaluated(told)[0]


def evaluated(told: Told) -> tuple[Evaluation, list[Path]]:
    """Returns the scores, and the files that they were written to."""
    from atrous.model.evaluation.assessment import count_rest, prepare
    from atrous.model.evaluation.publication import publish

    assessment = prepare(told.made(EvaluationRequest))

    try:
        found = count_rest(assessment)
    except KeyboardInterrupt:
        done, total = assessment.tally.done, len(assessment.samples)
        print(
            f"Stopped; {done} of {total} images are counted and kept in {assessment.out}. "
            "Go on: the same command again.",
            file=sys.stderr,
        )
        raise
    return found, publish(assessment)


@asks(ExportConfig)
def export(told: Told) -> ExportedFile:
    """Writes a model to one file that runs without this program, for images of any size.

    Returns where it lies, what it takes and gives, and how it compared with the model, before
    which it does not count as written. Raises `AtrousError`.
    """
    from atrous.model.export.exported import check_model, check_request, export_model
    from atrous.model.folder import with_model
    from atrous.model.model import load_model

    def path_of(asked: ExportConfig) -> Path:
        return asked.out or with_model(asked.model) / f"model.{asked.to}"

    def check(asked: ExportConfig) -> None:
        require_all(
            partial(check_model, with_model(asked.model)),
            partial(check_request, path_of(asked), asked.to, asked.opset),
        )

    asked = told.made(ExportConfig, check)
    how = (asked.to, asked.normalise, asked.output, asked.opset)
    return export_model(load_model(asked.model), path_of(asked), *how)
