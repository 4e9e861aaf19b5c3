"""Spaces composed of two: a context on the coarsest map, then a decoder that reads its result."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import torch
from typer.testing import CliRunner

from atrous.cli import app
from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.trial import Measured
from atrous.data.encoding import distinct
from atrous.estimation import estimators
from atrous.networks.pyramid import Chained
from atrous.report.page import write_report
from atrous.search.run import open_run
from atrous.spaces import family_of, find_architecture, find_space, names_of, view_of, yardstick
from atrous.spaces.blueprint import Blueprint, build_network, network_cost
from atrous.spaces.view import Asked
from tests.cases import each
from tests.small_search import remembered, write_data

NAME = "dpc-2+fast_dense-2x1"
CHANNELS = {4: 3, 8: 5, 16: 6}
CONTEXT = (0, 17, 1, 4)
READING, BLIND = (0, 3, 1, 4, 2, 0, 0, 1, 3), (0, 1, 1, 4, 2, 0, 0, 1, 3)
"""Decoders that do, and that do not read the coarsest of three maps."""


def test_there_are_as_many_as_the_product() -> None:
    first, second = find_space("dpc-2"), find_space("fast_dense-2x1")
    found = find_space(NAME)
    assert found.name == f"{first.name}+{second.name}"
    assert found.size() == first.size() * second.size()
    rank = 12_345 * second.size() + 678
    assert found.unrank(rank) == (*first.unrank(12_345), *second.unrank(678))
    assert found.most_choices == (*first.most_choices, *second.most_choices)
    assert found.decision(1) == "context branch 0 operation"
    assert found.decision(4) == "decoder block 0 input 0"
    assert find_space("dpc-3+fast_dense").size() == 3_188_646 * 1_795_937_679_360_000


def test_drawing_is_uniform_over_both() -> None:
    found, rng = find_space("dpc-1+classic"), Random(0)
    drawn = [found.sample(rng) for _ in range(2000)]
    assert len(set(drawn)) > 390
    assert {sum(g[2] == k for g in drawn) // 100 for k in range(5)} <= {3, 4}


@each(
    ("name", "message"),
    [
        ("fast_dense+dpc", "alone before the . of fast_dense.dpc, but fast_dense reads maps at"),
        ("dpc+templates", "behind the . of dpc.templates, but templates reads .* 4 and 8, where"),
        ("auto_deeplab+fast_dense", "but auto_deeplab reads images"),
        ("dpc+auto_deeplab", "but auto_deeplab reads images"),
        ("dpc+", "Expected the name of a space, got ''"),
    ],
)
def test_where_a_space_may_stand_is_told_by_what_it_reads(name: str, message: str) -> None:
    with pytest.raises(AtrousError, match=message):
        find_space(name)


def test_the_decoder_reads_the_context_in_place_of_the_coarsest_map() -> None:
    torch.manual_seed(0)
    found = find_space(NAME)
    part = found.build((*CONTEXT, *READING), CHANNELS, 4).eval()
    assert isinstance(part, Chained)
    assert part.reads == found.read_by((*CONTEXT, *READING), CHANNELS) == (4, 8, 16)
    sizes = {4: (17, 25), 8: (9, 13), 16: (5, 7)}
    maps = {s: torch.randn(1, c, *sizes[s]) for s, c in CHANNELS.items()}
    inside = part.context({16: maps[16]})
    assert inside.shape == (1, 4, 5, 7)
    assert torch.equal(part(maps), part.part({4: maps[4], 8: maps[8], 16: inside}))
    assert (part.stride, part.channels, part.kernel) == (4, 4, 3)
    assert found.auxiliary
    assert [each.stride for each in part.auxiliary()] == [4, 4]
    assert [each.shape[-2:] for each in part.inside(maps)[1]] == [sizes[4], sizes[4]]


def test_contexts_that_nothing_reads_are_one_and_are_not_built() -> None:
    found = find_space(NAME).at({s: (c, 9, 9) for s, c in CHANNELS.items()}, 4)
    other = (0, 3, 0, 5)
    assert found.canonical((*CONTEXT, *READING)) != found.canonical((*other, *READING))
    assert found.canonical((*CONTEXT, *BLIND)) == found.canonical((*other, *BLIND))
    part, alone = (
        find_space(name).build(genotype, CHANNELS, 4)
        for name, genotype in ((NAME, (*CONTEXT, *BLIND)), ("fast_dense-2x1", BLIND))
    )
    assert [p.shape for p in part.parameters()] == [p.shape for p in alone.parameters()]
    # At stride 8 a backbone's last map stands for all from 8 on, and is read.
    coarse = find_space(NAME).at({4: (3, 17, 17), 8: (5, 9, 9)}, 4)
    assert coarse.canonical((*CONTEXT, *BLIND)) != coarse.canonical((*other, *BLIND))


def test_named_ones_are_named_after_both() -> None:
    found = find_architecture("dpc+fast_dense:aspp+arch0")
    parts = (find_architecture(name).genotype for name in ("dpc:aspp", "fast_dense:arch0"))
    assert found == Architecture("dpc+fast_dense", tuple(c for part in parts for c in part))
    assert found.family == "dpc+fast_dense"
    assert Architecture("dpc-3+fast_dense", (0,)).family == "dpc+fast_dense"
    family = family_of("dpc-3+fast_dense")
    assert family.defaults.filters == family_of("fast_dense").defaults.filters
    assert family.defaults.baselines == ("1x1", "lraspp", "fpn", "dpc:aspp")
    assert yardstick("dpc-3+fast_dense") == found
    assert "dpc+fast_dense:top1+arch2" in names_of(family_of("dpc+fast_dense"))


def test_they_are_shown_by_what_shows_their_parts() -> None:
    architecture = find_space(NAME).architecture((*CONTEXT, *READING))
    view = view_of(architecture)
    assert view.words(architecture).startswith("context: 0: 3x3 rate 6x1 of features; 1: ")
    assert ("Context: operation", "3×3") in view.observed(architecture)
    assert ("Decoder: block 0 input 1", "3") in view.observed(architecture)
    assert "; decoder: block 0: cell(stride 4) + cell(stride 32)" in view.words(architecture)
    drawing = view.draw(architecture)
    assert drawing
    assert ">feature map<" in drawing.svg
    description = view.describe(architecture, Asked(filters=4))
    assert "context, of the coarsest map:" in description.sketch
    (parts,) = description.parts
    costs = dict(parts)
    assert costs["context"] + costs["decoder"] == costs["architecture"]


def test_a_whole_network_of_one() -> None:
    architecture = find_architecture("dpc+classic:aspp+unet")
    classes = ("one", "other")
    blueprint = Blueprint(architecture, "test_resnet", 16, 4, False, classes, distinct(2))
    network = build_network(blueprint)
    assert network(torch.randn(1, 3, 40, 50)).shape == (1, 2, 40, 50)
    parameters = sum(p.numel() for p in network.parameters())
    assert network_cost(blueprint, (65, 97)).parameters == parameters


@pytest.mark.slow
@pytest.mark.parametrize("name", [NAME, "templates-1x2"])
def test_it_is_searched_beside_others(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimators, "choose", remembered([]))
    data, out = write_data(tmp_path / "data"), tmp_path / "run"
    told = ["search", str(data), "--space", name, "--trials", "3"]
    told += ["--backbone", "test_efficientnet", "--weights", "none"]
    told += ["--executor", "inline", "--workers", "1", "--device", "cpu", "--batch", "2"]
    told += ["--strategy", "local", "--steps", "3", "--filters", "4", "--baselines", "1x1"]
    told += ["--out", str(out), "--cache", str(tmp_path / "cache")]
    result = CliRunner().invoke(app, told)
    assert result.exit_code == 0, result.output
    run = open_run(out)
    entries = run.ledger().entries()
    assert all(isinstance(entry.outcome, Measured) for entry in entries)
    found = [entry.trial.architecture.space for entry in entries]
    assert sorted(found) == sorted(["classic", *[find_space(name).name] * 3])
    assert set(run.context.maps) == ({8, 16} if "+" in name else {4, 8, 16})
    page = write_report(run).read_text()
    assert ">concatenation<" in page
    assert ("1×1 projection" in page) == ("+" in name)
