"""Numbers and cells in words."""

from __future__ import annotations

from math import nan

import pytest

from atrous.core import words
from atrous.core.statistics import Coefficient
from tests.cases import each


@pytest.mark.parametrize(
    ("number", "text"),
    [(999, "999"), (1000, "1.00 k"), (684_000, "684.0 k"), (2_820_043_200, "2.82 G")],
)
def test_count(number: int, text: str) -> None:
    assert words.count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59.4, "59 s"), (59.6, "1 min 0 s"), (3600, "1 h 0 min"), (7512, "2 h 5 min")],
)
def test_duration(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@each(
    ("number", "text"),
    [
        (1, "1st"),
        (2, "2nd"),
        (3, "3rd"),
        (4, "4th"),
        (11, "11th"),
        (12, "12th"),
        (13, "13th"),
        (21, "21st"),
        (112, "112th"),
    ],
)
def test_ordinal(number: int, text: str) -> None:
    assert words.ordinal(number) == text


def test_interval_tells_only_what_is_defined() -> None:
    assert words.interval(Coefficient(0.826, -0.1, 0.9)) == "0.83 [−0.10, 0.90]"
    assert words.interval(Coefficient(0.5, nan, nan)) == "0.50"
    assert words.interval(Coefficient(nan, nan, nan)) == "not defined"


def test_the_length_of_a_file() -> None:
    assert words.megabytes(13_949_000) == "13.9 MB"


def test_signs() -> None:
    assert words.decimal(-0.82345) == "−0.8235"
    assert words.points(0.0123, "miou") == "+1.2"
    assert words.points(-0.0123, "blend") == "−1.2"
    assert words.points(-0.0123, "brightness") == "−0.0123"


def test_shares_are_told_in_percent_with_one_digit_and_times_in_two() -> None:
    assert words.told(0.61249, "miou") == words.told(0.61249, words.score_name("miou")) == "61.2"
    assert words.told(0.61249, "cross_entropy") == "0.6125"
    assert words.told(None, "miou") == ""
    assert [words.two_digits(each) for each in (0.517, 7.26, 41.4, 234.0)] == [
        *("0.52", "7.3", "41", "230"),
    ]


def test_moment_is_short_and_unknown_forms_are_kept() -> None:
    assert words.moment("2026-03-05T09:41:07+00:00") == "2026-03-05 09:41 UTC"
    assert words.moment("yesterday") == "yesterday"


def test_selection() -> None:
    assert words.selection("val") == "the val split"
    assert words.selection("0.20") == "0.2 of train, held out"
    assert "begin with 0006R0" in words.selection("0006R0")
