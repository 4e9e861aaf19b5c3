"""Looks through a data set before hours are spent on it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from atrous.core.console import command, note, track
from atrous.core.errors import AtrousError
from atrous.core.words import quantity
from atrous.data import findings
from atrous.data.canvas import Size
from atrous.data.dataset import IGNORE, Dataset, Progress, select
from atrous.data.findings import Problem, Seen, Terms
from atrous.data.inspection import Inspection, below, inspect
from atrous.data.layouts import read_layout
from atrous.data.layouts.folder import CLASSES


@dataclass(frozen=True)
class Report:
    """The content of a data set and everything that is wrong with it.

    `shares[split][name]` is a class's share of the split's labelled pixels, `ignored[split]` the
    share of all its mask pixels that are ignored, both in [0, 1]; splits without a usable mask are
    left out of both. `sizes` counts images per size, written `WIDTHxHEIGHT` in pixels.
    `unlabelled` counts the images of splits without published labels; they are not opened.
    """

    root: str
    classes: tuple[str, ...]
    problems: tuple[Problem, ...]
    images: dict[str, int]
    shares: dict[str, dict[str, float]]
    ignored: dict[str, float]
    sizes: dict[str, int]
    layout: str
    unlabelled: dict[str, int]

    @property
    def errors(self) -> int:
        return sum(problem.severity == "error" for problem in self.problems)

    @property
    def warnings(self) -> int:
        return len(self.problems) - self.errors


def check(source: Path | Dataset, progress: Progress = track, select_on: str = "") -> Report:
    """Decodes every image and mask once and reports all that is wrong.

    A folder is also searched for files without partner; of a `Dataset`, the samples are checked.
    With `select_on`, what is to be learnt is looked for on the images that it leaves to train on.
    Raises AtrousError where nothing can be checked: no known layout, a missing part of one, no
    usable class names.
    """
    if isinstance(source, Dataset):
        return _report(source, (), progress, select_on)
    reading = read_layout(source)
    return _report(reading.dataset, reading.problems, progress, select_on)


def _report(
    dataset: Dataset, known: Sequence[Problem], progress: Progress, select_on: str
) -> Report:
    inspections = list(_inspections(dataset, progress))
    seen = [i.seen for i in inspections if i.seen is not None]
    digests = [(i.split, i.image, i.digest) for i in inspections if i.digest is not None]
    problems = [
        *known,
        *(problem for inspection in inspections for problem in inspection.problems),
        *_split_sizes(dataset),
        *findings.doubles(digests, dataset.published),
        *_labels(seen, dataset, select_on),
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
        dataset.layout,
        {split: len(images) for split, images in dataset.unlabelled.items()},
    )


def _inspections(dataset: Dataset, progress: Progress) -> Iterator[Inspection]:
    jobs = [(split, sample) for split, samples in dataset.splits.items() for sample in samples]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        done = pool.map(lambda job: inspect(dataset, *job), jobs)
        yield from progress(done, "checking images and masks", len(jobs))


def _labels(seen: Sequence[Seen], dataset: Dataset, select_on: str) -> list[Problem]:
    if not seen:
        return findings.single(seen, dataset.classes, CLASSES)
    terms = _terms(dataset)
    places = {split: _place(dataset, split, "masks") for split in dataset.splits}
    return [
        *findings.mixed_bits(seen),
        *findings.permuted(seen),
        *findings.undeclared(seen, terms),
        *_one_class(seen, dataset, select_on),
        *findings.ignored(seen, IGNORE, terms),
        *findings.absent(seen, dataset.classes, places),
    ]


def _one_class(seen: Sequence[Seen], dataset: Dataset, select_on: str) -> list[Problem]:
    binary = [] if dataset.published else findings.binary(seen, IGNORE)
    held = select(dataset, select_on)[1] if select_on else ()
    names = {below(dataset.root, sample.mask) for sample in held}
    training = [mask for mask in seen if mask.split == "train" and mask.file not in names]
    return binary or findings.single(training, dataset.classes, CLASSES)


def _terms(dataset: Dataset) -> Terms:
    if not dataset.published:
        return Terms(
            f"classes.txt declares 0 to {len(dataset.classes) - 1}",
            "name the classes that are missing, in the order of their ids (the first line of "
            "classes.txt is class 0), or write 255 (ignore)",
            "write the class ids (0, 1, 2, ...) into the masks",
            len(dataset.classes),
        )
    values = next(s.encoding.values for samples in dataset.splits.values() for s in samples)
    mend = "unpack the published masks again, over the ones that are there"
    return Terms(f"{dataset.layout} has {values}", mend, mend)


def _place(dataset: Dataset, split: str, kind: Literal["images", "masks"]) -> str:
    """The folder of a split's images or masks, as it is shown."""
    samples = dataset.splits[split]
    if not samples:
        return split if dataset.published else f"{kind}/{split}"
    folders = {str((s.image if kind == "images" else s.mask).parent) for s in samples}
    return below(dataset.root, Path(os.path.commonpath(folders)))


