from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from atrous.core.errors import AtrousError
from atrous.spaces import FAMILIES, find_space
from tests.cases import each


def test_spaces_are_found_by_name() -> None:
    assert all(find_space(name).name == name for name in FAMILIES)
    for branches in (1, 2, 3, 12, 99):
        assert find_space(f"dpc-{branches}").name == f"dpc-{branches}"
    assert find_space("dpc-3").size() == 3_188_646
    for name in ("auto_deeplab-2", "auto_deeplab-99", "auto_deeplab-12x4", "auto_deeplab-8x1"):
        assert find_space(name).name == name
    assert find_space("auto_deeplab-3x2").size() == 13 * 49 * 3 * 49


@pytest.mark.parametrize("name", FAMILIES)
def test_cells_take_the_rate_of_the_optimiser_and_whole_networks_have_their_own(name: str) -> None:
    known = FAMILIES[name].defaults
    assert (known.rate is None) == (known.backbone is not None)


def test_the_space_of_five_branches_has_one_name() -> None:
    assert find_space("dpc-5").name == "dpc"
    assert find_space("dpc-5").published == find_space("dpc").published


@pytest.mark.parametrize("name", ["auto_deeplab-12", "auto_deeplab-12x5"])
def test_the_space_of_twelve_layers_and_five_blocks_has_one_name(name: str) -> None:
    assert find_space(name).name == "auto_deeplab"
    assert find_space(name).published == find_space("auto_deeplab").published
    assert find_space("auto_deeplab-8x5").name == "auto_deeplab-8"


@pytest.mark.parametrize("name", ["auto_deeplab-1", "auto_deeplab-8x8"])
def test_sizes_that_a_space_cannot_have_are_refused(name: str) -> None:
    with pytest.raises(AtrousError, match="2 to 99 layers and a cell of 1 to 7 blocks"):
        find_space(name)


@each(
    "name",
    [
        "",
        "DPC",
        "dpc-",
        "dpc-0",
        "dpc-01",
        "dpc-100",
        "dpc-x",
        "nas",
        "auto_deeplab-",
        "auto_deeplab-08",
        "auto_deeplab-8x",
    ],
)
def test_other_names_are_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(AtrousError) as refused:
        find_space(name)
    assert repr(name) in str(refused.value)
    assert all(known in str(refused.value) for known in FAMILIES)


def test_a_space_travels_between_processes() -> None:
    space = pickle.loads(pickle.dumps(find_space("dpc-2")))
    assert (space.name, space.size()) == ("dpc-2", 13_122)
    space = pickle.loads(pickle.dumps(find_space("auto_deeplab-2x1")))
    assert (space.name, space.size()) == ("auto_deeplab-2x1", 5 * 49)
    assert space.canonical((0, 1, 0, 3, 4)) == (0, 1, 0, 3, 4)


def test_choosing_and_describing_need_no_torch() -> None:
    modules = "atrous.spaces, atrous.strategies, atrous.spaces.view, atrous.core.trial"
    program = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
