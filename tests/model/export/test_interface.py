"""How far is too far."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.model.export.interface import (
    TOLERANCE,
    Array,
    ExportInterface,
    Output,
    agrees,
    difference,
)

LOGITS = torch.tensor([[[[4.0, 1.0]], [[3.9996, -8.0]]]])
"""One image of 1 x 2 pixels, two classes; at the left, they are almost equal."""


def interface(output: Output) -> ExportInterface:
    return ExportInterface((0.5,) * 3, (0.5,) * 3, "in", output)


def test_logits_are_compared_relative_to_the_largest() -> None:
    found = LOGITS.numpy().copy()
    assert difference(interface("logits"), LOGITS, found) == 0
    found[0, 1, 0, 0] += 0.004
    assert difference(interface("logits"), LOGITS, found) == pytest.approx(0.0005, rel=1e-3)


def test_ids_may_differ_only_where_two_classes_are_within_the_tolerance() -> None:
    ids = interface("ids")
    assert difference(ids, LOGITS, np.array([[[0, 0]]], np.uint8)) == 0
    close = difference(ids, LOGITS, np.array([[[1, 0]]], np.uint8))
    assert close == pytest.approx(0.0004 / 8, rel=1e-3)
    assert agrees(close)
    far = difference(ids, LOGITS, np.array([[[0, 1]]], np.uint8))
    assert far == pytest.approx(9 / 8)
    assert not agrees(far)


def test_an_id_of_no_class_is_infinitely_wrong() -> None:
    found = np.array([[[2, 0]]], np.uint8)
    assert difference(interface("ids"), LOGITS, found) == math.inf


def test_probabilities_are_compared_as_they_are() -> None:
    found = LOGITS.softmax(1).numpy() + np.float32(0.01)
    assert difference(interface("probabilities"), LOGITS, found) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2 * TOLERANCE])
def test_what_is_no_small_number_does_not_agree(value: float) -> None:
    assert not agrees(value)


def test_nan_in_an_output_does_not_agree() -> None:
    found = np.full((1, 2, 1, 2), np.nan, np.float32)
    assert not agrees(difference(interface("logits"), LOGITS, found))


@pytest.mark.parametrize(
    ("output", "found"),
    [
        ("logits", np.zeros((1, 2, 2, 1), np.float32)),
        ("logits", np.zeros((1, 2, 1, 2), np.float64)),
        ("ids", np.zeros((1, 1, 2), np.int64)),
        ("ids", np.zeros((1, 2, 1, 2), np.uint8)),
    ],
)
def test_another_shape_or_type_is_an_error(output: Output, found: Array) -> None:
    with pytest.raises(AtrousError, match=r"expected torch\.\w+ \[.*got torch"):
        difference(interface(output), LOGITS, found)


def test_a_network_of_zeros_agrees_with_zeros() -> None:
    zeros = torch.zeros(1, 2, 1, 2)
    assert difference(interface("logits"), zeros, zeros.numpy()) == 0
