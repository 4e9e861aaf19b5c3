"""The making of a table: architectures drawn by chance, each trained with two seeds.

The folder is that of a run, whose ledger holds the trainings; the table in it is written anew as
they end. Architecture n is the n-th new one of an order that the seed draws, whoever makes the
table: the same command goes on with it, and with more --architectures it grows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from statistics import fmean
from tempfile import TemporaryDirectory

from atrous.core.architecture import Architecture
from atrous.core.config import MachineConfig, SearchConfig
from atrous.core.console import counting
from atrous.core.errors import AtrousError
from atrous.core.files import make_folder
from atrous.core.options import leaves, replaced
from atrous.core.stage_config import BenchConfig
from atrous.core.trial import REPLICATE, Job, Measured, Metrics, Origin, Outcome, Trial, values_of
from atrous.data.dataset import Dataset, Samples
from atrous.estimation.cached import Proxy
from atrous.estimation.estimators import estimator_of
from atrous.estimation.features import FeatureSet
from atrous.estimation.learning import Stretch
from atrous.estimation.outcome import outcome_of, require_finite
from atrous.estimation.prices import Prices
from atrous.estimation.search_data import features_beside, unchanged_data
from atrous.estimation.zero_cost import ZERO_COSTS, Untrained
from atrous.execution import find_executor
from atrous.search.ledger import Entry
from atrous.search.loop import SearchPlan, search
from atrous.search.promotion import FullBudget, find_promotion
from atrous.search.run import ABOUT, Run, open_run
from atrous.search.verdict import cost_of
from atrous.spaces import find_space, quick_space
from atrous.spaces.space import Space
from atrous.stages.bench.table import AboutTable, BenchTable, Tabled, write_table
from atrous.stages.compare import FIRST_SEED
from atrous.stages.search import begin, lasting, usual
from atrous.tasks.task import on_split
from atrous.training.loop import CHECKPOINT

SEEDS = (FIRST_SEED, FIRST_SEED + 1)
TABLE, LATENCY = "table", "latency"
MAY_DIFFER = ("architectures", "trials", "time", *(leaf.name for leaf in leaves(MachineConfig)))
"""Options with which a table goes on that was begun with others."""


def usual_bench(space: str = "") -> BenchConfig:
    """Returns how a table of a space is made where the user says nothing else: short trainings, of
    which a selection is scored on a part of the training images, so that other splits stay
    unseen."""
    return BenchConfig(
        replaced(
            usual(space or quick_space(), "random"),
            baselines=(),
            trials=24,
            select_on="0.2",
            steps=100,
            batch=4,
            rungs=3,
            eta=2,
            reread=0,
            workers=1,
        )
    )


def build(asked: BenchConfig, out: Path, cache: Path) -> BenchTable:
    """Makes the table that is asked for in the folder `out`, or goes on with it; raises
    `AtrousError`, also where it was begun otherwise than is asked now."""
    run = _opened(asked.search, out, cache)
    data, proxy = unchanged_data(run), estimator_of(run, cache)
    if not isinstance(proxy, Proxy):
        raise AtrousError(
            f"Expected a space of decoders on cached features, got --space {run.config.space}, "
            "whose networks are trained on images: a table of those takes GPUs for weeks."
        )
    sets = {
        split: features_beside(samples, run.settings, data, cache)
        for split, samples in _unseen(data.dataset, asked).items()
    }
    make_folder(out / TABLE, "the table")
    steps = tuple(r.steps for r in find_promotion(run.config.rungs, run.config.proxy.steps).rungs)
    estimate = RungsEstimator(proxy, sets, steps)
    space = find_space(run.config.space).at(run.context.maps, run.config.proxy.filters)
    listed = _trials(list(islice(drawn(space, run.config.seed), asked.search.budget.trials)))
    plan = SearchPlan(
        space=space,
        promotion=FullBudget(steps[-1]),
        objective=run.goal.objective,
        prices=_prices(run),
        listed=listed,
        seed=run.config.seed,
        workers=run.settings.workers,
    )
    return _measured(run, plan, estimate)


def drawn(space: Space, seed: int) -> Iterator[Architecture]:
    """Yields architectures, each function once, uniformly by rank: which is the n-th depends on the
    space, its maps and the seed alone."""
    seen, number, size = set(), 0, space.size()
    while number < 100 * size:
        genotype = space.unrank(Random(f"{seed}/{number}").randrange(size))
        form = space.canonical(genotype)
        number += 1
        if form not in seen:
            seen.add(form)
            yield space.architecture(genotype)


@dataclass(frozen=True)
class RungsEstimator:
    """Trains a candidate once and scores it at each rung on the selection images, at the last on
    `sets`, which chose nothing; what tells of it untrained is beside. Pickles.

    Shorter rungs are beginnings of the longer one but for the fall of the learning rate over their
    last fifth, as in a search with `--rungs` (`training.optimiser.Schedule`).
    """

    proxy: Proxy
    sets: Mapping[str, FeatureSet]
    rungs: tuple[int, ...]

    def __call__(self, job: Job) -> Outcome:
        """Returns all scores by name; failures come back as records, not exceptions."""
        return outcome_of(job, self._measure)

    def _measure(self, job: Job) -> Metrics:
        proxy, value = self.proxy, self.proxy.task.value
        found: dict[str, float] = dict(Untrained(proxy).scores(job.architecture, job.seed))
        with TemporaryDirectory(prefix="atrous-bench-") as folder:
            for number, steps in enumerate(self.rungs):
                stretch = self._stretch(Path(folder), number)
                network, _ = proxy.fitted(job.architecture, steps, job.seed, stretch)
                scores = values_of(proxy.evaluate(network, proxy.selection))
                found[at_rung(value, steps)] = scores[value]
        found[value] = scores[value]
        for split, data in self.sets.items():
            found[on_split(value, split)] = values_of(proxy.evaluate(network, data))[value]
        require_finite(found)
        return found

    def _stretch(self, folder: Path, number: int) -> Stretch:
        """The part of the training that is left to a rung."""
        last = number == len(self.rungs) - 1
        before = folder / f"{number - 1}-{CHECKPOINT}" if number else None
        first = self.proxy.schedule.stem(self.rungs[number - 1]) if number else 0
        return Stretch(first, before, None if last else folder / f"{number}-{CHECKPOINT}")


def at_rung(value: str, steps: int) -> str:
    """The name of a value that is measured after so many steps."""
    return on_split(value, f"{steps} steps")


def _opened(config: SearchConfig, out: Path, cache: Path) -> Run:
    """The run of a table; it is begun where there is none."""
    if not (out / ABOUT).exists():
        return begin(config, out, cache)[0]
    run, wanted = open_run(out), lasting(config)
    changed = [
        f"--{leaf.flag}"
        for leaf in leaves(SearchConfig)
        if leaf.name not in MAY_DIFFER
        and leaf.of(wanted) is not None
        and leaf.of(wanted) != leaf.of(run.config)
    ]
    if changed:
        raise AtrousError(
            f"The table in {out} was begun with another {', '.join(changed)}, so that its scores "
            "would not compare. Give the command that began it, or another --out."
        )
    return run


def _unseen(dataset: Dataset, asked: BenchConfig) -> dict[str, Samples]:
    """Images of the labelled splits that choose nothing, evenly taken, in proportion."""
    used = {"train", asked.search.data.select_on}
    splits = {s: found for s, found in dataset.splits.items() if found and s not in used}
    total = sum(map(len, splits.values()))
    if not total:
        raise AtrousError(
            f"All labelled images of {asked.search.data.path} choose: none are left for true "
            "scores. Select on a part of train: --select-on 0.2"
        )
    every = max(1, round(total / asked.unseen))
    return {split: found[::every] for split, found in splits.items()}


def _trials(architectures: Sequence[Architecture]) -> list[Trial]:
    """A trial for each architecture and seed, all of one architecture together."""
    pairs = ((architecture, seed) for architecture in architectures for seed in SEEDS)
    return [Trial(n, a, Origin(REPLICATE), seed) for n, (a, seed) in enumerate(pairs)]


@dataclass(frozen=True)
class _Prices:
    """The costs of architectures; latencies are kept in the run's folder."""

    run: Run
    prices: Prices

    def __call__(self, architecture: Architecture) -> Metrics:
        cost = cost_of(self.run, architecture)
        return {
            "parameters": float(cost.parameters),
            "multiply_adds": float(cost.multiply_adds),
            LATENCY: self.prices.latency(architecture),
        }


