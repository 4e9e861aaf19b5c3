"""What a whole run trains: its best, and what that is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from atrous.core.architecture import Architecture
from atrous.core.config import TrainingConfig
from atrous.estimation.start import is_gentle, usual_rate
from atrous.search.ranking import winner
from atrous.search.run import Run
from atrous.spaces import find_architecture
from atrous.stages.train.config import Subject, subject_in
from atrous.stages.whole.wish import Wish

TRAINED = Path("trained")
SCORES = 4
"""A training is scored so often."""


@dataclass(frozen=True)
class Candidate:
    """An architecture, the name of its folder, and what it is called."""

    name: str
    label: str
    architecture: Architecture


def candidates(run: Run, baselines: tuple[str, ...]) -> list[Candidate]:
    """The best of the run, then the baselines."""
    best = winner(run)
    beside = (Candidate(b.replace(":", "-"), b, find_architecture(b)) for b in baselines)
    return [Candidate("best", f"trial {best.number} of the search", best.architecture), *beside]


def training_of(run: Run, candidate: Candidate, steps: int, wish: Wish) -> Subject:
    """Returns how a candidate is trained on a run's data with its backbone."""
    subject = subject_in(run, candidate.label, candidate.architecture)
    gentle = is_gentle(steps, True, subject.config.encoder.weights)
    training = TrainingConfig(
        steps,
        wish.batch,
        wish.crop,
        rate=usual_rate(gentle) if gentle else None,
        tune_norm=not gentle,
        score_every=max(1, -(-steps // SCORES)),
    )
    return subject.but(training=training, seed=run.config.seed, device=run.settings.device)
