from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.spaces import find_architecture, named
from atrous.spaces.dpc.cell import write_cell
from atrous.spaces.dpc.space import ASPP, TOP1, encode
from tests.cases import each


@pytest.mark.parametrize(
    ("text", "architecture"),
    [
        ("dpc:top1", Architecture("dpc", encode(TOP1))),
        ("dpc:aspp", Architecture("dpc", encode(ASPP))),
        ("dpc-5:top1", Architecture("dpc", encode(TOP1))),
        ("dpc-1:0.17", Architecture("dpc-1", (0, 17))),
        ("dpc-2:0.0.1.80", Architecture("dpc-2", (0, 0, 1, 80))),
    ],
)
def test_an_architecture_by_name_or_genotype(text: str, architecture: Architecture) -> None:
    assert find_architecture(text) == architecture
    assert find_architecture(str(architecture)) == architecture


def test_an_architecture_from_this_programs_file(tmp_path: Path) -> None:
    architecture = Architecture("dpc-2", (0, 0, 1, 80))
    path = tmp_path / "found.json"
    path.write_text(json.dumps(asdict(architecture)))
    assert find_architecture(str(path)) == architecture
    assert json.loads(path.read_text()) == {"space": "dpc-2", "genotype": [0, 0, 1, 80]}


def test_a_cell_in_the_reference_implementations_file(tmp_path: Path) -> None:
    path = tmp_path / "cell.json"
    path.write_text(write_cell(TOP1))
    assert find_architecture(str(path)) == find_architecture("dpc:top1")
    path.write_text(write_cell(TOP1[:3]))
    assert find_architecture(str(path)) == Architecture("dpc-3", encode(TOP1)[:6])


def test_baselines_and_published_architectures_can_all_be_named() -> None:
    assert named()[:4] == ["dpc:1x1", "dpc:aspp", "dpc:top1", "auto_deeplab:plain"]
    assert len(set(named())) == len(named())
    assert all(find_architecture(name) for name in named())


def test_a_part_of_the_yardstick_is_named_by_what_it_keeps() -> None:
    """One 1x1 convolution, in the space of cells with one branch: the cheapest there is."""
    assert find_architecture("dpc:1x1") == Architecture("dpc-1", (0, 0))
    assert find_architecture("dpc:1x1+pool").space == "dpc-2"


@each(
    ("text", "message"),
    [
        (
            "top1",
            r"Expected an architecture, got 'top1'\. Write dpc:1x1, dpc:aspp, dpc:top1, "
            r"auto_deeplab:plain, .*a genotype",
        ),
        ("", "Expected an architecture, got ''"),
        ("nas:top1", r"Expected the name of a space, got 'nas'\. There are: dpc, auto_deeplab"),
        ("dpc:top2", r"Space dpc has no architecture 'top2'\. Named ones: aspp, top1;"),
        ("dpc-3:top1", r"Space dpc-3 has no architecture 'top1'\. Named ones: none;"),
        ("dpc:", "Space dpc has no architecture ''"),
        ("dpc-1:0..1", r"no architecture '0\.\.1'.*whole numbers with dots between"),
        ("dpc-1:0.81", r"Space dpc-1: expected one of 0 \.\. 80 at position 1 of 0\.81, got 81"),
        ("dpc-1:1.0", r"expected one of 0 \.\. 0 at position 0"),
        ("dpc-1:0", "ends after 1 decisions, but more are needed"),
        ("dpc-1:0.0.0", "expected no further decision at position 2"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(AtrousError, match=message):
        find_architecture(text)


RATE_2 = '[{"op": "conv", "kernel": 3, "rate": [2, 2], "input": -1}]'
FORWARD = '[{"op": "conv", "kernel": 1, "input": 0}]'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "Expected an architecture in JSON at"),
        ("{}", r"bad\.json: Expected a list of branches such as .*, got \{\}"),
        (RATE_2, r"bad\.json: Branch 0: 3x3 rate 2x2 is not in the space"),
        (FORWARD, r"bad\.json: Branch 0: expected .* input 0 is no earlier branch"),
        ('{"space": "nas", "genotype": [0]}', r"bad\.json: Expected the name of a space, got 'nas"),
        ('{"space": "dpc-1", "genotype": [0, 81]}', r"bad\.json: Space dpc-1: expected one of"),
        ('{"space": "dpc-1", "genotype": 7}', "a list of whole numbers, .* genotype: .* got 7"),
        ('{"space": "dpc-1", "genotype": [0, 1.0]}', "a list of whole numbers"),
        ('{"space": "dpc-1", "genotype": [0, "1"]}', "a list of whole numbers"),
        ('{"space": "dpc-1", "genotype": [0, true]}', "a list of whole numbers"),
        ('{"space": ["dpc"], "genotype": [0, 1]}', "the name of a space"),
    ],
)
def test_faulty_files_are_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(AtrousError, match=message) as refused:
        find_architecture(str(path))
    assert str(path) in str(refused.value)


def test_files_that_cannot_be_read_are_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    for name in ("missing.json", "folder.json", "binary.json"):
        with pytest.raises(AtrousError, match=f"Expected an architecture in JSON at .*{name}, but"):
            find_architecture(str(tmp_path / name))
