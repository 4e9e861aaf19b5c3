"""A data set: named pairs of image and mask, in splits, and what is selected on."""

from __future__ import annotations

import fnmatch
import hashlib
import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol, TypeVar

from atrous.core.console import track, untracked
from atrous.core.errors import AtrousError
from atrous.core.options import compared
from atrous.data.encoding import IDENTITY, UNKNOWN, Colour, Encoding, distinct
from atrous.data.encoding import IGNORE as IGNORE
from atrous.data.pixels import Pixels, decode
from atrous.data.pixels import read_image as read_image
from atrous.data.pixels import read_mask as read_mask

S = TypeVar("S")
T = TypeVar("T")

AHEAD = 4
"""How many of what is read wait for each thread that reads."""

FOLDER = "folder"
"""The layout of a data set of one's own: images/SPLIT, masks/SPLIT, classes.txt."""


class Progress(Protocol):
    """Passes items on and shows how many of `total` are done; see `atrous.core.console.track`."""

    def __call__(self, items: Iterable[T], label: str, total: int) -> Iterator[T]: ...


@dataclass(frozen=True)
class Sample:
    """An image file and its mask file. `name` is unique in its split and has no suffix."""

    name: str
    image: Path
    mask: Path
    encoding: Encoding = IDENTITY


Samples = tuple[Sample, ...]


@dataclass(frozen=True)
class Dataset:
    """Class `k` is `classes[k]`. `splits` maps train, val, test to samples sorted by name.

    `layout` names the layout the files were found in, `official` the published colours of the
    classes, if there are any; `unlabelled` are the images of splits whose labels are not published.
    """

    root: Path
    classes: tuple[str, ...]
    splits: Mapping[str, Samples]
    layout: str = FOLDER
    official: tuple[Colour, ...] = ()
    unlabelled: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)

    @property
    def colours(self) -> tuple[Colour, ...]:
        """One colour per class: the published ones, else colours that are easy to tell apart."""
        return self.official or distinct(len(self.classes))

    @property
    def published(self) -> bool:
        """Whether this is a benchmark that is used as it is, flaws included."""
        return self.layout != FOLDER


def read_labels(sample: Sample) -> Pixels:
    """The class ids of a sample's pixels, uint8 H x W, 255 = ignore.

    Raises AtrousError naming the file if it cannot be used or holds a value that means nothing.
    """
    raw = sample.encoding.raw(decode(sample.mask), sample.mask)
    labels = sample.encoding.labels(raw)
    unknown = labels == UNKNOWN
    if sample.encoding != IDENTITY and unknown.any():
        raise AtrousError(
            f"{sample.mask} holds {int(raw[unknown][0])}, which is none of "
            f"{sample.encoding.values}. To mend: unpack the published masks again; `atrous check` "
            "lists all such values."
        )
    return labels


def select(dataset: Dataset, select_on: str) -> tuple[Samples, Samples]:
    """(training samples, selection samples); they never overlap.

    `select_on` is one of
    - `val`: train on the train split, select on the val split;
    - a number between 0 and 1, written with a point (`0.2`): this share of train is held out.
      Which images is decided by their names alone, so images added later do not move the others;
    - other text: a file-name prefix (`0006R0`) or pattern (`*_night_*`, with * ? [abc]); the train
      images it matches are held out.

    Raises AtrousError when either side would be empty.
    """
    text = unicodedata.normalize("NFC", select_on.strip())
    train = dataset.splits.get("train", ())
    if text == "val":
        return train, _val(dataset)
    if text in ("", "train", "test"):
        raise AtrousError(
            f"Cannot select on {select_on!r}: train is what candidates learn from, and test is "
            f"kept for the final report. {_CHOICES}"
        )
    share = _number(text)
    held = _by_pattern(train, text) if share is None else _by_share(train, share, select_on)
    rest = tuple(sample for sample in train if sample not in held)
    if not rest:
        raise AtrousError(
            f"Selecting on {select_on!r} holds out all {len(train)} train images of "
            f"{dataset.root}, which leaves none to train on. {_CHOICES}"
        )
    return rest, tuple(sample for sample in train if sample in held)


