"""Scales as a user types them."""

from __future__ import annotations

import pytest

from atrous.core.errors import AtrousError
from atrous.model.evaluation.scales import parse_scales, scale_words
from tests.cases import each


def test_numbers_between_commas_are_read() -> None:
    assert parse_scales("1") == (1.0,)
    assert parse_scales("0.5, .75,1.0,2") == (0.5, 0.75, 1.0, 2.0)


@each("text", ["", "1,", "big", "0", "-1", "1,nan", "inf", "0.05", "5"])
def test_what_is_no_scale_is_refused(text: str) -> None:
    with pytest.raises(AtrousError, match="--scales"):
        parse_scales(text)


def test_words() -> None:
    assert scale_words((1.0,)) == "single scale"
    assert scale_words((0.5, 1.0)) == "scales 0.5, 1"
