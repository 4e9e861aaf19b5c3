"""Tables in Markdown and CSV."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from atrous.core.architecture import Cost
from atrous.model.evaluation.publication import (
    WIDE,
    ComparedNetwork,
    class_table,
    comparison_table,
    confused_table,
    confusion_csv,
    confusion_table,
    score_table,
)
from tests.model.evaluation.material import COUNTS, evaluation, many_classes


def cells(table: str) -> list[list[str]]:
    """The rows of a Markdown table, the rule below the head left out."""
    lines = [line.strip("|").split("|") for line in table.splitlines()]
    assert len({len(line) for line in lines}) == 1
    assert set("".join(lines[1])) <= set(" -:")
    return [[cell.strip() for cell in line] for line in (lines[0], *lines[2:])]


def test_classes_stand_side_by_side_with_their_mean() -> None:
    found = cells(class_table({"DPC": evaluation(), "ASPP": evaluation(np.diag([1, 1, 1]))}))
    assert found == [
        ["method", "road", "car", "train", "mIoU"],
        ["DPC", "80.00", "50.00", "-", "65.00"],
        ["ASPP", "100.00", "100.00", "100.00", "100.00"],
    ]


def test_many_classes_stand_one_below_the_other() -> None:
    found = cells(class_table({"DPC": many_classes(WIDE + 1)}))
    assert found[0] == ["class", "DPC"]
    assert [row[0] for row in found[1:3]] == ["class 0", "class 1"]
    assert found[-1][0] == "mIoU"
    assert len(found) == WIDE + 3
    assert len(cells(class_table({"DPC": many_classes(WIDE)}))) == 2


def test_evaluations_of_other_classes_share_no_table() -> None:
    with pytest.raises(ValueError, match="same classes"):
        class_table({"one": evaluation(), "other": many_classes(3)})


def test_a_comparison_has_cost_and_score_as_in_the_paper() -> None:
    rows = [
        ComparedNetwork("DPC", Cost(356_160, 2_986_401_600), 0.7538),
        ComparedNetwork("tiny", Cost(1_234, 999_999), 0.5),
    ]
    assert cells(comparison_table(rows)) == [
        ["method", "parameters", "multiply-adds", "mIoU"],
        ["DPC", "0.36M", "2.99B", "75.38"],
        ["tiny", "1,234", "1.00M", "50.00"],
    ]


def test_scores_are_percent() -> None:
    assert cells(score_table({"DPC": evaluation()}))[1] == [
        "DPC",
        "65.00",
        "90.00",
        "83.33",
        "75.00",
    ]


def test_the_confusion_matrix_is_percent_of_the_label() -> None:
    assert cells(confusion_table(evaluation()))[1:] == [
        ["road", "80.0", "20.0", "0.0", "10"],
        ["car", "0.0", "100.0", "0.0", "2"],
        ["train", "-", "-", "-", "0"],
    ]


def test_of_many_classes_the_most_frequent_confusions_are_told() -> None:
    found = cells(confusion_table(many_classes(40)))
    assert len(found) == 11
    assert found[1] == ["class 38", "class 39", "39", "43.8"]
    assert cells(confused_table(evaluation(), 10))[1:] == [["road", "car", "2", "20.0"]]


def test_the_csv_holds_the_pixels_and_survives_odd_names() -> None:
    text = confusion_csv(evaluation(classes=("road, wet", 'the "car"', "train|tram")))
    (head, *rows) = list(csv.reader(io.StringIO(text)))
    assert head[1:] == ["road, wet", 'the "car"', "train|tram"]
    assert [row[0] for row in rows] == head[1:]
    assert [[int(cell) for cell in row[1:]] for row in rows] == COUNTS.tolist()


def test_names_cannot_break_a_table() -> None:
    table = class_table({"a|b": evaluation(classes=("road|rail", "car", "train"))})
    assert "road\\|rail" in table
    assert "a\\|b" in table
