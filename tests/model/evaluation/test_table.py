"""Tables in Markdown and CSV."""

from __future__ import annotations

import csv
import io

from atrous.model.evaluation.publication import (
    WIDE,
    class_table,
    confused_table,
    confusion_csv,
    confusion_table,
)
from tests.model.evaluation.material import COUNTS, evaluation, many_classes


def cells(table: str) -> list[list[str]]:
    """The rows of a Markdown table, the rule below the head left out."""
    lines = [line.strip("|").split("|") for line in table.splitlines()]
    assert len({len(line) for line in lines}) == 1
    assert set("".join(lines[1])) <= set(" -:")
    return [[cell.strip() for cell in line] for line in (lines[0], *lines[2:])]


def test_classes_stand_side_by_side_with_their_mean() -> None:
    assert cells(class_table(evaluation())) == [
        ["road", "car", "train", "mIoU"],
        ["80.0", "50.0", "-", "65.0"],
    ]


def test_many_classes_stand_one_below_the_other() -> None:
    found = cells(class_table(many_classes(WIDE + 1)))
    assert found[0] == ["class", "IoU"]
    assert [row[0] for row in found[1:3]] == ["class 0", "class 1"]
    assert found[-1][0] == "mIoU"
    assert len(found) == WIDE + 3
    assert len(cells(class_table(many_classes(WIDE)))) == 2


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
    table = class_table(evaluation(classes=("road|rail", "a\\b", "<train>")))
    assert "road\\|rail" in table
    assert "a\\\\b" in table
    assert "&lt;train>" in table
