"""Trained networks under their names, and what was measured on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from atrous.report import measures
from atrous.report.measures import TitledNetwork, named, unlike_fields, unlike_words
from atrous.report.trained import read_trained
from tests.records import SPACE
from tests.report.runs import baselines, measured
from tests.report.trainings import write_trained

ENTRIES = [*baselines(), measured(2, 0.43), measured(3, 0.42)]
ASPP, TOP1, SECOND, THIRD = (str(entry.trial.architecture) for entry in ENTRIES)


def _networks(path: Path) -> list[TitledNetwork]:
    return named(read_trained(path), ENTRIES)


@pytest.fixture
def networks(tmp_path: Path) -> list[TitledNetwork]:
    """ASPP, and a found cell that was trained longer."""
    write_trained(tmp_path, "aspp", ASPP, 0.58)
    write_trained(tmp_path, "best", THIRD, 0.6, steps=300, batch=4)
    return _networks(tmp_path)


def test_networks_are_called_what_the_search_calls_them(networks: Sequence[TitledNetwork]) -> None:
    assert [(n.title, n.is_found) for n in networks] == [("trial 3", True), ("dpc:aspp", False)]


def test_one_cell_trained_twice_has_two_names(tmp_path: Path) -> None:
    for name in ("long", "best"):
        write_trained(tmp_path, name, SECOND, 0.6)
    assert [n.title for n in _networks(tmp_path)] == ["trial 2 (best)", "trial 2 (long)"]


def test_a_network_that_no_trial_knows_keeps_its_name(tmp_path: Path) -> None:
    stranger = str(SPACE.architecture(SPACE.sample(Random(99))))
    write_trained(tmp_path, "best", stranger, 0.6)
    assert [(n.title, n.is_found) for n in _networks(tmp_path)] == [
        ("the name it was given", False)
    ]


def test_what_was_trained_otherwise_is_said(networks: Sequence[TitledNetwork]) -> None:
    found, aspp = networks
    assert unlike_fields(found, aspp) == ["batch", "steps"]
    assert unlike_words(networks) == [
        "dpc:aspp was not trained as trial 3 was: they differ in batch, steps."
    ]


def test_a_column_for_each_evaluation(networks: Sequence[TitledNetwork]) -> None:
    columns = measures.scores(networks)
    assert [(c.name, c.conditions) for c in columns] == [
        ("mIoU on val", "my street, 73 images, scale 1"),
        ("mIoU on test", "my street, 73 images, scale 1"),
    ]
    records = [n.trained.evaluations[1].miou for n in networks]
    assert columns[1].values == tuple(records)
    assert columns[1].best == max(records)


def test_a_column_for_each_condition_of_a_latency(tmp_path: Path) -> None:
    write_trained(tmp_path, "best", SECOND, 0.6)
    other = write_trained(tmp_path, "aspp", ASPP, 0.58)
    timings = json.loads((other / "latency.json").read_text())
    (other / "latency.json").write_text(json.dumps([timings[0] | {"threads": 1}, timings[1]]))
    columns = measures.latencies(_networks(tmp_path))
    assert [c.values for c in columns] == [(41.5, None), (23.42, 23.42), (None, 41.5)]
    assert columns[1].conditions == (
        "onnxruntime 1.31.0, float32, batch 1, 361 × 481 pixels, 2 threads, cpu: a processor"
    )
    assert "1 thread," in columns[2].conditions


def test_the_evaluation_to_look_at_is_on_images_that_chose_nothing(tmp_path: Path) -> None:
    write_trained(tmp_path, "best", SECOND, 0.6)
    assert measures.most_telling(_networks(tmp_path)) == "my street, test, scale 1"


def test_val_tells_as_much_when_the_selection_was_held_out_of_train(tmp_path: Path) -> None:
    write_trained(tmp_path, "best", SECOND, 0.6, select_on="0.2")
    networks = _networks(tmp_path)
    assert measures.most_telling(networks) == "my street, val, scale 1"
    assert measures.biased(networks) == []


def test_scores_that_flatter_are_named(networks: Sequence[TitledNetwork]) -> None:
    (words,) = measures.biased(networks)
    assert words.startswith("Scores on val flatter")


def test_class_tables_begin_with_the_telling_one(networks: Sequence[TitledNetwork]) -> None:
    first, second = measures.class_tables(networks)
    assert (first.title, second.title) == ("my street, test, scale 1", "my street, val, scale 1")
    assert first.networks == ("trial 3", "dpc:aspp")
    assert [line.name for line in first.lines][:2] == ["road", "building"]
    assert first.lines[-1].values == (None, None)
    known = [line.values[0] for line in first.lines if line.values[0] is not None]
    assert sum(known) / len(known) == pytest.approx(first.mean[0])


def test_nothing_measured_gives_no_column(tmp_path: Path) -> None:
    folder = write_trained(tmp_path, "best", SECOND, 0.6)
    (folder / "model" / "evaluation.json").unlink()
    (folder / "latency.json").unlink()
    networks = _networks(tmp_path)
    assert measures.scores(networks) == []
    assert measures.latencies(networks) == []
    assert measures.most_telling(networks) is None
