"""Findings of a check, one file at a time and over the whole data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from atrous.core.words import quantity
from atrous.data.encoding import IGNORE, Colour, voc_colour

Severity = Literal["error", "warning"]
Counts = npt.NDArray[np.int64]
NOTHING = "there is one class, and nothing to learn"
PLAIN = "save the masks as 8-bit greyscale PNG whose values are the class ids, 255 = ignore"

_FROM_ONE = (
    "if the masks count from 1 and their 0 is unlabelled, write 255 for 0 and subtract 1 from the "
    "others; if their 0 is a class of its own, put its name first in classes.txt"
)
_BY_INDEX = (
    "these palettes hold greys alone, which were read as the ids; if the indices are meant, save "
    "them as 8-bit greyscale PNG, e.g. Image.fromarray(np.array(Image.open(p))).save(p) with Pillow"
)
_BY_COLOUR = (
    "replace each colour by the number of its class and save 8-bit greyscale PNG, or export the "
    "masks again"
)
_VOC: Mapping[Colour, int] = {voc_colour(index): index for index in range(256)}
_LISTED = 3
_VALUES_LISTED = 8


@dataclass(frozen=True)
class Problem:
    """Something wrong with `files` files, of which `file` (relative to the data set) is the first.

    An error spoils training or scores; a warning is to be known.
    """

    severity: Severity
    file: str
    finding: str
    mend: str
    files: int = 1


@dataclass(frozen=True)
class Seen:
    """Content of a mask: pixels by class id 0 to 255, and by value on disk that is no class.

    `one_bit` tells a grey image of one bit a pixel, `by_grey` a palette image whose greys were
    read; `indices` are those of a palette image that was read by index, by the colours it shows.
    """

    split: str
    file: str
    counts: Counts
    strange: Mapping[int, int] = field(default_factory=dict)
    one_bit: bool = False
    by_grey: bool = False
    indices: Mapping[Colour, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Terms:
    """How a data set's masks are spoken of: which values they may hold, and what mends them."""

    declared: str
    undeclared_mend: str
    ignored_mend: str
    first_undeclared: int = -1
    """The value that masks of all classes hold if they count from 1."""

    def mend_of(self, values: Sequence[int]) -> str:
        """Returns what mends values that are no class."""
        from_one = self.first_undeclared in values
        return f"{_FROM_ONE}; else {self.undeclared_mend}" if from_one else self.undeclared_mend


def gather(problems: Iterable[Problem]) -> list[Problem]:
    """Errors first; more than three of one kind (the same mend) become one that counts them."""
    kinds: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault((problem.severity, problem.mend), []).append(problem)
    merged: list[Problem] = []
    for group in kinds.values():
        merged += group if len(group) <= _LISTED else [_merge(group)]
    return sorted(merged, key=lambda problem: problem.severity)


def undeclared(seen: Sequence[Seen], terms: Terms) -> list[Problem]:
    """Mask values that are neither a class nor ignored: which, how often, in which files."""
    total: Counter[int] = Counter()
    for mask in seen:
        total.update(mask.strange)
    values = sorted(total)
    groups = [[value] for value in values] if len(values) <= _LISTED else [values]
    return [_undeclared(group, seen, total, terms) for group in groups]


def binary(seen: Sequence[Seen], ignore: int) -> list[Problem]:
    """Masks that hold 0 and 255 only, where 255 is most likely meant to be class 1."""
    total = _total(seen)
    if not (total[0] and total[ignore]) or total.sum() != total[0] + total[ignore]:
        return []
    first = next(mask for mask in seen if mask.counts[ignore])
    return [
        Problem(
            "error",
            first.file,
            f"all {len(seen)} masks hold only the values 0 and {ignore}, but {ignore} means "
            f"'ignore': {NOTHING}",
            f"write 1 where the masks have {ignore}, if {ignore} was meant as the second class",
            len(seen),
        )
    ]


def single(seen: Sequence[Seen], classes: Sequence[str], place: str) -> list[Problem]:
    """Masks to train on in which every labelled pixel is of one class."""
    if len(classes) == 1:
        mend = "name two classes at least; what is none of the others is a class too (background)"
        return [Problem("error", place, f"names {classes[0]!r} alone: {NOTHING}", mend)]
    total = _total(seen) if seen else np.zeros(256, np.int64)
    labelled = np.flatnonzero(total[:IGNORE])
    if len(labelled) != 1 or labelled[0] >= len(classes):
        return []
    finding = f"every labelled pixel to train on is {classes[labelled[0]]!r}: {NOTHING}"
    mend = "label what is of another class too, or export the masks again as class ids"
    return [Problem("error", seen[0].file, finding, mend, len(seen))]


def mixed_bits(seen: Sequence[Seen]) -> list[Problem]:
    """Masks of one bit a pixel beside others: lossless tools make them of 0 and 255."""
    bits = [mask for mask in seen if mask.one_bit and mask.counts[1]]
    others = [mask for mask in seen if not mask.one_bit and mask.counts[1:].any()]
    if not bits or not others:
        return []
    finding = (
        f"has one bit a pixel, others such as {others[0].file} more: its white is class 1 to those "
        "who write such files, and 255 ('ignore') once a lossless tool made it from 8 bits"
    )
    return [Problem("error", bits[0].file, finding, PLAIN, len(bits))]


