"""The reference implementation's JSON form of a cell."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from atrous.core.errors import AtrousError
from atrous.spaces.dpc.cell import (
    FEATURES,
    Branch,
    Convolution1x1,
    GridPooling,
    SeparableConvolution,
    read_cell,
    write_cell,
)
from atrous.spaces.dpc.space import OPERATIONS, TOP1, decode, dpc
from tests.cases import each

PUBLISHED = """
[{"kernel": 3, "rate": [1, 6], "op": "conv", "input": -1},
 {"kernel": 3, "rate": [18, 15], "op": "conv", "input": 0},
 {"kernel": 3, "rate": [6, 3], "op": "conv", "input": 1},
 {"kernel": 3, "rate": [1, 1], "op": "conv", "input": 0},
 {"kernel": 3, "rate": [6, 21], "op": "conv", "input": 0}]
"""


def branch(**fields: Any) -> str:
    return json.dumps([fields])


def test_the_published_cell_is_top1() -> None:
    assert read_cell(PUBLISHED) == TOP1
    assert read_cell(PUBLISHED) == decode(dpc().published["top1"])


def test_every_operation_survives_a_round_trip() -> None:
    for operation, source in product(OPERATIONS, (FEATURES, 0)):
        cell = (Branch(Convolution1x1(), FEATURES), Branch(operation, source))
        assert read_cell(write_cell(cell)) == cell


def test_the_written_form_has_the_published_keys() -> None:
    assert json.loads(write_cell(TOP1)) == json.loads(PUBLISHED)
    pooling = (Branch(GridPooling((2, 8)), FEATURES),)
    assert json.loads(write_cell(pooling)) == [
        {"op": "pyramid_pooling", "grid_size": [2, 8], "input": -1}
    ]


@pytest.mark.parametrize("kernel", [1, [1, 1]])
def test_kernel_1_is_a_plain_convolution(kernel: object) -> None:
    assert read_cell(branch(op="conv", kernel=kernel, rate=[1, 1], input=-1)) == (
        Branch(Convolution1x1(), FEATURES),
    )


@pytest.mark.parametrize("kernel", [3, [3, 3]])
def test_kernel_3_is_separable(kernel: object) -> None:
    assert read_cell(branch(op="conv", kernel=kernel, rate=[3, 9], input=-1)) == (
        Branch(SeparableConvolution((3, 9)), FEATURES),
    )


def test_every_negative_input_is_the_feature_map() -> None:
    assert read_cell(branch(op="conv", kernel=1, input=-7))[0].input == FEATURES


def test_what_the_reference_computes_while_building_is_passed_over() -> None:
    text = branch(
        op="pyramid_pooling", grid_size=[1, 4], kernel=[9, 9], target_size=[33, 33], input=-1
    )
    assert read_cell(text) == (Branch(GridPooling((1, 4)), FEATURES),)


@each(
    ("fields", "fault"),
    [
        ({"op": "maxpool", "kernel": 3, "input": -1}, "an unknown op 'maxpool'"),
        ({"op": "conv", "kernel": 5, "rate": [1, 1], "input": -1}, "an unknown kernel 5"),
        ({"op": "conv", "kernel": 3, "rate": [1, 6], "input": 1}, "input 1 is no earlier branch"),
        ({"op": "conv", "kernel": 3, "rate": [1, 6], "input": 4}, "input 4 is no earlier branch"),
        ({"op": "conv", "kernel": 1, "input": "F"}, "input 'F' is no earlier branch"),
        ({"op": "conv", "kernel": 1, "input": True}, "input True is no earlier branch"),
        ({"op": "conv", "kernel": 1}, "no 'input'"),
        ({"kernel": 1, "input": -1}, "no 'op'"),
        ({"op": "conv", "input": -1}, "no 'kernel'"),
        ({"op": "conv", "kernel": 3, "input": -1}, "no 'rate'"),
        ({"op": "pyramid_pooling", "input": -1}, "no 'grid_size'"),
        ({"op": "conv", "kernel": 3, "rate": [1, 2, 3], "input": -1}, "is not two positive whole"),
        ({"op": "conv", "kernel": 3, "rate": [0, 1], "input": -1}, "is not two positive whole"),
        ({"op": "conv", "kernel": 3, "rate": [1.5, 1], "input": -1}, "is not two positive whole"),
        ({"op": "conv", "kernel": 3, "rate": "16", "input": -1}, "'16' is not two positive whole"),
        (["conv", 3], "no fields with names"),
        (7, "no fields with names"),
    ],
)
def test_a_faulty_branch_is_named_with_the_expected_form(fields: object, fault: str) -> None:
    text = json.dumps([{"op": "conv", "kernel": 1, "input": -1}, fields])
    with pytest.raises(AtrousError) as refused:
        read_cell(text)
    message = str(refused.value)
    assert message.startswith('Branch 1: expected a list of branches such as {"op": "conv", ')
    assert fault in message
    assert message.endswith(f"in {fields}.")


@pytest.mark.parametrize("text", ["{}", "[]", "null", '"conv"', '{"op": "conv"}'])
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(AtrousError, match=r"Expected a list of branches such as .*, got"):
        read_cell(text)


@pytest.mark.parametrize("text", ["", "[{", "op: conv"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(AtrousError, match=r"Expected a list of branches .* it is no JSON"):
        read_cell(text)