def halves(samples: Samples) -> tuple[Samples, Samples]:
    """Returns images to choose on, and others to read the chosen on: the names in order, cut in the
    middle, or where another sequence begins if each side keeps a quarter.

    A sequence has one name but for the number at its end. Its frames are much alike, so that those
    of one half are to lie together. Raises `AtrousError` for fewer than two images.
    """
    count = len(samples)
    if count < 2:
        raise AtrousError(
            f"Expected at least 2 selection images for --reread, one to choose on and one to read "
            f"the chosen on, got {count}. Give --reread 0, or select on more images (--select-on)."
        )
    ordered = sorted(samples, key=lambda sample: sample.name)
    begins = [re.sub(r"\d+$", "", sample.name) for sample in ordered]
    other = [n for n in range(1, count) if begins[n] != begins[n - 1]]
    cuts = [n for n in other if count <= 4 * n <= 3 * count]
    cut = min(cuts, key=lambda n: abs(2 * n - count), default=(count + 1) // 2)
    return tuple(ordered[:cut]), tuple(ordered[cut:])


def fingerprint(samples: Sequence[Sample], progress: Progress = track) -> str:
    """A hash, 32 hex digits, of names, file contents and what mask values mean.

    The order of samples does not matter.
    A file is read once in the life of the process, as long as its size and time stay the same.
    """
    ordered = sorted(samples, key=lambda sample: sample.name)
    whole = hashlib.blake2b(digest_size=16)
    for sample in progress(ordered, "reading the data set", len(ordered)):
        whole.update(hashlib.blake2b(_bytes(sample.name), digest_size=16).digest())
        for path in (sample.image, sample.mask):
            whole.update(_content(path))
        if sample.encoding != IDENTITY:
            whole.update(sample.encoding.digest())
    return whole.hexdigest()


@dataclass(frozen=True)
class DataFingerprint:
    """The fingerprints of the two sides of a search or a training: each has its own, so that an
    image moved from one side to the other is noticed."""

    training: str = compared("Of training images.", flag="training-fingerprint")
    selection: str = compared("Of selection images.", flag="selection-fingerprint")

    def changes(self, now: DataFingerprint, select_on: str) -> str:
        """Names the sides that have changed until `now`, with their splits; empty if none has."""
        val = select_on.strip() == "val"
        sides = (
            ("training", "train", self.training, now.training),
            ("selection", "val" if val else f"{select_on} of train", self.selection, now.selection),
        )
        return " and ".join(
            f"{side} images or masks (split {split}: fingerprint {then}, now {found})"
            for side, split, then, found in sides
            if then != found
        )


def fingerprint_sides(
    training: Sequence[Sample], selection: Sequence[Sample], progress: Progress = track
) -> DataFingerprint:
    """The fingerprint of each side; see `fingerprint`."""
    both = (*training, *selection)
    for sample in progress(both, "reading the data set", len(both)):
        _content(sample.image), _content(sample.mask)
    return DataFingerprint(fingerprint(training, untracked), fingerprint(selection, untracked))


_CHOICES = (
    "Give `val`, a share of train such as `0.2`, or the beginning of the names of the train "
    "images to hold out (or a pattern with *)."
)


def _val(dataset: Dataset) -> Samples:
    val = dataset.splits.get("val", ())
    if not val:
        raise AtrousError(
            f"Cannot select on val: {dataset.root} has no image with a mask in its val split. "
            f"{_CHOICES}"
        )
    return val


def _number(text: str) -> float | None:
    """The number, if written with a point; `0016` is the beginning of a name."""
    return float(text) if re.fullmatch(r"[+-]?\d*\.\d+", text) else None


def _by_pattern(train: Samples, text: str) -> frozenset[Sample]:
    pattern = text if any(sign in text for sign in "*?[") else text + "*"
    held = frozenset(s for s in train if fnmatch.fnmatchcase(s.name, pattern))
    if not held:
        examples = ", ".join(sample.name for sample in train[:: max(1, len(train) // 3)][:3])
        raise AtrousError(
            f"No train image is named like {pattern!r}, so there is nothing to select on. "
            f"Train has {len(train)} images, such as {examples or 'none'}. {_CHOICES}"
        )
    return held


def _by_share(train: Samples, share: float, select_on: str) -> frozenset[Sample]:
    """The samples whose name hashes below `share`; at least one, and not all where two exist."""
    if not 0 < share < 1:
        raise AtrousError(
            f"Cannot hold out the share {select_on!r} of train: expected a number between 0 and 1, "
            f"both excluded. {_CHOICES}"
        )
    ranked = sorted(train, key=lambda sample: rank(sample.name))
    held = [sample for sample in ranked if rank(sample.name) < share]
    most = max(1, len(ranked) - 1)
    return frozenset((held or ranked[:1])[:most])


def rank(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    digest = hashlib.blake2b(_bytes(name), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _bytes(name: str) -> bytes:
    """A name as bytes, whatever bytes a file system gave for it."""
    return name.encode(errors="surrogateescape")


def _content(path: Path) -> bytes:
    try:
        stat = path.stat()
        return _digest(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise AtrousError(f"Cannot read {path}: {error.strerror}. Is it still there?") from None


@cache
def _digest(path: Path, _size: int, _modified: int) -> bytes:
    return hashlib.blake2b(path.read_bytes(), digest_size=16).digest()


def read_ahead(read: Callable[[S], T], items: Iterable[S], threads: int) -> Iterator[T]:
    """Yields `read` of each item in order, read by other threads; few exist at a time. Without
    threads, each is read when it is asked for.

    Threads serve as well as processes would: decoding and resizing pictures leaves the interpreter
    free. They begin at once, and may begin in a process that is allowed no children.
    """
    if not threads:
        yield from map(read, items)
        return
    pool = ThreadPoolExecutor(threads, thread_name_prefix="atrous-reader")
    waiting: deque[Future[T]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) > AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
