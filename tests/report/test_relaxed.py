"""Figures of a differentiable search over time."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from atrous.core.drawing import INK
from atrous.relax.collapse import Snapshot, write_history
from atrous.report.relaxed import draw_chart, draw_grid, eigenvalue_chart
from atrous.spaces import find_architecture
from atrous.spaces.auto_deeplab.cell import NONE, OPERATIONS
from atrous.spaces.auto_deeplab.relaxation.view import (
    OPERATION_LINES,
    charts,
    grids,
    operation_name,
)
from atrous.spaces.auto_deeplab.space import decoded
from tests.report.searches import search

SEARCH = search()
LAST = SEARCH[-1]
FRAME = re.compile(rf"stroke: var\(--ink, {INK}\); stroke-width: 1.6")
NAMES = ("sep 3×3", "sep 5×5", "atrous 3×3", "atrous 5×5", "average 3×3", "max 3×3", "skip", "none")


def _chart(place: int, snapshots: list[Snapshot]) -> str:
    return draw_chart(charts(snapshots)[place], snapshots)


def _eigenvalues() -> str:
    taken = [snapshot for snapshot in SEARCH if snapshot.eigenvalue is not None]
    return draw_chart(eigenvalue_chart(taken), taken)


def operations_map(snapshot: Snapshot) -> str:
    return draw_grid(grids(snapshot)[0])


def strides_map(snapshot: Snapshot) -> str:
    return draw_grid(grids(snapshot)[1])


def _texts(svg: str) -> list[str]:
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


def test_every_operation_has_a_line_with_its_name_and_last_value() -> None:
    texts = _texts(_chart(0, SEARCH))
    for place, name in enumerate(NAMES):
        last = sum(row[place] for row in SEARCH[-1].probabilities["operations"]) / 20
        assert texts.count(f"{name} {last:.3f}") == 1
    assert {"steps", "mean probability", "architecture trained from here"} <= set(texts)


def test_operations_are_told_apart_by_colour_and_dash() -> None:
    assert set(OPERATION_LINES) == {*OPERATIONS, NONE}
    assert len(set(OPERATION_LINES.values())) == 8
    assert [operation_name(name) for name in OPERATION_LINES] == list(NAMES)


def test_the_parts_of_the_layers_are_named_by_stride() -> None:
    texts = _texts(_chart(1, SEARCH[:1]))
    found = [float(t.split()[-1]) for t in texts if t.startswith("stride ")]
    assert len(found) == 4
    assert sum(found) == pytest.approx(1, abs=2e-3)


def test_entropy_falls_from_one() -> None:
    assert {"operations 1.00", "path 1.00"} <= set(_texts(_chart(2, SEARCH[:1])))
    texts = _texts(_chart(2, SEARCH))
    assert not {"operations 1.00", "path 1.00"} & set(texts)


def test_the_start_of_the_architecture_is_marked_if_there_is_one() -> None:
    words = "architecture trained from here"
    trained = [snapshot for snapshot in SEARCH if snapshot.architecture_loss is not None]
    untrained = [snapshot for snapshot in SEARCH if snapshot.architecture_loss is None]
    assert words not in _texts(_chart(2, trained))
    assert words not in _texts(_chart(2, untrained))
    assert words in _texts(_chart(2, SEARCH))


def test_eigenvalues_are_drawn_where_they_were_taken() -> None:
    assert "eigenvalue 0.5" in _texts(_eigenvalues())


def test_figures_are_the_same_each_time_and_their_ids_are_unique() -> None:
    def drawn() -> list[str]:
        lines = (
            _chart(0, SEARCH),
            _chart(1, SEARCH),
            _chart(2, SEARCH),
            _eigenvalues(),
        )
        return [*lines, operations_map(SEARCH[-1]), strides_map(SEARCH[-1])]

    assert drawn() == drawn()
    ids = re.findall(r'\bid="([^"]+)"', "".join(drawn()))
    assert len(ids) == len(set(ids)) > 20


def test_drawing_a_search_never_loads_torch(tmp_path: Path) -> None:
    write_history(tmp_path / "history.jsonl", SEARCH[-2:])
    code = (
        "import sys; from pathlib import Path; from atrous.report import relaxed; "
        "from atrous.spaces.auto_deeplab.relaxation import view; "
        "from atrous.relax.collapse import read_history; "
        "found = read_history(Path(sys.argv[1])); "
        "[relaxed.draw_chart(chart, found) for chart in view.charts(found)]; "
        "[relaxed.draw_grid(grid) for grid in view.grids(found[-1])]; view.draw(found[-1]); "
        "print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "history.jsonl")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"


def test_every_edge_and_operation_has_its_number() -> None:
    texts = _texts(operations_map(LAST))
    numbers = [int(text) for text in texts if text.isdigit()]
    assert sorted(numbers) == sorted(
        round(100 * p) for row in LAST.probabilities["operations"] for p in row
    )
    rows = [text for text in texts if re.fullmatch(r"block \d, (layer − [12]|block \d)", text)]
    assert len(set(rows)) == len(rows) == 20
    assert {"sep", "3×3", "max", "skip", "none"} <= set(texts)


def test_what_was_decoded_is_framed() -> None:
    found = decoded(find_architecture(LAST.architecture))
    assert len(FRAME.findall(operations_map(LAST))) == 2 * len(found.cell)
    assert len(FRAME.findall(strides_map(LAST))) == len(found.path)


def test_levels_out_of_reach_have_no_number() -> None:
    texts = _texts(strides_map(LAST))
    numbers = [text for text in texts if text.isdigit()]
    layers = 12
    assert len(numbers) == 45 + layers  # nodes, and the numbers of the layers
    assert [text for text in texts if text.startswith("stride")] == [
        "stride 4",
        "stride 8",
        "stride 16",
        "stride 32",
    ]


def test_frames_follow_the_recorded_architecture_not_the_likeliest() -> None:
    genotype = find_architecture(LAST.architecture).genotype
    for place, changed, same in (
        (-1, operations_map, strides_map),
        (11, strides_map, operations_map),
    ):
        other = list(genotype)
        other[place] = (other[place] + 1) % 3
        moment = replace(LAST, architecture="auto_deeplab:" + ".".join(map(str, other)))
        assert changed(moment) != changed(LAST)
        assert same(moment) == same(LAST)
