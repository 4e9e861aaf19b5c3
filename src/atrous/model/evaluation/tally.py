"""The progress of an evaluation, kept in a file so that it can be stopped and gone on with."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from atrous.core.files import MEND
from atrous.core.records import Count, Share, from_text, write_plain
from atrous.model.evaluation.record import Shares, packed, shares_of, unpacked
from atrous.tasks.segmentation.evaluate import Counted, Counts, summarise

INTERVAL = 30.0
"""Seconds between two writings of the file."""


class Tally:
    """The counts of the images that are done, the mIoU of each, and its `Shares`.

    The mIoU is None for an image of which no pixel is labelled.

    The file goes with a `key`: all that the counts depend on. One with another key, or one that
    cannot be read, is begun anew. It is written every `INTERVAL` seconds and at the end of
    `keeping`, always between two passes of the network, so that the passes that follow are those
    of an evaluation that was never stopped.
    """

    def __init__(self, path: Path, key: Mapping[str, Any], classes: int) -> None:
        self.path = path
        self.key = hashlib.blake2b(
            json.dumps(key, sort_keys=True).encode(), digest_size=16
        ).hexdigest()
        self.counts: Counts = np.zeros((classes, classes), dtype=np.int64)
        self.scores: list[float | None] = []
        self.shares: list[Shares] = []
        self._unsettled: list[Counts] = []
        self._written = time.monotonic()
        self._read()

    @property
    def done(self) -> int:
        """The number of images in the counts."""
        return len(self.scores)

    def add(self, one: Counted) -> None:
        """Takes the next image's counts in, as soon as the pass they came from is complete."""
        self._unsettled.append(one.counts)
        if not one.settled:
            return
        for counts in self._unsettled:
            self.counts += counts
            self.scores.append(summarise(counts).miou if counts.any() else None)
            self.shares.append(shares_of(counts))
        self._unsettled.clear()
        if time.monotonic() - self._written > INTERVAL:
            self._write()

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Writes the file on the way out, whatever the reason. Raises AtrousError if it cannot."""
        try:
            yield
        finally:
            self._write()

    def discard(self) -> None:
        """Removes the file of a finished evaluation."""
        self.path.unlink(missing_ok=True)

    def _read(self) -> None:
        try:
            kept = from_text(_Kept, self.path.read_bytes())
            counts = np.array(kept.counts, dtype=np.int64)
            shares = unpacked(kept.by_image, (len(kept.scores), 3, len(self.counts)))
        except (OSError, ValueError):
            return
        if kept.key == self.key and counts.shape == self.counts.shape:
            self.counts, self.scores, self.shares = counts, list(kept.scores), list(shares)

    def _write(self) -> None:
        counts = tuple(map(tuple, self.counts.tolist()))
        kept = _Kept(self.key, tuple(self.scores), counts, packed(self.shares))
        write_plain(self.path, kept, "the counts", MEND)
        self._written = time.monotonic()


@dataclass(frozen=True)
class _Kept:
    """The content of the file."""

    key: str
    scores: tuple[Share | None, ...]
    counts: tuple[tuple[Count, ...], ...]
    by_image: str
