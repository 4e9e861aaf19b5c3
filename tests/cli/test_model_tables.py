"""What is known of a model, on the terminal."""

from __future__ import annotations

import torch
from rich.console import Console

from atrous.cli.tables import evaluation_table, latency_table
from atrous.model.latency.conditions import make_conditions
from atrous.model.latency.measure import summarised
from tests.model.evaluation.material import evaluation

CONDITIONS = make_conditions((33, 65), 2, "cpu", 1)
MADE_UP = summarised("pytorch", CONDITIONS, 10, (4.0, 1.0, 2.0, 3.0, 10.0))


def test_a_latency_stands_with_all_its_conditions() -> None:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(latency_table([MADE_UP]))
    text = capture.get()
    for part in (
        "2 x 3 x 33 x 65",
        "float32",
        "1 CPU thread",
        "cpu: ",
        f"pytorch {torch.__version__}",
    ):
        assert part in text
    for part in ("3.00", "2.00 - 4.00", "1.00 - 10.00", "5 passes, after 10 to warm up"):
        assert part in text


def test_an_evaluation_stands_with_each_class_and_its_share() -> None:
    console = Console(width=90)
    with console.capture() as capture:
        console.print(evaluation_table(evaluation(flip=True)))
    text = capture.get()
    for part in ("streets, val: 7 images, scale 1 and mirrored", "80.0", "83.33%", "absent"):
        assert part in text
    assert "mean accuracy 90.0, pixel accuracy 83.3, frequency-weighted IoU" in text
