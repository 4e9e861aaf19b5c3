"""Timing the parts of a relaxed network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.model.latency.conditions import make_conditions
from atrous.spaces.auto_deeplab.cell import OPERATIONS
from atrous.spaces.auto_deeplab.relaxation.space import (
    MOVES,
    PLACES,
    TrellisRelaxation,
    inputs_name,
    operation_name,
)
from atrous.stages import relax as timing
from atrous.stages.relax import Pass, measure_parts, measured_once, pass_of

SETTING = make_conditions((65, 33), 2, "cpu", 1)
SIZES = ((17, 9), (9, 5), (5, 3), (3, 2))


def test_operations_and_inputs_are_timed_at_their_sizes() -> None:
    parts = TrellisRelaxation(2, 3).parts(2, SETTING.size)
    assert len(parts) == 7 * len(PLACES) + len(MOVES)
    for level, stride in PLACES:
        for operation in OPERATIONS:
            timed = pass_of(parts[operation_name(operation, level, stride)], SETTING)()
            assert timed.shape == (2, 2 << level, *SIZES[level])
            assert not timed.requires_grad
    for source, target in MOVES:
        timed = pass_of(parts[inputs_name(source, target)], SETTING)()
        shape = (2, 2 << target, *SIZES[min(source, target)])
        assert [state.shape for state in timed] == [shape] * 2


def test_a_table_is_measured_once(tmp_path: Path) -> None:
    threads, path = torch.get_num_threads(), tmp_path / "supernet" / "latency.json"
    parts = TrellisRelaxation(2, 1).parts(1, (33, 33))
    setting = make_conditions((33, 33), 1, "cpu", 1)
    table = measured_once(path, parts, setting)
    assert table.milliseconds.keys() == parts.keys()
    assert min(table.milliseconds.values()) > 0
    assert torch.get_num_threads() == threads
    assert measured_once(path, parts, setting) == table
    with pytest.raises(AtrousError, match="too much or not at all"):
        measured_once(path, {}, setting)
    path.write_text(path.read_text().replace('"repeats"', '"repeat"'))
    with pytest.raises(AtrousError, match=r"repeats.*Delete the file"):
        measured_once(path, parts, setting)


def test_a_size_that_no_network_sees_is_refused() -> None:
    with pytest.raises(AtrousError, match="64x65"):
        TrellisRelaxation(2, 2).parts(2, (64, 65))


def test_times_get_to_their_places(monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[int] = []

    def in_turns(passes: list[Pass], repeats: int) -> list[list[float]]:
        timed.append(repeats)
        return [[0.0, float(place), 1e9] for place in range(len(passes))]

    monkeypatch.setattr(timing, "in_turns", in_turns)
    parts = TrellisRelaxation(2, 1).parts(1, (33, 33))
    table = measure_parts(parts, make_conditions((33, 33), 1, "cpu", 1), repeats=3)
    assert table.milliseconds == {name: float(place) for place, name in enumerate(parts)}
    assert timed == [timing.WARM_UP, 3]
