"""From what the user asks to a running search: checks, the estimator, the loop."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from atrous.core.architecture import COSTS, measure_of
from atrous.core.config import (
    CELL_RATES,
    GRADIENT,
    DataConfig,
    EncoderConfig,
    GradientConfig,
    ProxyConfig,
    SearchConfig,
)
from atrous.core.console import command
from atrous.core.errors import AtrousError, faults, require_all
from atrous.core.options import problems, replaced, require_in_range
from atrous.core.strategy_config import StrategyOptions
from atrous.core.trial import Failed, may_pass
from atrous.data.canvas import require_crop
from atrous.data.dataset import select
from atrous.data.layouts import read_dataset, require_folder
from atrous.estimation.estimators import outlined, prepare, rungs_in
from atrous.estimation.prices import Prices, affordable
from atrous.execution import find_executor
from atrous.model.latency.conditions import check_runtime, make_conditions
from atrous.networks.compute import pick_device
from atrous.search.history import History, result_of
from atrous.search.imitation import read_imitation
from atrous.search.ledger import Entry, has_rungs, scored
from atrous.search.loop import Estimator, SearchPlan, baseline_trials, search
from atrous.search.objective import goal_of
from atrous.search.promotion import Propose, find_promotion
from atrous.search.run import Run, create_run, require_no_run
from atrous.spaces import family_of, find_architecture, find_space, needs_backbone
from atrous.stages.relax import require_relaxable, require_room
from atrous.strategies import find_strategy
from atrous.strategies.strategy import AnyStrategy
from atrous.tasks import TASKS, find_task

REREAD, ENOUGH = 5, 60
"""So many of the best are read again where scores are taken on so many images."""
RANDOM_BESIDE = 8
"""Random architectures that what is decoded is compared with."""

OF_WHOLE_NETWORKS: dict[str, Any] = {
    "init": "reference",
    "optimiser": "sgd",
    "rate_warm_up": 0.0,
    "flip": False,
    "auxiliary": 0.0,
    "average": 0.0,
    "teacher": None,
}
"""How networks that train on images do so: their family draws their first weights."""


def usual(space: str, strategy: str = "local") -> SearchConfig:
    """Returns the search of a space by a strategy where the user says nothing else."""
    known = family_of(space).defaults
    config = SearchConfig(
        DataConfig(""),
        space,
        strategy,
        baselines=tuple(name.format(space=space) for name in known.baselines),
        encoder=EncoderConfig(known.backbone, known.weights, known.output_stride),
        proxy=ProxyConfig(known.filters, known.steps),
    )
    if not known.backbone:
        config = replaced(config, **OF_WHOLE_NETWORKS)
    config = replace(config, options=StrategyOptions.usual(strategy))
    return replace(config, gradient=GradientConfig()) if strategy == GRADIENT else config


def usual_trials(config: SearchConfig) -> SearchConfig:
    """Returns a search with as many trials as are usual where it decodes architectures."""
    asked = config.gradient
    if asked is None:
        return config
    return replaced(config, trials=asked.seeds * asked.candidates + RANDOM_BESIDE)


def begin(config: SearchConfig, out: Path, cache: Path) -> tuple[Run, Estimator]:
    """Checks everything, readies what candidates are measured on, and makes the run folder.

    Raises `AtrousError` before anything expensive if that cannot be.
    """
    require_possible(config, out)
    config = _settled(config)
    prepared = prepare(config, lasting(config), cache)
    require_room(config, prepared.data)
    run = create_run(out, prepared.settings, prepared.context)
    return run, prepared.estimator(out)


def begin_without_trials(config: SearchConfig, out: Path) -> Run:
    """Checks everything and makes the run folder of a search that is put off: its features are not
    computed. Raises `AtrousError`."""
    require_possible(config, out)
    config = replaced(config, reread=0)
    settings, context = outlined(config, lasting(config))
    return create_run(out, settings, context)


def _settled(config: SearchConfig) -> SearchConfig:
    """The configuration with a number of architectures to be read again at the end, if none is
    asked for: as many as are usual where half of the selection images are enough for a search."""
    if config.reading.reread is not None:
        return config
    dataset = read_dataset(Path(config.data.path))
    enough = len(select(dataset, config.data.select_on)[1]) >= ENOUGH
    return replaced(config, reread=REREAD if enough and needs_backbone(config.space) else 0)


def proceed(
    run: Run,
    estimator: Estimator,
    watch: Callable[[Entry], None],
    strategy: AnyStrategy | None = None,
) -> None:
    """Runs what is left of a run's trials; `strategy` stands for that of the configuration, where
    it was made of a differentiable search."""
    config, settings = run.config, run.settings
    if told := faults(partial(goal_of, config)):
        raise AtrousError(f"{run.path}: {told[0]} Begin anew with another --out.")
    goal = run.goal
    prices = Prices(run, goal)
    space = find_space(config.space).at(run.context.maps, config.proxy.filters, goal.counted)
    space = replace(space, affords=affordable(prices, space.name)) if goal.measured else space
    plan = SearchPlan(
        space=space,
        strategy=strategy or find_strategy(config.strategy, config.options),
        listed=baseline_trials(config.baselines, config.seed),
        trials=config.budget.trials,
        promotion=find_promotion(config.rungs, config.proxy.steps),
        seed=config.seed,
        objective=goal.objective,
        wanted=goal.wanted,
        imitation=goal.imitated(space),
        prices=prices,
        workers=settings.workers,
        seconds=config.budget.seconds,
        reproducible=config.machine.reproducible,
    )
    executor = find_executor(config.machine.executor, settings.workers)
    rungs = rungs_in(run.path, config)

    def recorded(entry: Entry) -> None:
        rungs.leave(entry.outcome.job)
        watch(entry)

    with run.locked(), executor:
        search(plan, run.ledger(), estimator, executor, recorded)
        if rungs.top and is_through(run, run.ledger().entries()):
            shutil.rmtree(rungs.folder, ignore_errors=True)


def require_possible(config: SearchConfig, out: Path | None = None) -> None:
    """Raises `AtrousError` with all that is wrong with a search, before data is looked at; `out` is
    where it is to go."""
    require_all(
        partial(find_space, config.space),
        partial(find_task, config.task),
        partial(require_in_range, config),
        partial(pick_device, config.machine.device),
        partial(find_executor, config.machine.executor, 1),
        partial(_require_strategy, config),
        partial(_require_rungs, config),
        partial(_require_goal, config),
        *(partial(find_architecture, name) for name in config.baselines),
        partial(require_folder, Path(config.data.path)),
        partial(require_no_run, out) if out else str,
        *_of_space(config),
    )


def _of_space(config: SearchConfig) -> Iterator[Callable[[], object]]:
    """Yields what else to check where there is the space that is searched."""
    if faults(partial(find_space, config.space)):
        return
    yield partial(require_relaxable, config)
    yield partial(_require_of_whole_networks, config)
    yield partial(_require_readable, config)
    yield partial(_require_auxiliary, config)
    for name in config.baselines:
        if not faults(partial(find_architecture, name)):
            yield partial(_require_alike, config, name)
    space, stride = find_space(config.space), config.encoder.output_stride
    if config.proxy.crop and (space.encoder or stride):
        canvas = space.coarsest(stride)
        yield partial(require_crop, config.proxy.crop, canvas)


def _require_strategy(config: SearchConfig) -> None:
    if config.strategy != GRADIENT:
        find_strategy(config.strategy)


def _require_goal(config: SearchConfig) -> None:
    """Raises `AtrousError` if a search cannot have what it wants: there is no such thing, or it is
    not measured where whole networks are trained, or not in this runtime."""
    if config.task not in TASKS:
        return
    priced = goal_of(config).priced
    if config.goal.imitate and config.strategy == GRADIENT:
        raise AtrousError(
            f"--imitate leans what a strategy proposes from scores, and --strategy {GRADIENT} "
            "proposes what its supernets have learnt. Leave it out, or take another strategy."
        )
    if not faults(partial(pick_device, config.machine.device)) and "latency" in priced:
        check_runtime(config.goal.runtime, make_conditions((1, 1), device=config.machine.device))


def _require_rungs(config: SearchConfig) -> None:
    if not problems(config.rungs) and config.proxy.steps > 0:
        find_promotion(config.rungs, config.proxy.steps)


def _require_of_whole_networks(config: SearchConfig) -> None:
    """Raises `AtrousError` for whole networks that are to be trained as cells are."""
    for name, only in OF_WHOLE_NETWORKS.items() if find_space(config.space).encoder else ():
        if (asked := getattr(config.proxy, name)) != only:
            raise AtrousError(
                f"--{name.replace('_', '-')} is {only} for whole networks (--space "
                f"{config.space}), got {asked}."
            )


def _require_readable(config: SearchConfig) -> None:
    """Raises `AtrousError` for whole networks that are to be read again as cells are."""
    if config.reading.reread and not needs_backbone(config.space):
        raise AtrousError(
            f"--reread is 0 for whole networks (--space {config.space}), got "
            f"{config.reading.reread}: they are trained end to end. See atrous rerank."
        )


def _require_auxiliary(config: SearchConfig) -> None:
    """Raises `AtrousError` for auxiliary cells of parts that can have none."""
    if config.proxy.auxiliary and not find_space(config.space).auxiliary:
        raise AtrousError(
            f"--auxiliary is 0 for --space {config.space}, whose parts have no maps inside, got "
            f"{config.proxy.auxiliary}."
        )


def _require_alike(config: SearchConfig, name: str) -> None:
    """Raises `AtrousError` for a baseline that cannot be trained as what is searched."""
    beside, space = find_space(find_architecture(name).space), find_space(config.space)
    if (beside.encoder is None) != (space.encoder is None):
        raise AtrousError(
            f"--baselines: {name} cannot be trained beside --space {config.space}: cells on a "
            "backbone's features and whole networks are not trained alike. Leave it out."
        )


def lasting(config: SearchConfig) -> SearchConfig:
    """The configuration as it is kept: it means the same from any folder, says its rate, score
    and finest stride, has the plain architecture among its baselines, and asks for no more trials
    than there are architectures."""
    usual, finest = family_of(config.space).defaults, config.encoder.finest_stride
    if finest is None and usual.finest_on_cpu and pick_device(config.machine.device) == "cpu":
        finest = usual.finest_on_cpu
    costs = (text for text in config.goal.objective if measure_of(text)[0] in COSTS)
    return replaced(
        config,
        objective=(goal_of(config).score, *costs),
        imitate=config.goal.imitate and _lasting_expert(config.goal.imitate),
        rate=config.proxy.rate or usual.rate or CELL_RATES[config.proxy.optimiser],
        finest_stride=finest,
        data=str(Path(config.data.path).resolve()),
        weights=_absolute(config.encoder.weights),
        teacher=config.proxy.teacher and str(Path(config.proxy.teacher).resolve()),
        baselines=tuple(map(_absolute, _with_plain(config))),
        trials=min(config.budget.trials, find_space(config.space).size()),
    )


def _with_plain(config: SearchConfig) -> tuple[str, ...]:
    """The baselines that are asked for, and the plain one of the space unless it is among them:
    nothing is crowned that was not compared with what is cheapest."""
    plain, asked = usual(config.space).baselines[:1], config.baselines
    found = {find_architecture(name) for name in asked}
    return (*asked, *(name for name in plain if find_architecture(name) not in found))


def _lasting_expert(text: str) -> str:
    """The expert and its weight; one of a file as it is spelt, since the file may go."""
    name, weight = read_imitation(text)
    return f"{find_architecture(name)}:{weight:g}" if name.endswith(".json") else text


def _absolute(text: str) -> str:
    """The whole path, if the text is that of a file."""
    return str(Path(text).resolve()) if Path(text).is_file() else text


class SearchView:
    """A line for each ended trial, and below them trials done, best so far, rate, time left."""

    def __init__(self, total: int, limit: float | None, entries: Sequence[Entry]) -> None:
        self._console = Console(stderr=True)
        self._total, self._limit = total, limit
        self._entries = {entry.key: entry for entry in entries}
        self._resumed = _begun(entries)
        self._progress = Progress(
            TextColumn("{task.completed:.0f}/{task.total:.0f} trials"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            console=self._console,
        )
        self._task = self._progress.add_task("", total=self._total, state="starting")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Shows the view while the context lasts."""
        if self._resumed:
            self._console.print(f"{self._resumed} trials are done already")
        self._progress.update(self._task, completed=self._resumed)
        with self._progress:
            yield

    def watch(self, entry: Entry) -> None:
        """Shows one more ended trial."""
        self._entries[entry.key] = entry
        entries = tuple(self._entries.values())
        self._console.print(_line(entry, has_rungs(entries)), soft_wrap=True, markup=False)
        state = describe_state(entries, self._total, self._limit)
        self._progress.update(self._task, completed=_begun(entries), state=state)


