"""Numbers in words, the same way in a report, on a terminal and in a drawing.

mIoU, IoU and what else is a share in [0, 1] is told in percent, with one digit.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from math import ceil, isnan

from atrous.core.statistics import Coefficient

MINUS = "\N{MINUS SIGN}"
TIMES = "\N{MULTIPLICATION SIGN}"
DASH = "\N{EN DASH}"
SCALES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))

SCORES = {
    "miou": ("mIoU", "mean IoU over the classes"),
    "blend": ("blend", "geometric mean of mIoU, mean accuracy and frequency-weighted IoU"),
    "cross-entropy": (
        f"{MINUS}cross-entropy",
        "cross-entropy in nats a pixel, negated so that larger is better",
    ),
    "cross_entropy": ("CE", "cross-entropy in nats a pixel"),
    "mnasnet": ("reward", "the score times (cost / target) ** exponent for each cost"),
    "mnasnet-hard": ("reward", "the score, divided by cost / target beyond the target"),
    "multiply_adds": ("multiply-adds", "multiply-adds of what is searched"),
    "memory": ("memory", "peak bytes of the whole network for an image"),
    "latency": ("latency", "median milliseconds of the whole network for an image"),
}
"""Of scores and of values, by name: a short name, and the meaning in a phrase."""


PERCENT = frozenset(("miou", "blend", "mIoU"))
"""Scores, and short names of scores, that are told in percent."""


def score_name(score: str) -> str:
    """The short name of a score, or of a value."""
    return SCORES.get(score, (score, score))[0]


def score_meaning(score: str) -> str:
    """The meaning of a score in a phrase."""
    return SCORES.get(score, (score, score))[1]


def decimal(value: float | None, digits: int = 4) -> str:
    """A number with a fixed count of digits and a true minus sign; nothing for `None`."""
    if value is None:
        return ""
    return f"{value:.{digits}f}".replace("-", MINUS)


def told(value: float | None, score: str) -> str:
    """The value of a score: in percent with one digit where it is a share; nothing for `None`."""
    if score not in PERCENT:
        return decimal(value)
    return decimal(None if value is None else 100 * value, 1)


def points(value: float, score: str) -> str:
    """A difference of two values of a score, always with its sign: points of 100 for shares."""
    scaled, digits = (100 * value, 1) if score in PERCENT else (value, 4)
    return f"{scaled:+.{digits}f}".replace("-", MINUS)


def of_points(score: str) -> str:
    """The unit of such a difference."""
    name = score_name(score)
    return f"points of {name}" if score in PERCENT else name


def moment(iso: str) -> str:
    """A moment from ISO 8601: 2026-03-05 09:41 UTC."""
    try:
        return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M %Z").strip()
    except ValueError:
        return iso


def selection(select_on: str) -> str:
    """Returns the images that scores are taken on, in words."""
    if select_on == "val":
        return "the val split"
    if re.fullmatch(r"0?\.\d+", select_on):
        return f"{float(select_on):g} of train, held out"
    verb = "are like" if any(sign in select_on for sign in "*?[") else "begin with"
    return f"held out of train: file names that {verb} {select_on}"


def count(number: int) -> str:
    """A large count with three significant digits: 684 k, 1.14 M, 2.82 G."""
    for scale, letter in SCALES:
        if number >= scale:
            return f"{number / scale:.{2 if number < 10 * scale else 1}f} {letter}"
    return str(number)


def amount(name: str, value: float) -> str:
    """The value of a score or a cost, by its name, with its unit."""
    if name in ("parameters", "multiply_adds"):
        return count(round(value))
    if name == "memory":
        return mebibytes(value)
    return f"{decimal(value, 2)} ms" if name == "latency" else told(value, name)


def two_digits(value: float) -> str:
    """A positive number with its first two digits: 0.52, 7.3, 41, 230."""
    return f"{float(f'{value:.2g}'):g}"


def megabytes(length: int) -> str:
    """Bytes in megabytes: 9.4 MB."""
    return f"{length / 1e6:.1f} MB"


def mebibytes(number: float) -> str:
    """Bytes of memory, rounded up: 3 MiB, 1.5 GiB."""
    if number < 2**30:
        return f"{ceil(number / 2**20)} MiB"
    return f"{ceil(10 * number / 2**30) / 10:g} GiB"


def some(names: Iterable[str], most: int = 3, between: str = ", ") -> str:
    """The first names of a list, and how many there are besides: a, b, c and 4 more."""
    listed = list(names)
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return between.join(listed[:most]) + more


def duration(seconds: float) -> str:
    """Seconds in words of the two largest units: 48 s, 12 min 30 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def quantity(number: int, one: str, many: str | None = None) -> str:
    """A count with its noun: 1 trial, 2 trials."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def ordinal(number: int) -> str:
    """A place in an order: 1st, 2nd, 12th."""
    teens = 10 <= number % 100 <= 20
    return f"{number}{'th' if teens else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def interval(coefficient: Coefficient) -> str:
    """A coefficient with its interval, `0.83 [0.62, 0.92]`, where they are defined."""
    if isnan(coefficient.value):
        return "not defined"
    if isnan(coefficient.low):
        return decimal(coefficient.value, 2)
    low, high = decimal(coefficient.low, 2), decimal(coefficient.high, 2)
    return f"{decimal(coefficient.value, 2)} [{low}, {high}]"


def size(extent: tuple[int, int]) -> str:
    """A height and a width: 360 × 480."""
    return f"{extent[0]} {TIMES} {extent[1]}"
