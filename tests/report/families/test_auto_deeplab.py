"""Networks of Auto-DeepLab as they are shown."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from atrous.core.errors import AtrousError
from atrous.core.trial import Metrics, Origin, Trial
from atrous.report.content import gather
from atrous.report.families.auto_deeplab import AUTO_DEEPLAB, ORDER, observed
from atrous.report.leaderboard import write_csv
from atrous.report.page import render_page
from atrous.search.ledger import Entry
from atrous.spaces import find_architecture
from atrous.spaces.auto_deeplab.cell import Operation
from atrous.spaces.auto_deeplab.space import auto_deeplab
from tests.records import entry_of, job
from tests.report.runs import CLASSES, a_run

PUBLISHED = find_architecture("auto_deeplab:published")
SPACE = auto_deeplab()


def measured(number: int, score: float) -> Entry:
    architecture = SPACE.architecture(SPACE.sample(Random(number)))
    trial = Trial(number, architecture, Origin("uniform"), 3)
    metrics = Metrics(score, score, score, score, 1.0, (score,) * len(CLASSES))
    return entry_of(job(trial), metrics, 6.5 * (number + 1), 10.0)


def test_the_drawing_holds_the_trellis_and_the_cell() -> None:
    drawing = AUTO_DEEPLAB.draw(PUBLISHED)
    assert drawing is not None
    image = ElementTree.fromstring(drawing.svg)
    assert len(list(image.iter("line"))) == 105
    assert len(list(image.iter("rect"))) == 13
    assert f"0 0 {drawing.width} " in image.attrib["viewBox"]


def test_the_words_are_the_strides_and_the_blocks() -> None:
    words = AUTO_DEEPLAB.words(PUBLISHED)
    assert words.startswith("strides 4 4 4 8 16 8 16 16 32 32 16 8; 0: sep 3x3 of layer - 1 + ")
    assert words.endswith("; 4: sep 5x5 of block 1 + atrous 5x5 of block 3")
    assert words.isascii()


def test_choices_of_the_published_network() -> None:
    found = Counter(observed(PUBLISHED))
    strides = [found["Stride of a layer", f"stride {s}"] for s in (4, 8, 16, 32)]
    assert strides == [3, 3, 4, 2]
    assert found["Stride of the last layer", "stride 8"] == 1
    assert found["Operation", "sep 3×3"] == 4
    assert found["Operation", "atrous 5×5"] == 2
    assert found["Input of a block", "layer − 2"] == 3
    assert found["Input of a block", "earlier block"] == 5
    assert found["Longest chain", "4 blocks"] == 1


def test_every_operation_has_its_place() -> None:
    assert len(ORDER["Operation"]) == len(Operation)
    for seed in range(20):
        architecture = SPACE.architecture(SPACE.sample(Random(seed)))
        for group, name in observed(architecture):
            assert name in ORDER[group] or group == "Longest chain"


def test_cells_of_other_families_are_refused() -> None:
    with pytest.raises(AtrousError, match="Expected a network such as auto_deeplab:published"):
        AUTO_DEEPLAB.draw(find_architecture("dpc:top1"))


def test_the_page_of_a_search_speaks_of_networks(tmp_path: Path) -> None:
    asked = a_run(space="auto_deeplab", baselines=(), strategy="random", filters=4)
    run = replace(asked, context=replace(asked.context, maps={1: (3, 65, 97)}))
    entries = [measured(number, 0.3 + number / 100) for number in range(8)]
    page = render_page(gather(run, entries))
    assert "Cost is that of trunk and head, at F = 4 on an image of 65 × 97 pixels." in page
    assert "The best of 8 proposed networks scores 0.3700" in page
    assert page.count('aria-label="Network: strides') == 3
    assert "Stride of the last layer" in page
    assert "the share of layers, of operations and of inputs" in page
    assert "feature map" not in page
    assert "projection" not in page
    write_csv(run, entries, tmp_path / "all.csv")
    assert "strides 4" in (tmp_path / "all.csv").read_text()