def _begun(entries: Sequence[Entry]) -> int:
    """How many trials have an entry; one that was promoted has several."""
    return len({entry.trial.number for entry in entries})


def describe_state(entries: Sequence[Entry], total: int, limit: float | None) -> str:
    """Best so far, rate and time left, in words."""
    if not entries:
        return "no trial has ended yet"
    elapsed = max(entry.elapsed for entry in entries)
    rate = _begun(entries) / max(elapsed, 1e-9)
    left = (total - _begun(entries)) / rate
    if limit is not None:
        left = min(left, max(0.0, limit - elapsed))
    best = max(scored(entries), default=None, key=lambda found: found.standing)
    rung = f", {best.measured.job.steps} steps" if best and has_rungs(entries) else ""
    trial = f"trial {best.trial.number}{rung}" if best else ""
    words = f"best {best.score:.4f} ({trial}), " if best else "no score yet, "
    return f"{words}{60 * rate:.1f} a minute, {_duration(left)} left"


def status(run: Run, entries: Sequence[Entry], running: bool) -> str:
    """The state of a run, a line for each thing."""
    failed = [e.outcome for e in entries if isinstance(e.outcome, Failed)]
    ended = f"{_begun(entries)} of {total_of(run)} ended, {len(failed)} of them failed"
    elapsed = max((entry.elapsed for entry in entries), default=0.0)
    lines = [
        ("run", str(run.path)),
        ("state", state_of(run, entries, running)),
        ("trials", ended),
        ("progress", describe_state(entries, total_of(run), run.config.budget.seconds)),
        *([("rungs", _rung_words(entries))] if has_rungs(entries) else []),
        ("search time", _duration(elapsed)),
        *((f"trial {f.trial.number}", f"{f.reason.value}: {f.error}") for f in failed[-3:]),
    ]
    return "\n".join(f"{name:<12} {words}" for name, words in lines)


