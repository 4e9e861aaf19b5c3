"""The best of a search ranked again, by training them end to end with their backbone.

Chen et al. 2018, section 4.3: the proxy's best cell is not the task's best; the paper's final
choice stood 12th under the proxy. In the run's folder:

rerank.json     which trials are ranked again, and how, written once
ledger.db       the second scores, in a study of their own beside the search's
rerank/         checkpoints of what is being trained
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atrous.core.architecture import Architecture
from atrous.core.console import note
from atrous.core.errors import AtrousError
from atrous.core.files import write_whole
from atrous.core.trial import TRIAL, Origin
from atrous.data.canvas import Size, largest, require_crop
from atrous.data.checks.check import require_sound
from atrous.data.palette import distinct
from atrous.estimation.end_to_end import FineTune
from atrous.estimation.estimators import blueprint_of
from atrous.estimation.material import estimator, material_of, unchanged_sources
from atrous.estimation.start import WarmStart, is_gentle, usual_rate
from atrous.execution.local import LocalExecutor
from atrous.networks.compute import Compute, whole_precision
from atrous.search.ledger import Entry
from atrous.search.loop import Plan, search
from atrous.search.objective import find_objective
from atrous.search.ranking import ranked
from atrous.search.run import RERANK, Run
from atrous.spaces import find_architecture, find_space
from atrous.spaces.blueprint import untrained_rates
from atrous.strategies.listed import Listed
from atrous.strategies.strategy import Proposal
from atrous.training.config import Protocol, derive_training_crop

WORK = "rerank"
FORMAT = 1


@dataclass(frozen=True)
class Reranking:
    """`trials` are numbers of the search's trials, best first; `protocol` and `compute` say how
    each is trained, `workers` at a time; no trial begins after `seconds`, unless `None`. If `warm`,
    a candidate starts with its cell as the proxy leaves it, else with a random one."""

    trials: tuple[int, ...]
    protocol: Protocol
    compute: Compute
    workers: int
    seconds: float | None
    warm: bool

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        nested = {"protocol": self.protocol.to_json(), "compute": vars(self.compute)}
        return {**vars(self), **nested}

    @classmethod
    def from_json(cls, fields: dict[str, Any]) -> Reranking:
        """The record from `to_json`; raises KeyError, TypeError."""
        nested = {
            "trials": tuple(fields["trials"]),
            "protocol": Protocol.from_json(fields["protocol"]),
            "compute": Compute(**fields["compute"]),
        }
        return cls(**{**fields, **nested})


@dataclass(frozen=True)
class Ask:
    """What a user asks of a re-ranking; `None` is derived from run and data.

    Networks with an encoder of their own begin at random, also where a `warm` start is asked for.
    """

    top: int
    steps: int
    batch: int
    rate: float | None
    crop: Size | None
    workers: int | None
    seconds: float | None
    warm: bool = True


def begin(run: Run, ask: Ask, again: bool = False) -> Reranking:
    """Writes which are ranked again, and how. `again` forgets an earlier re-ranking.

    Raises `AtrousError` if one was begun before, and if it cannot be done.
    """
    path = run.path / RERANK
    if path.exists() and not again:
        raise AtrousError(
            f"The best of {run.path} are being ranked again already, as {path} says. Go on with "
            f"it: atrous rerank --resume {run.path}; or forget it with --again."
        )
    reranking = _reranking(run, ask)
    unchanged_sources(run)
    with run.locked():
        shutil.rmtree(run.path / WORK, ignore_errors=True)
        run.second_ledger().forget()
        _write(reranking, path)
    return reranking


def _write(reranking: Reranking, path: Path) -> None:
    try:
        write_whole(path, json.dumps({"format": FORMAT, **reranking.to_json()}, indent=2))
    except OSError as error:
        raise AtrousError(
            f"Expected to write {path}, but {error}. Make room on the disk, or allow writing."
        ) from error


def _reranking(run: Run, ask: Ask) -> Reranking:
    settings, space = run.settings, find_space(run.config.space)
    canvas = space.coarsest(run.config.encoder.output_stride)
    warm = ask.warm and not space.encoder
    precision = whole_precision(settings.device, None)
    gentle = is_gentle(ask.steps, warm, run.config.encoder.weights)
    rate = usual_rate(gentle, scratch=space.encoder is not None)
    protocol = Protocol(
        steps=ask.steps,
        batch=ask.batch,
        crop=require_crop(ask.crop, canvas) if ask.crop else (1, 1),
        rate=rate if ask.rate is None else ask.rate,
        tune_norm=not gentle,
        precision=precision,
    )
    workers = settings.workers if ask.workers is None else ask.workers
    if workers < 1:
        raise AtrousError(f"--workers is at least 1, got {workers}.")
    trials = _best_trials(run, ask.top)
    sizes = require_sound(Path(run.config.data.path))
    crop = ask.crop or derive_training_crop(sizes, canvas)
    protocol = replace(protocol, crop=crop)
    _note_untrained(run, trials, crop, largest(sizes))
    return Reranking(
        trials=trials,
        protocol=protocol,
        compute=Compute(settings.device, precision, "channels_last", settings.threads),
        workers=workers,
        seconds=ask.seconds,
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
    if top < 1:
        raise AtrousError(f"--top is at least 1, got {top}.")
    best = ranked(run.ledger().entries())[:top]
    if not best:
        raise AtrousError(
            f"Expected a search with scores in {run.path}, but no trial has one yet. Go on with "
            f"it: atrous search --resume {run.path}"
        )
    return tuple(outcome.trial.number for outcome in best)


def read(run: Run) -> Reranking:
    """How the best of a run are ranked again; raises `AtrousError`."""
    path = run.path / RERANK
    try:
        content = json.loads(path.read_text())
        if content.pop("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")
        return Reranking.from_json(content)
    except FileNotFoundError as error:
        raise AtrousError(
            f"Expected a re-ranking in {run.path}, but there is none. Begin it: atrous rerank "
            f"{run.path}"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AtrousError(
            f"Expected a re-ranking in {path}, but: {error!r}. Restore the file from a copy, or "
            "delete it to begin anew."
        ) from error


def proceed(run: Run, cache: Path, watch: Callable[[Entry], None]) -> None:
    """Ranks again what is left; what has ended before is not trained again.

    `cache` is where features are kept, of which candidates start.
    """
    reranking, config = read(run), run.config
    trials = {entry.trial.number: entry.trial for entry in run.ledger().entries()}
    listed = Listed(
        tuple(
            Proposal(trials[number].architecture.genotype, Origin(TRIAL, (number,)))
            for number in reranking.trials
        )
    )
    plan = Plan(
        space=find_space(config.space),
        strategy=listed,
        baselines=[(name, find_architecture(name)) for name in config.baselines],
        objective=find_objective("miou"),
        trials=len(reranking.trials),
        steps=reranking.protocol.steps,
        seed=config.seed,
        workers=reranking.workers,
        seconds=reranking.seconds,
    )
    template = trials[reranking.trials[0]].architecture
    trained = fine_tune(run, reranking, template, cache)
    with run.locked(), LocalExecutor(reranking.workers) as executor:
        search(plan, run.second_ledger(), trained, executor, watch)


def fine_tune(run: Run, reranking: Reranking, template: Architecture, cache: Path) -> FineTune:
    """The estimator of a re-ranking, whose `template` gives way to the architecture of each trial.

    Raises `AtrousError` if data or weights have changed.
    """
    sources = unchanged_sources(run)
    dataset = sources.dataset
    blueprint = blueprint_of(run.config, template, dataset.classes, dataset.colours)
    return FineTune(
        blueprint,
        run.config.encoder.weights,
        sources.training,
        sources.selection,
        reranking.protocol,
        reranking.compute,
        Path(run.path / WORK).resolve(),
        warm_start(run, cache) if reranking.warm else None,
    )


def warm_start(run: Run, cache: Path) -> WarmStart:
    """How cells start that are trained as a run trained them."""
    return WarmStart(estimator(run.settings, material_of(run, cache)), run.config.proxy.steps)
