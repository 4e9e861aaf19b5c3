"""The best of a search ranked again, by training them end to end with their backbone.

Chen et al. 2018, section 4.3: the proxy's best cell is not the task's best; the paper's final
choice stood 12th under the proxy. In the run's folder:

rerank.json     which trials are ranked again, and how, written once
ledger.db       the second scores, in a study of their own beside the search's
rerank/         checkpoints of what is being trained
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from atrous.core import records
from atrous.core.architecture import Architecture
from atrous.core.config import MOST_WORKERS
from atrous.core.console import command, note
from atrous.core.errors import AtrousError
from atrous.core.options import option, replaced, require_in_range
from atrous.core.records import Amount, Count
from atrous.core.stage_config import RerankConfig
from atrous.core.trial import TRIAL, Origin, Trial
from atrous.data.canvas import Size, largest, require_crop
from atrous.data.check import require_sound
from atrous.data.encoding import distinct
from atrous.estimation.end_to_end import FineTune, WarmStart, is_gentle, usual_rate
from atrous.estimation.estimators import blueprint_of
from atrous.estimation.search_data import cached_of, estimator, require_there, unchanged_data
from atrous.execution import find_executor
from atrous.networks.compute import Compute, whole_precision
from atrous.search.ledger import Entry
from atrous.search.loop import SearchPlan, baseline_trials, search
from atrous.search.promotion import FullBudget
from atrous.search.run import RERANK, SECOND, Run, ranked
from atrous.spaces import find_space
from atrous.spaces.blueprint import untrained_rates
from atrous.training.config import Protocol, derive_training_crop, protocol_of

WORK = "rerank"
FORMAT = 2
SCORE_EVERY = 1000
MEND = "Restore the file from a copy, or delete it to begin anew."


@dataclass(frozen=True, kw_only=True)
class Reranking:
    """`trials` are numbers of the search's trials, best first; `protocol` and `compute` say how
    each is trained, `workers` at a time; no trial begins after `seconds`, unless `None`. If `warm`,
    a candidate starts with its cell as the proxy leaves it, else with a random one."""

    trials: Annotated[tuple[Count, ...], Field(min_length=1)]
    protocol: Protocol
    compute: Compute
    workers: int = option("At a time.", least=1, below=MOST_WORKERS)
    seconds: Amount | None
    warm: bool


def begin(run: Run, asked: RerankConfig, again: bool = False) -> Reranking:
    """Writes which are ranked again, and how. `again` forgets an earlier re-ranking.

    Raises `AtrousError` if one was begun before, and if it cannot be done.
    """
    path = run.path / RERANK
    if path.exists() and not again:
        raise AtrousError(
            f"The best of {run.path} are being ranked again already, as {path} says. Go on with "
            f"it: {command('rerank', '--resume', run.path)}; or forget it with --again."
        )
    reranking = _reranking(run, asked)
    unchanged_data(run)
    with run.locked():
        shutil.rmtree(run.path / WORK, ignore_errors=True)
        run.begin_ledger(SECOND)
        records.write(path, reranking, FORMAT, "a re-ranking")
    return reranking


def _reranking(run: Run, asked: RerankConfig) -> Reranking:
    require_in_range(asked)
    settings, space = run.settings, find_space(run.config.space)
    canvas = space.coarsest(run.config.encoder.output_stride)
    warm = asked.warm and not space.encoder
    precision = whole_precision(settings.device, None)
    gentle = is_gentle(asked.training.steps, warm, run.config.encoder.weights)
    rate = usual_rate(gentle, scratch=space.encoder is not None)
    training = replaced(
        asked.training,
        tune_norm=not gentle,
        score=run.task.end_to_end(run.goal.score),
        score_every=SCORE_EVERY,
    )
    crop = require_crop(training.crop, canvas) if training.crop else (1, 1)
    protocol = protocol_of(training, crop, rate, precision, 0)
    trials = _best_trials(run, asked.top)
    require_there(run)
    sizes = require_sound(Path(run.config.data.path), run.config.data.select_on)
    crop = training.crop or derive_training_crop(sizes, canvas)
    _note_untrained(run, trials, crop, largest(sizes))
    return Reranking(
        trials=trials,
        protocol=replace(protocol, crop=crop),
        compute=Compute(settings.device, precision, "channels_last", settings.threads),
        workers=asked.workers or settings.workers,
        seconds=asked.seconds,
        warm=warm,
    )


def _note_untrained(run: Run, numbers: tuple[int, ...], crop: Size, image: Size) -> None:
    """Tells of the cell with the most to tell, if crops are too small for rates of one."""
    found = {entry.trial.number: entry.trial for entry in run.ledger().entries()}
    classes = run.context.classes
    colours = distinct(len(classes))
    cells = (blueprint_of(run.config, found[n].architecture, classes, colours) for n in numbers)
    told = {text for cell in cells if (text := untrained_rates(cell, crop, image))}
    if told:
        note(max(told, key=len))


def _best_trials(run: Run, top: int) -> tuple[int, ...]:
    """The numbers of the best trials of a search, best first; raises `AtrousError`."""
    best = ranked(run.ledger().entries())[:top]
    if not best:
        raise AtrousError(
            f"Expected a search with scores in {run.path}, but no trial has one yet. Go on with "
            f"it: {command('search', '--resume', run.path)}"
        )
    return tuple(outcome.trial.number for outcome in best)


def read(run: Run) -> Reranking:
    """Returns how the best of a run are ranked again; raises `AtrousError`."""
    absent = (
        f"Expected a re-ranking in {run.path}, but there is none. Begin it: "
        f"{command('rerank', run.path)}"
    )
    return records.read(run.path / RERANK, Reranking, FORMAT, "a re-ranking", absent, MEND)


def proceed(run: Run, cache: Path, watch: Callable[[Entry], None]) -> None:
    """Ranks again what is left; what has ended before is not trained again.

    `cache` is where features are kept, of which candidates start.
    """
    reranking, config = read(run), run.config
    trials = {entry.trial.number: entry.trial for entry in run.ledger().entries()}
    if strangers := [number for number in reranking.trials if number not in trials]:
        raise AtrousError(
            f"Expected trials of the search in {run.path / RERANK}, but: trials has "
            f"{strangers[0]}, which has not ended. {MEND}"
        )
    baselines = baseline_trials(config.baselines, config.seed)
    again = (
        Trial(number, trials[before].architecture, Origin(TRIAL, (before,)), config.seed)
        for number, before in enumerate(reranking.trials, len(baselines))
    )
    plan = SearchPlan(
        space=find_space(config.space),
        listed=[*baselines, *again],
        objective=run.task.objective(reranking.protocol.score),
        promotion=FullBudget(reranking.protocol.steps),
        seed=config.seed,
        workers=reranking.workers,
        seconds=reranking.seconds,
        reproducible=config.machine.reproducible,
    )
    template = trials[reranking.trials[0]].architecture
    trained = fine_tune(run, reranking, template, cache)
    executor = find_executor(config.machine.executor, reranking.workers)
    with run.locked(), executor:
        search(plan, run.second_ledger(), trained, executor, watch)


def fine_tune(run: Run, reranking: Reranking, template: Architecture, cache: Path) -> FineTune:
    """The estimator of a re-ranking, whose `template` gives way to the architecture of each trial.

    Raises `AtrousError` if data or weights have changed.
    """
    data = unchanged_data(run)
    dataset = data.dataset
    blueprint = blueprint_of(run.config, template, dataset.classes, dataset.colours, data.offsets)
    return FineTune(
        blueprint,
        run.config.encoder.weights,
        data.training,
        data.selection,
        reranking.protocol,
        reranking.compute,
        Path(run.path / WORK).resolve(),
        warm_start(run, cache) if reranking.warm else None,
    )


def warm_start(run: Run, cache: Path) -> WarmStart:
    """How cells start that are trained as a run trained them."""
    return WarmStart(estimator(run.settings, cached_of(run, cache)), run.config.proxy.steps)