def _rung_words(entries: Sequence[Entry]) -> str:
    """How many trials have ended on each rung, the lowest first."""
    ended = Counter(entry.outcome.job.steps for entry in entries)
    return ", ".join(f"{number} of {steps} steps" for steps, number in sorted(ended.items()))


def total_of(run: Run) -> int:
    """How many trials a run is to have, baselines counted."""
    return run.config.budget.trials + len(run.config.baselines)


def state_of(run: Run, entries: Sequence[Entry], running: bool) -> str:
    """Running, complete, or stopped, and how to go on."""
    limit = run.config.budget.seconds
    again = command("search", "--resume", run.path)
    if running:
        return "running"
    lost = sum(may_pass(entry.outcome) for entry in entries)
    if is_through(run, entries):
        but = f", but for {lost} trials that the machine's trouble ended; once more: {again}"
        return "complete" + (but if lost else "")
    if limit is not None and max((entry.elapsed for entry in entries), default=0.0) >= limit:
        return f"complete: its {_duration(limit)} are over; for more: {again} --time ..."
    return f"stopped; go on with: {again}"


def is_through(run: Run, entries: Sequence[Entry]) -> bool:
    """Whether all trials have begun, and none that has ended is to be trained on."""
    return _begun(entries) >= total_of(run) and not _promotes(run, entries)


def _promotes(run: Run, entries: Sequence[Entry]) -> bool:
    """Whether a trial that has ended is to be trained on."""
    history = History(find_space(run.config.space))
    for entry in entries:
        history.begin(entry.outcome.job)
        history.learn(result_of(entry))
    promotion = find_promotion(run.config.rungs, run.config.proxy.steps)
    return not isinstance(promotion.next(history), Propose)


def _line(entry: Entry, with_steps: bool) -> str:
    trial, outcome = entry.trial, entry.outcome
    if isinstance(outcome, Failed):
        return f"trial {trial.number:>3}  failed, {outcome.reason.value}: {outcome.error}"
    rung = f"{outcome.job.steps:>5} steps  " if with_steps else ""
    return (
        f"trial {trial.number:>3}  {entry.score:.4f}  {outcome.seconds:5.1f} s  {rung}"
        f"{trial.origin}  {trial.architecture}"
    )


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