def _shares(total: findings.Counts, classes: Sequence[str]) -> dict[str, float]:
    labelled = total[: len(classes)]
    return {
        name: float(count / max(1, labelled.sum()))
        for name, count in zip(classes, labelled, strict=True)
    }


def _split_sizes(dataset: Dataset) -> Iterator[Problem]:
    for split, samples in dataset.splits.items():
        place = _place(dataset, split, "images")
        if not samples and _is_missed(dataset, split):
            finding = f"the {split} split is empty: no image with a mask"
            yield Problem("warning", place, finding, _EMPTY[split])
        if len(samples) == 1:
            finding = f"the {split} split is a single image, so its scores mean little"
            yield Problem("warning", place, finding, "add images if you can")


def _is_missed(dataset: Dataset, split: str) -> bool:
    """Whether an empty split is worth a word; no train at all is reported by the layout."""
    published = dataset.published and split == "test"
    return split != "train" and not published and split not in dataset.unlabelled


_EMPTY: Mapping[str, str] = {
    "val": "add val images, or select on a part of train",
    "test": "add test images if you want a score on images no decision has seen",
}


SHOWN = 5
"""So many faults are told; `atrous check` tells all."""


def require_sound(source: Path | Dataset, select_on: str = "") -> list[Size]:
    """Checks the data set and gives the different sizes (H, W) of its images, in pixels.

    Raises `AtrousError` if `atrous check` finds errors, or there is nothing to learn on what
    `select_on` leaves to train on; that there are warnings is told.
    """
    root = source.root if isinstance(source, Dataset) else source
    files = _files(source if isinstance(source, Dataset) else read_layout(source).dataset)
    report = _CHECKED.get((root, select_on))
    if report is None or report[0] != files:
        report = _CHECKED[root, select_on] = files, check(source, select_on=select_on)
    return _sizes_of(root, report[1])


_Files = tuple[tuple[Path, int, int], ...]
_CHECKED: dict[tuple[Path, str], tuple[_Files, Report]] = {}
"""The findings in data sets that this process has checked, with their files as they were: a run
of several stages checks once."""


def _files(dataset: Dataset) -> _Files:
    """The images and masks with their sizes and times of change; a missing one has neither."""
    paths = (p for each in dataset.splits.values() for s in each for p in (s.image, s.mask))
    states = ((path, path.stat() if path.exists() else None) for path in paths)
    return tuple((p, s.st_size if s else -1, s.st_mtime_ns if s else -1) for p, s in states)


def _sizes_of(root: Path, report: Report) -> list[Size]:
    if report.errors:
        raise AtrousError(_refusal(root, report))
    if report.warnings:
        first, more = report.problems[0], report.warnings - 1
        others = f" ({quantity(more, 'more warning')})" if more else ""
        note(f"{first.file}: {first.finding}{others}. See: {command('check', root)}")
    return [(int(h), int(w)) for w, h in (size.split("x") for size in report.sizes)]


def _refusal(root: Path, report: Report) -> str:
    errors = [problem for problem in report.problems if problem.severity == "error"]
    listed = [f"  {p.file}: {p.finding}. {p.mend}" for p in errors[:SHOWN]]
    if len(errors) > SHOWN:
        listed.append(f"  and {len(errors) - SHOWN} more")
    count = "a problem" if len(errors) == 1 else f"{len(errors)} problems"
    first = f"The data set {root} has {count} that must be mended first:"
    return "\n".join([first, *listed, f"See all of them with: {command('check', root)}"])
