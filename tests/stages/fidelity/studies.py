"""Studies with made-up scores, and the settings of small real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atrous.core.config import DataConfig
from atrous.core.options import replaced
from atrous.core.stage_config import FidelityConfig
from atrous.core.trial import Failed, Job, Origin, Reason, Rung, Trial
from atrous.data.dataset import DataFingerprint
from atrous.estimation.tune import Choice
from atrous.networks.compute import Compute
from atrous.search.ledger import Entry
from atrous.spaces import find_space
from atrous.stages.fidelity.study import Fingerprints, Study, create_study, some_cells
from tests.records import entry_of, scored_by

SETTINGS = replaced(
    FidelityConfig(DataConfig("/data/streets")),
    weights="none",
    large_weights="none",
    crop=(65, 97),
    filters=8,
    end_to_end_steps=200,
    batch=2,
    device="cpu",
    executor="inline",
)
FINGERPRINTS = Fingerprints(
    DataFingerprint("d1", "s1"), "w1", "l1", "Linux x86_64, a processor", {"atrous": "0.1.0"}
)
COMPUTE = Choice(Compute("cpu", "float32", "channels_last", 1), 2)


def new_study(path: Path, **changes: Any) -> Study:
    """A study without trials."""
    settings = replaced(SETTINGS, **changes)
    study = Study(path, settings, FINGERPRINTS, dict.fromkeys(settings.names, COMPUTE))
    create_study(study)
    return study


def fill(study: Study, name: str, scores: dict[str, float | None], seconds: float = 2.0) -> None:
    """Records scores by cell; `None` is a failure."""
    cells = some_cells(study.settings.cells)
    ledger = study.ledger(name)
    for number, (cell, miou) in enumerate(scores.items()):
        trial = Trial(number, cells[cell], Origin("baseline", label=cell), 0)
        job, elapsed = Job(trial, Rung(0, 1)), seconds * (number + 1)
        entry = (
            Entry(Failed(job, Reason.OUT_OF_MEMORY, "Not enough memory.", seconds), None, elapsed)
            if miou is None
            else entry_of(job, scored_by((miou,) * 4, 1.0, (miou,)), elapsed, seconds)
        )
        widths = find_space(trial.architecture.space).widths(trial.architecture.genotype)
        ledger.record(entry, widths)
