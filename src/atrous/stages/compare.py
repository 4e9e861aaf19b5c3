"""A fair comparison of a few architectures, on images no choice was made on, with fresh seeds.

The best score of a search is too good: it was picked for being high on the selection images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from atrous.core.architecture import Architecture
from atrous.core.config import SearchConfig
from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.core.statistics import Interval, mean_interval
from atrous.core.trial import Failed
from atrous.data.dataset import Dataset, Samples
from atrous.estimation.search_data import cached_of_data, estimator, features_of, unchanged_data
from atrous.execution import find_executor
from atrous.search.ranking import ranked
from atrous.search.run import Run
from atrous.spaces import find_architecture
from atrous.stages.replicates import Reading, fresh_jobs, read_all

READINGS = "comparison.jsonl"


@dataclass(frozen=True)
class Comparison:
    """The readings of a few architectures with `seeds` seeds each, but for trials `left_out`.

    `names` maps what the user called each to its text.
    """

    names: dict[str, str]
    splits: tuple[str, ...]
    seeds: int
    readings: Sequence[Reading]
    left_out: Sequence[Failed]


def compare(
    run: Run, chosen: tuple[str, ...], splits: tuple[str, ...], seeds: int, cache: Path
) -> Comparison:
    """Trains architectures anew under a run's proxy, with fresh seeds, and scores them on splits.

    `best` in `chosen` is the best of the run; no `splits` means all that no choice was made on.
    Interrupted, it goes on where it stopped when it is asked for again. A trial that diverges or
    runs out of memory is left out. Raises `AtrousError`.
    """
    if not chosen:
        raise AtrousError("Expected at least one of --architectures, such as best.")
    names = {name: _chosen(run, name) for name in chosen}
    sources = unchanged_data(run)
    splits = splits or _unseen_splits(run.config, sources.dataset)
    images = {split: _images(run.config, sources.dataset, split) for split in splits}
    material = cached_of_data(sources, run.config, run.settings.crop, run.settings.device, cache)
    sets = {
        split: features_of(samples, run.settings, sources, cache)
        for split, samples in images.items()
    }
    jobs = fresh_jobs(list(names.values()), seeds, run.config.proxy.steps, run.config.seed)
    executor = find_executor(run.config.machine.executor, run.settings.workers)
    proxy, path = estimator(run.settings, material), run.path / READINGS
    found = read_all(proxy, jobs, sets, executor, path)
    results = list(track(found, "training with fresh seeds", len(jobs)))
    left_out = [result for result in results if isinstance(result, Failed)]
    readings = [r for result in results if not isinstance(result, Failed) for r in result]
    if not readings:
        raise AtrousError(f"None of the architectures could be trained. {left_out[0].error}")
    texts = {name: str(architecture) for name, architecture in names.items()}
    return Comparison(texts, splits, seeds, readings, left_out)


def scores(readings: Sequence[Reading], architecture: str, split: str) -> dict[int, float]:
    """mIoU by seed."""
    return {
        r.seed: r.metrics.miou
        for r in readings
        if r.architecture == architecture and r.split == split
    }


def paired(readings: Sequence[Reading], one: str, other: str, split: str) -> Interval:
    """The difference in mIoU, `one` less `other`, over the seeds both were trained with."""
    left, right = scores(readings, one, split), scores(readings, other, split)
    return mean_interval([left[seed] - right[seed] for seed in sorted(left.keys() & right.keys())])


def _chosen(run: Run, name: str) -> Architecture:
    """The architecture of a name, where `best` is the best of the run that is no baseline."""
    if name != "best":
        return find_architecture(name)
    best = ranked(run.ledger().entries())
    if not best:
        raise AtrousError(f"Expected a trial with a score in {run.path}, but there is none yet.")
    return best[0].trial.architecture


def _unseen_splits(config: SearchConfig, dataset: Dataset) -> tuple[str, ...]:
    """The labelled splits that the search neither trained nor selected on."""
    used = {"train", config.data.select_on}
    unseen = tuple(s for s, found in dataset.splits.items() if found and s not in used)
    if not unseen:
        raise AtrousError(
            f"All labelled images of {config.data.path} were used in the search: none are left to "
            "compare on. Search with a part of train held out (--select-on 0.2), so that val "
            "stays unseen; or name a split with --on, and mind that its scores flatter."
        )
    return unseen


def _images(config: SearchConfig, dataset: Dataset, split: str) -> Samples:
    samples = dataset.splits.get(split, ())
    if not samples:
        have = ", ".join(name for name, found in dataset.splits.items() if found)
        raise AtrousError(
            f"Expected images in split {split!r} of {config.data.path}; there are images in: "
            f"{have}."
        )
    return samples
