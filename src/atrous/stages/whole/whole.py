"""A whole run, from a data set to a model with its proof.

Each stage does nothing where it was done, and goes on where it was stopped. In the run's folder,
beside what a search and a re-ranking keep there:

whole.json                      what was asked for
plan.json                       how the budget is split
trained/NAME/                   a training run, with the model in model/
trained/NAME/evaluation/SPLIT/  scores and pictures
trained/NAME/export.json        the exported file, and how it agrees
trained/NAME/latency.json       how long an image takes
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from atrous.core.architecture import Architecture
from atrous.core.config import SearchConfig
from atrous.core.console import command
from atrous.core.errors import AtrousError
from atrous.core.options import replaced
from atrous.core.stage_config import RerankConfig, TrainingConfig, WholeConfig
from atrous.core.trial import Trial
from atrous.data.layouts import read_dataset
from atrous.estimation.estimators import estimator_of
from atrous.estimation.tune import PRECISIONS
from atrous.model.folder import add_verdict
from atrous.networks.backbones import outline
from atrous.networks.compute import Precision, pick_device
from atrous.networks.layers import dilates_depthwise
from atrous.report.page import answer, write_report
from atrous.report.trained import CHECKS, PLAN
from atrous.search.ledger import scored
from atrous.search.loop import Estimator
from atrous.search.objective import goal_of
from atrous.search.run import ABOUT, RERANK, Run, extend, open_run, winner
from atrous.search.verdict import cheapest_baseline, reread_of
from atrous.spaces import (
    find_architecture,
    yardstick,
    yardstick_name,
)
from atrous.spaces.blueprint import blank_network
from atrous.stages import rerank
from atrous.stages import search as driver
from atrous.stages.compare import compare, reread
from atrous.stages.search import SearchView, state_of, total_of
from atrous.stages.train import trainer
from atrous.stages.train import trainer as jobs
from atrous.stages.train.config import Subject, job_of, subject_in
from atrous.stages.train.trainer import TrainingJob
from atrous.stages.whole.finish import evaluated, exported, taking, timed
from atrous.stages.whole.plan import (
    SCORES,
    WANTED_STEPS,
    BudgetPlan,
    Regime,
    best_split,
    least_short,
    measure_regimes,
    read_plan,
    trial_seconds,
    worth_searching,
    write_plan,
)
from atrous.stages.whole.request import BUDGET, kept, locked
from atrous.tasks import find_task
from atrous.training.loop import Watch

Say = Callable[[str], None]
TRAINED = Path("trained")
STEPS = 1000
"""Of the trainings whose first steps are timed."""
FROZEN, RATE, VARIANTS = 8, 0.003, 2
"""How one network is trained for what is left of a short budget: the backbone from this stride on,
by AdamW at this rate, on images and their mirror images, whose maps are kept (docs/results.md)."""
WHOLE_RATE, WARM_UP, SCALES = 0.001, 0.05, (0.75, 1.0, 1.25, 1.5)
"""And with more time: all of the backbone, at a lower rate, on crops that are drawn anew."""
EVERY = 4
"""The loss is taken at every fourth pixel of each axis, the lattice of the proxy."""


@dataclass(frozen=True)
class Candidate:
    """An architecture, the name of its folder, and what it is called."""

    name: str
    label: str
    architecture: Architecture


def candidates(run: Run, plan: BudgetPlan) -> list[Candidate]:
    """The best of the run, then the baselines. Where one network alone is trained, it is the one
    that is preferred of those read again, else the one with the highest score, which may be a
    baseline; without a search, it is the plain one."""
    if not plan.trials:
        return [_named(yardstick_name(run.config.space))]
    if not plan.top:
        entries = run.ledger().entries()
        leads = max(scored(entries), key=lambda found: found.standing).trial
        if run.config.reading.reread and (read := reread_of(run, entries)):
            chosen = read.preferred(run.config.reading.prefer).architecture
            trials = {each.trial.architecture: each.trial for each in reversed(scored(entries))}
            leads = trials.get(chosen, leads)
        return [_named(leads.label) if leads.is_baseline else _found(leads)]
    return [_found(winner(run)), *map(_named, plan.baselines)]


def _named(name: str) -> Candidate:
    return Candidate(name.replace(":", "-"), name, find_architecture(name))


def _found(trial: Trial) -> Candidate:
    return Candidate("best", f"trial {trial.number} of the search", trial.architecture)


def trained_beside(run: Run) -> tuple[str, ...]:
    """The names of the networks that the best is compared with when it is trained: the cheapest
    baseline, which is recommended where nothing better is shown, and the yardstick."""
    plain, cheap = yardstick_name(run.config.space), cheapest_baseline(run)
    return tuple(dict.fromkeys([cheap.name, plain] if cheap else [plain]))


def yardstick_of(space: str) -> Candidate:
    """Returns the plain architecture of a space as a network to train."""
    return Candidate("yardstick", yardstick_name(space), yardstick(space))


def finish(out: Path, cache: Path, say: Say, watch: Watch) -> Path:
    """Goes through what is left; gives the path of the report. Raises `AtrousError`."""
    kept(out)
    with locked(out):
        return _finish(out, cache, say, watch)


def _finish(out: Path, cache: Path, say: Say, watch: Watch) -> Path:
    with taking(out, CHECKS):
        prepare(out, cache)
    plan = read_plan(out)

    @contextmanager
    def told(stage: str, more: str = "") -> Iterator[None]:
        """Says which of how many stages it is, and keeps how long it takes."""
        say(f"{_place(plan, stage)}{more}")
        with taking(out, stage):
            yield

    say(plan.told)
    for stage in plan.stages:
        say(f"  {stage.name}: {stage.seconds / 60:.1f} minutes, {stage.why}")
    if plan.trials:
        with told("search"):
            search(out, plan, cache)
    if plan.top:
        with told("re-rank"):
            again(out, plan, cache)
    if plan.seeds:
        with told("compare"):
            confirm(out, plan, cache)
    run = open_run(out)
    for candidate in candidates(run, plan):
        with told("train", f" {candidate.name} ({candidate.label})"):
            train(run, plan, candidate, watch)
    for candidate in candidates(run, plan):
        with told("rest", f": evaluate, export and time {candidate.name}"):
            prove(run, candidate)
    say(f"{_place(plan, 'rest')}: report")
    found = answer(run)
    for network in found.networks:
        if network.trained.model:
            add_verdict(network.trained.model, found.words)
    return write_report(run)


def _place(plan: BudgetPlan, stage: str) -> str:
    """Which of how many stages one is, and its name."""
    names = [each.name for each in plan.stages]
    return f"{names.index(stage) + 1}/{len(names)} {stage}"


def prepare(out: Path, cache: Path) -> None:
    """Checks everything, times the first steps of trainings, begins the search if there is time for
    one, and splits the budget by how fast this machine is."""
    if (out / PLAN).exists():
        return
    config, start = kept(out), monotonic()
    asked, beside = config.search, len(config.search.baselines)
    budget = BUDGET if asked.budget.seconds is None else asked.budget.seconds
    timing = measure_regimes(jobs_to_time(config), asked.proxy)
    is_searched = config.stretch or worth_searching(budget - (monotonic() - start), timing, beside)
    run, estimator = _begun(config, out, cache, is_searched)
    trial = trial_seconds(run, estimator) if estimator else 0.0
    ended = round(monotonic() - start)
    paces = timing.paces(trial, run.settings.workers)
    if config.stretch:
        budget = max(budget, least_short(paces[1], ended, WANTED_STEPS))
    try:
        most = run.config.reading.reread or 1
        plan = best_split(budget, paces, ended, beside, trained_beside(run), most)
    except AtrousError as error:
        raise AtrousError(
            f"{error} Go on with more: {command('run', '--resume', out, '--budget')} ...; or begin "
            "anew with fewer --steps and another --out."
        ) from error
    extend(run, plan.trials or None, plan.search_seconds or budget)
    write_plan(plan, out)


def _begun(
    config: WholeConfig, out: Path, cache: Path, is_searched: bool
) -> tuple[Run, Estimator | None]:
    """The run, made if there is none, and the estimator of its trials if there are to be some."""
    if (out / ABOUT).exists():
        run = open_run(out)
        return run, estimator_of(run, cache) if is_searched else None
    if is_searched:
        return driver.begin(config.search, out, cache)
    return driver.begin_without_trials(config.search, out), None


def jobs_to_time(config: WholeConfig) -> list[TrainingJob]:
    """The training of the plain architecture in each regime that there is: its backbone learning in
    part and as a whole, in each number type that is right on the device."""
    front = _front(config.search)
    plain = yardstick_of(config.search.space)
    job = job_of(training_of(config, plain, STEPS, Regime(front, "float32")))
    wrong = job.compute.device == "cpu" and dilates_depthwise(blank_network(job.blueprint))
    return [
        replace(
            job,
            protocol=replace(job.protocol, frozen=frozen, precision=precision),
            compute=replace(job.compute, precision=precision),
        )
        for frozen in dict.fromkeys((front, 0))
        for precision in (PRECISIONS[:1] if wrong else PRECISIONS)
    ]


def search(out: Path, plan: BudgetPlan, cache: Path) -> None:
    """The search, for its share of the budget."""
    run = open_run(out)
    entries = run.ledger().entries()
    if state_of(run, entries, running=False).startswith("complete"):
        return
    view = SearchView(total_of(run), plan.search_seconds, entries)
    with view.shown():
        driver.proceed(run, estimator_of(run, cache), view.watch)


def again(out: Path, plan: BudgetPlan, cache: Path) -> None:
    """The re-ranking of the best."""
    run, asked = open_run(out), kept(out).training
    if not (run.path / RERANK).exists():
        rerank.begin(
            run,
            RerankConfig(
                plan.top, TrainingConfig(plan.rerank_steps, batch=asked.batch, crop=asked.crop)
            ),
        )
    total = len(rerank.read(run).trials) + len(run.config.baselines)
    if len(run.reranked()) >= total:
        return
    view = SearchView(total, None, run.reranked())
    with view.shown():
        rerank.proceed(run, cache, view.watch)


def confirm(out: Path, plan: BudgetPlan, cache: Path) -> None:
    """The best and the cheapest baseline with fresh seeds, on selection images that the search did
    not look at; on val where there are too few, whose features are there as a rule."""
    run = open_run(out)
    there = read_dataset(Path(run.config.data.path)).splits.get("val")
    if run.config.reading.reread:
        reread(run, cache, plan.read, plan.seeds)
    elif there and (cheap := cheapest_baseline(run)):
        compare(run, ("best", cheap.name), ("val",), plan.seeds, cache)


def training_of(config: WholeConfig, candidate: Candidate, steps: int, regime: Regime) -> Subject:
    """Returns how a candidate is trained on a run's data with its backbone."""
    search, asked = config.search, config.training
    subject = subject_in(search, candidate.label, candidate.architecture)
    training = TrainingConfig(
        steps,
        asked.batch,
        asked.crop,
        optimiser="adamw",
        init="he",
        frozen=regime.frozen,
        loss_every=EVERY,
        balance="balanced",
        score_every=max(1, -(-steps // SCORES)),
        precision=_precision(search, subject, regime.precision),
    )
    if regime.frozen:
        training = replace(training, rate=RATE, scales=(1.0,), variants=VARIANTS)
    else:
        training = replace(training, rate=WHOLE_RATE, rate_warm_up=WARM_UP, scales=SCALES)
    task = find_task(search.task)
    training = replaced(training, score=task.end_to_end(goal_of(search).score))
    return subject.but(training=training, seed=search.seed, device=search.machine.device)


def _precision(search: SearchConfig, subject: Subject, fastest: Precision) -> Precision | None:
    """The number type that is fastest, but for networks with dilated depthwise convolutions on a
    CPU, whose gradients torch gets wrong in bfloat16 (docs/method.md)."""
    network = blank_network(subject.blueprint(read_dataset(Path(search.data.path))))
    wrong = pick_device(search.machine.device) == "cpu" and dilates_depthwise(network)
    return None if wrong else fastest


def _front(search: SearchConfig) -> int:
    """The stride up to which the backbone stays as it is: 0 where it is no chain of layers, or has
    random weights."""
    name, weights, stride = search.encoder.chosen
    if weights == "none":
        return 0
    try:
        outline(name, stride).chain(FROZEN)
    except AtrousError:
        return 0
    return FROZEN


def train(run: Run, plan: BudgetPlan, candidate: Candidate, watch: Watch) -> None:
    """The training of one network."""
    folder, config = run.path / TRAINED / candidate.name, kept(run.path)
    if not (folder / jobs.ABOUT).exists():
        subject = training_of(config, candidate, plan.train_steps, plan.regime)
        jobs.create(folder, job_of(subject))
    job = replace(jobs.read(folder), data=run.config.data.path)
    trainer.run(folder, job, watch)


def prove(run: Run, candidate: Candidate) -> None:
    """Scores, exported file and latency of one trained network."""
    folder = run.path / TRAINED / candidate.name
    dataset = read_dataset(Path(run.config.data.path))
    for name, samples in dataset.splits.items():
        if samples and name != "train":
            evaluated(folder, Path(run.config.data.path), name, run.settings.device)
    exported(folder)
    timed(folder, run.settings.device)
