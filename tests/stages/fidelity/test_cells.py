"""The 31 cells."""

from __future__ import annotations

from itertools import pairwise

import pytest

from atrous.core.errors import AtrousError
from atrous.spaces import find_architecture, find_space
from atrous.spaces.dpc.cell import FEATURES
from atrous.spaces.dpc.space import ASPP, ASPP_PARTS, canonical, decode
from atrous.stages.fidelity.study import WHOLE, all_cells, some_cells


def test_they_are_the_subsets_of_aspps_branches() -> None:
    cells = all_cells()
    assert len(cells) == 31
    assert list(cells)[:5] == list(ASPP_PARTS)
    assert cells[WHOLE] == find_architecture("dpc:aspp")
    branches = dict(zip(ASPP_PARTS, ASPP, strict=True))
    for name, cell in cells.items():
        built = decode(cell.genotype)
        assert set(built) == {branches[part] for part in name.split("+")}
        assert all(branch.input == FEATURES for branch in built)
        assert cell.space == ("dpc" if name == WHOLE else f"dpc-{len(built)}")


def test_they_are_different_functions_in_canonical_form() -> None:
    cells = all_cells().values()
    assert len(set(cells)) == 31
    for cell in cells:
        assert canonical(cell.genotype) == cell.genotype
        find_space(cell.space).validate(cell.genotype)


def test_fewer_are_a_part_of_more_and_hold_aspp() -> None:
    chosen = [some_cells(count) for count in range(3, 32)]
    assert [len(cells) for cells in chosen] == list(range(3, 32))
    for fewer, more in pairwise(chosen):
        assert fewer.items() < more.items()
    assert WHOLE in chosen[0]
    assert list(chosen[-1].items()) == list(all_cells().items())


@pytest.mark.parametrize("count", [-1, 2, 32])
def test_a_count_that_there_is_not_is_refused(count: int) -> None:
    with pytest.raises(AtrousError, match=rf"--cells is from 3 to 31, got {count}"):
        some_cells(count)
