"""Timing the parts of a relaxed network."""

from __future__ import annotations

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.model.latency.conditions import make_conditions
from atrous.relax.latency_table import MOVES, PLACES
from atrous.spaces.auto_deeplab.cell import OPERATIONS
from atrous.stages import latency_table as timing
from atrous.stages.latency_table import Pass, inputs_pass, measure, operation_pass
from tests.cases import each

SETTING = make_conditions((65, 33), 2, "cpu", 1)


@pytest.mark.parametrize(("level", "stride"), PLACES)
def test_operations_are_timed_at_their_sizes(level: int, stride: int) -> None:
    sizes = ((17, 9), (9, 5), (5, 3), (3, 2))
    for operation in OPERATIONS:
        timed = operation_pass(operation, level, stride, 2, SETTING)()
        assert timed.shape == (2, 2 << level, *sizes[level])
        assert not timed.requires_grad


@each(("source", "target"), MOVES)
def test_inputs_are_timed_at_their_sizes(source: int, target: int) -> None:
    sizes = ((17, 9), (9, 5), (5, 3), (3, 2))
    timed = inputs_pass(source, target, 2, 3, SETTING)()
    assert [state.shape for state in timed] == [(2, 2 << target, *sizes[min(source, target)])] * 2


def test_a_measured_table_has_a_time_for_everything() -> None:
    threads = torch.get_num_threads()
    table = measure(1, 1, make_conditions((33, 33), 1, "cpu", 1), repeats=2)
    assert [len(row) for row in table.operations] == [7] * len(PLACES)
    assert len(table.inputs) == len(MOVES)
    assert min(*table.inputs, *(time for row in table.operations for time in row)) > 0
    assert (table.filters, table.blocks, table.repeats) == (1, 1, 2)
    assert torch.get_num_threads() == threads


def test_a_size_that_no_network_sees_is_refused() -> None:
    with pytest.raises(AtrousError, match="64x65"):
        measure(2, 2, make_conditions((64, 65), 1, "cpu", 1))


def test_times_get_to_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[int] = []

    def in_turns(passes: list[Pass], repeats: int) -> list[list[float]]:
        timed.append(repeats)
        return [[0.0, float(place), 1e9] for place in range(len(passes))]

    monkeypatch.setattr(timing, "in_turns", in_turns)
    table = measure(1, 1, make_conditions((33, 33), 1, "cpu", 1), repeats=3)
    numbers = [time for row in table.operations for time in row] + list(table.inputs)
    assert numbers == list(range(7 * len(PLACES) + len(MOVES)))
    assert timed == [timing.WARM_UP, 3]
