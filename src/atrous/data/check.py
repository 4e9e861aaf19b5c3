"""Looks through a data set before hours are spent on it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from atrous.data import findings
from atrous.data.dataset import IGNORE, Dataset, Progress, samples_of
from atrous.data.findings import Problem, Seen
from atrous.data.inspection import Inspection, inspect
from atrous.data.layout import (
    SPLITS,
    SplitFiles,
    list_split,
    no_train_message,
    read_classes,
    require_layout,
)
from atrous.progress import track


@dataclass(frozen=True)
class Report:
    """What a data set holds and what is wrong with it.

    `shares[split][name]` is a class's share of the split's labelled pixels, `ignored[split]` the
    share of all its mask pixels that are ignored, both in [0, 1]; splits without a usable mask are
    left out of both. `sizes` counts images per size, written `WIDTHxHEIGHT` in pixels.
    """

    root: str
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    images: dict[str, int]
    shares: dict[str, dict[str, float]]
    ignored: dict[str, float]
    sizes: dict[str, int]

    @property
    def errors(self) -> int:
        return sum(problem.severity == "error" for problem in self.problems)

    @property
    def warnings(self) -> int:
        return len(self.problems) - self.errors


def check(source: Path | Dataset, progress: Progress = track) -> Report:
    """Decodes every image and mask once and reports all that is wrong.

    A folder is also searched for files without partner; of a `Dataset`, the samples are checked.
    Raises AtrousError where nothing can be checked: no such layout, no usable classes.txt.
    """
    if isinstance(source, Dataset):
        return _report(source, [], progress)
    require_layout(source)
    classes = read_classes(source)
    files = {split: list_split(source, split) for split in SPLITS}
    splits = {split: samples_of(found) for split, found in files.items()}
    problems = [p for split in SPLITS for p in _partners(source, split, files[split])]
    if not splits["train"]:
        finding, _, mend = no_train_message(source, files["train"]).partition(" To mend: ")
        problems.append(Problem("error", "images/train", finding.rstrip("."), mend.rstrip(".")))
    return _report(Dataset(source, classes, splits), problems, progress)


def _report(dataset: Dataset, problems: list[Problem], progress: Progress) -> Report:
    inspections = list(_inspections(dataset, progress))
    seen = [Seen(i.split, i.mask, i.counts) for i in inspections if i.counts is not None]
    digests = [(i.split, i.image, i.digest) for i in inspections if i.digest is not None]
    problems = [
        *problems,
        *_split_sizes(dataset),
        *(problem for inspection in inspections for problem in inspection.problems),
        *findings.doubles(digests),
        *_labels(seen, dataset.classes),
    ]
    sizes = Counter(f"{i.size[0]}x{i.size[1]}" for i in inspections if i.size is not None)
    totals = {s: sum(m.counts for m in seen if m.split == s) for s in dataset.splits}
    counted = {s: np.asarray(total) for s, total in totals.items() if np.any(total)}
    return Report(
        str(dataset.root),
        dataset.classes,
        tuple(findings.gather(problems)),
        {split: len(samples) for split, samples in dataset.splits.items()},
        {split: _shares(total, dataset.classes) for split, total in counted.items()},
        {split: float(total[IGNORE] / total.sum()) for split, total in counted.items()},
        dict(sizes.most_common()),
    )


def _inspections(dataset: Dataset, progress: Progress) -> Iterator[Inspection]:
    jobs = [(split, sample) for split, samples in dataset.splits.items() for sample in samples]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        done = pool.map(lambda job: inspect(dataset.root, *job), jobs)
        yield from progress(done, "checking images and masks", len(jobs))


def _labels(seen: Sequence[Seen], classes: Sequence[str]) -> list[Problem]:
    if not seen:
        return []
    return [
        *findings.undeclared(seen, len(classes), IGNORE),
        *findings.binary(seen, IGNORE),
        *findings.ignored(seen, IGNORE),
        *findings.absent(seen, classes),
    ]


def _shares(total: findings.Counts, classes: Sequence[str]) -> dict[str, float]:
    labelled = total[: len(classes)]
    return {
        name: float(count / max(1, labelled.sum()))
        for name, count in zip(classes, labelled, strict=True)
    }


def _split_sizes(dataset: Dataset) -> Iterator[Problem]:
    for split, samples in dataset.splits.items():
        if not samples and split != "train":
            finding = f"the {split} split is empty: no image with a mask"
            yield Problem("warning", f"images/{split}", finding, _EMPTY[split])
        if len(samples) == 1:
            finding = f"the {split} split is a single image, so its scores mean little"
            yield Problem("warning", f"images/{split}", finding, "add images if you can")


_EMPTY: Mapping[str, str] = {
    "val": "add val images, or select on a part of train",
    "test": "add test images if you want a score on images no decision has seen",
}


def _partners(root: Path, split: str, files: SplitFiles) -> Iterator[Problem]:
    """Names with an image or a mask only, and names used by two files."""
    for kind, other, mine, theirs in (
        ("image", "mask", files.images, files.masks),
        ("mask", "image", files.masks, files.images),
    ):
        for name, paths in mine.items():
            file = paths[0].relative_to(root).as_posix()
            if len(paths) > 1:
                finding = f"shares its name with {paths[1].name}; neither is used"
                yield Problem("error", file, finding, f"give every {kind} a name of its own")
            elif name not in theirs:
                finding = f"has no {other} {other}s/{split}/{name}.*, so it is not used"
                hint = next((n for n in theirs if n.startswith(name) and n not in mine), None)
                finding += f" (is it {other}s/{split}/{hint}.*?)" if hint else ""
                mend = f"give each {kind} a {other} of the same name, or delete it"
                yield Problem("warning", file, finding, mend)