def _prices(run: Run) -> _Prices:
    return _Prices(run, Prices(run, run.goal))


def _measured(run: Run, plan: SearchPlan, estimate: RungsEstimator) -> BenchTable:
    """Trains what the ledger does not hold, and writes the table after each architecture."""
    ledger, done = run.ledger(), len(run.ledger().entries())
    task = run.task

    def written() -> BenchTable:
        rows = _rows(ledger.entries(), estimate, task.value)
        table = BenchTable(_about(run, estimate, task.value), rows)
        write_table(run.path / TABLE, table)
        return table

    with (
        run.locked(),
        find_executor(run.config.machine.executor, plan.workers) as executor,
        counting("training architectures with two seeds", len(plan.listed), done) as advance,
    ):

        def watch(entry: Entry) -> None:
            advance()
            if entry.trial.seed == SEEDS[-1]:
                written()

        search(plan, ledger, estimate, executor, watch)
    return written()


def _rows(entries: Sequence[Entry], estimate: RungsEstimator, value: str) -> tuple[Tabled, ...]:
    """The architectures whose trainings have ended well with all seeds, in their order."""
    ended: dict[Architecture, list[Measured]] = {}
    for entry in sorted(entries, key=lambda each: each.trial.number):
        if isinstance(entry.outcome, Measured):
            ended.setdefault(entry.trial.architecture, []).append(entry.outcome)
    return tuple(
        _row(architecture, found, estimate, value)
        for architecture, found in ended.items()
        if len(found) == len(SEEDS)
    )


