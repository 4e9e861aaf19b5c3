"""Figures of a differentiable search over time."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from atrous.relax.history import write_history
from atrous.report import relaxation
from atrous.report.relaxation_maps import operations_map, strides_map
from atrous.spaces.auto_deeplab.cell import NONE, OPERATIONS
from tests.report.searches import search

SEARCH = search()
NAMES = ("sep 3×3", "sep 5×5", "atrous 3×3", "atrous 5×5", "average 3×3", "max 3×3", "skip", "none")


def _texts(svg: str | None) -> list[str]:
    assert svg is not None
    return [element.text or "" for element in ElementTree.fromstring(svg).iter("text")]


def test_every_operation_has_a_line_with_its_name_and_last_value() -> None:
    texts = _texts(relaxation.operations_figure(SEARCH))
    for place, name in enumerate(NAMES):
        last = sum(row[place] for row in SEARCH[-1].probabilities["operations"]) / 20
        assert texts.count(f"{name} {last:.3f}") == 1
    assert {"steps", "mean probability", "architecture trained from here"} <= set(texts)


def test_operations_are_told_apart_by_colour_and_dash() -> None:
    assert set(relaxation.OPERATION_LINES) == {*OPERATIONS, NONE}
    assert len(set(relaxation.OPERATION_LINES.values())) == 8
    assert [relaxation.operation_name(name) for name in relaxation.OPERATION_LINES] == list(NAMES)


def test_the_parts_of_the_layers_are_named_by_stride() -> None:
    texts = _texts(relaxation.strides_figure(SEARCH[:1]))
    found = [float(t.split()[-1]) for t in texts if t.startswith("stride ")]
    assert len(found) == 4
    assert sum(found) == pytest.approx(1, abs=2e-3)


def test_entropy_falls_from_one() -> None:
    assert {"operations 1.00", "path 1.00"} <= set(_texts(relaxation.entropy_figure(SEARCH[:1])))
    texts = _texts(relaxation.entropy_figure(SEARCH))
    assert not {"operations 1.00", "path 1.00"} & set(texts)


def test_the_start_of_the_architecture_is_marked_if_there_is_one() -> None:
    words = "architecture trained from here"
    trained = [snapshot for snapshot in SEARCH if snapshot.architecture_loss is not None]
    untrained = [snapshot for snapshot in SEARCH if snapshot.architecture_loss is None]
    assert words not in _texts(relaxation.entropy_figure(trained))
    assert words not in _texts(relaxation.entropy_figure(untrained))
    assert words in _texts(relaxation.entropy_figure(SEARCH))


def test_eigenvalues_are_drawn_where_they_were_taken() -> None:
    assert "eigenvalue 0.5" in _texts(relaxation.eigenvalue_figure(SEARCH))
    assert relaxation.eigenvalue_figure([replace(SEARCH[-1], eigenvalue=None)]) is None


def test_nothing_is_drawn_of_nothing() -> None:
    assert relaxation.operations_figure([]) is None
    assert relaxation.strides_figure([]) is None
    assert relaxation.entropy_figure([]) is None
    assert relaxation.eigenvalue_figure([]) is None


def test_figures_are_the_same_each_time_and_their_ids_are_unique() -> None:
    def drawn() -> list[str]:
        lines = (
            relaxation.operations_figure(SEARCH),
            relaxation.strides_figure(SEARCH),
            relaxation.entropy_figure(SEARCH),
            relaxation.eigenvalue_figure(SEARCH),
        )
        return [*(svg for svg in lines if svg), operations_map(SEARCH[-1]), strides_map(SEARCH[-1])]

    assert drawn() == drawn()
    ids = re.findall(r'\bid="([^"]+)"', "".join(drawn()))
    assert len(ids) == len(set(ids)) > 20


def test_drawing_a_search_never_loads_torch(tmp_path: Path) -> None:
    write_history(tmp_path / "history.jsonl", SEARCH[-2:])
    code = (
        "import sys; from pathlib import Path; from atrous.report import relaxation as lines; "
        "from atrous.report import relaxation_maps as maps; "
        "from atrous.relax.history import read_history; "
        "found = read_history(Path(sys.argv[1])); lines.operations_figure(found); "
        "maps.operations_map(found[-1]); maps.strides_map(found[-1]); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "history.jsonl")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