def permuted(seen: Sequence[Seen]) -> list[Problem]:
    """Palette masks in which one colour has several indices: their palettes were rearranged."""
    first: dict[Colour, tuple[int, str]] = {}
    for mask in seen:
        for colour, index in mask.indices.items():
            known, file = first.setdefault(colour, (index, mask.file))
            if known != index:
                finding = (
                    f"shows the colour {colour} by index {index}, but {file} by {known}: palettes "
                    "that were rearranged file by file (lossless tools do it) give no class ids"
                )
                return [Problem("error", mask.file, finding, _BY_COLOUR)]
    moved = [c for c, (index, _) in first.items() if _VOC.get(c, index) != index]
    if not moved or not first.keys() <= _VOC.keys():
        return []
    index, file = first[moved[0]]
    finding = (
        f"shows the colours of PASCAL VOC's map, but {moved[0]}, which is its {_VOC[moved[0]]}, by "
        f"index {index}: either its palette was rearranged (lossless tools do it), or these masks "
        "count in their own way"
    )
    return [Problem("error", file, finding, _BY_COLOUR)]


def ignored(seen: Sequence[Seen], ignore: int, terms: Terms) -> list[Problem]:
    """Splits and masks in which every pixel is ignored."""
    problems = []
    for split in dict.fromkeys(mask.split for mask in seen):
        masks = [mask for mask in seen if mask.split == split]
        empty = [mask for mask in masks if mask.counts[ignore] == mask.counts.sum()]
        if len(empty) == len(masks):
            finding = f"every pixel of every mask in {split} is {ignore}, which means 'ignore'"
            mend = terms.ignored_mend
            problems.append(Problem("error", empty[0].file, finding, mend, len(empty)))
        else:
            finding, mend = f"every pixel is {ignore} ('ignore')", "label it or leave it out"
            problems += [Problem("warning", mask.file, finding, mend) for mask in empty]
    return problems


def absent(
    seen: Sequence[Seen], classes: Sequence[str], places: Mapping[str, str]
) -> list[Problem]:
    """Classes without a pixel in a split; `places` says where the masks of a split are."""
    problems = []
    for split in dict.fromkeys(mask.split for mask in seen):
        total = _total([mask for mask in seen if mask.split == split])
        names = [repr(name) for k, name in enumerate(classes) if not total[k]]
        if not names or len(names) == len(classes):
            continue
        finding = f"no pixel of {split} is labelled {', '.join(names)}"
        problems.append(Problem("warning", places[split], finding, _absent_mend(split)))
    return problems


def doubles(digests: Sequence[tuple[str, str, bytes]], published: bool = False) -> list[Problem]:
    """Images with equal pixels, from (split, file, digest of the pixels).

    Published benchmarks hold a few, and are compared with them: a warning there.
    """
    first: dict[bytes, tuple[str, str]] = {}
    problems = []
    for split, file, digest in digests:
        earlier_split, earlier = first.setdefault(digest, (split, file))
        if earlier == file:
            continue
        finding = f"has the same pixels as {earlier}"
        if split != earlier_split:
            mend = "keep an image in one split only, or scores will be too good"
            problems.append(Problem("warning" if published else "error", file, finding, mend))
        else:
            mend = "delete one of the two, unless it is meant to count twice"
            problems.append(Problem("warning", file, finding, mend))
    return problems


def _merge(group: Sequence[Problem]) -> Problem:
    others = ", ".join(problem.file for problem in group[1:_LISTED])
    rest = len(group) - 1
    finding = f"{group[0].finding}; {rest} more files like it: {others}, ..."
    return replace(group[0], finding=finding, files=sum(problem.files for problem in group))


def _undeclared(
    values: list[int], seen: Sequence[Seen], total: Mapping[int, int], terms: Terms
) -> Problem:
    inside = [mask.file for mask in seen if not mask.strange.keys().isdisjoint(values)]
    pixels, whole = sum(total[value] for value in values), int(_total(seen).sum())
    share = "under 0.01%" if pixels < whole / 1e4 else f"{pixels / whole:.2%}"
    named = ", ".join(map(str, values[:_VALUES_LISTED]))
    more = f", ... ({len(values)} values)" if len(values) > _VALUES_LISTED else ""
    files = ", ".join(inside[:_LISTED]) + (", ..." if len(inside) > _LISTED else "")
    finding = (
        f"mask value {named}{more} is no class: {terms.declared}; "
        f"{quantity(pixels, 'pixel')} ({share}) in "
        f"{quantity(len(inside), 'file')}: {files}"
    )
    mend = (
        terms.mend_of(values)
        if not more
        else "make the masks hold class ids; values like these come from lossy compression, "
        "resizing with interpolation, or grey levels instead of ids; or write 255 (ignore)"
    )
    if any(mask.by_grey for mask in seen if mask.file in inside):
        mend = f"{_BY_INDEX}; else {mend}"
    return Problem("error", inside[0], finding, mend, len(inside))


def _absent_mend(split: str) -> str:
    if split == "train":
        return "add training images that show it; it cannot be learned, and lowers the mIoU"
    return f"move images that show it to {split}; its IoU there will say nothing"


def _total(seen: Sequence[Seen]) -> Counts:
    total: Counts = np.sum([mask.counts for mask in seen], axis=0, dtype=np.int64)
    return total