def _row(
    architecture: Architecture, found: Sequence[Measured], estimate: RungsEstimator, value: str
) -> Tabled:
    values = [outcome.values for outcome in found]
    return Tabled(
        architecture=architecture,
        parameters=round(values[0]["parameters"]),
        multiply_adds=round(values[0]["multiply_adds"]),
        latency=_rounded(values[0][LATENCY]),
        seconds=_rounded(fmean(outcome.seconds for outcome in found)),
        selection=tuple(
            tuple(_rounded(each[at_rung(value, steps)]) for steps in estimate.rungs)
            for each in values
        ),
        unseen={s: tuple(_rounded(v[on_split(value, s)]) for v in values) for s in estimate.sets},
        untrained={name: tuple(_rounded(each[name]) for each in values) for name in ZERO_COSTS},
    )


def _rounded(number: float) -> float:
    """A measured number with as many digits as tell something, so that tables stay small."""
    return float(f"{number:.5g}")


def _about(run: Run, estimate: RungsEstimator, value: str) -> AboutTable:
    context, proxy = run.context, run.config.proxy
    splits = {split: data.images for split, data in estimate.sets.items()}
    return AboutTable(
        space=run.config.space,
        maps=context.maps,
        filters=proxy.filters,
        batch=proxy.batch,
        seeds=SEEDS,
        rungs=estimate.rungs,
        value=value,
        images={
            "train": context.training_images,
            "selection": context.selection_images,
            **splits,
        },
        backbone=run.config.encoder.chosen[0],
        drawn_by=run.config.seed,
        classes=len(context.classes),
        machine=context.machine,
        versions=dict(context.versions),
    )
