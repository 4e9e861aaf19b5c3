from __future__ import annotations

from math import log
from random import Random
from typing import Any

import numpy as np
import pytest

from atrous.core.strategy_config import ControllerConfig
from atrous.core.trial import Origin, Trial
from atrous.strategies import controller as subject
from atrous.strategies.controller import Controller, Episode, Policy, ascent, logs_of
from atrous.strategies.strategy import Result
from tests.spaces.toy import walk
from tests.strategies.histories import known, play
from tests.strategies.planted import COUNTS, MAPS, space

SPACE = space()
PLACE = 3
"""A decision of two choices."""


def controller(**options: Any) -> Controller:
    return Controller(ControllerConfig(**options))


def learnt(how: Controller, results: list[Result]) -> list[float]:
    """The shares of the choices of decision `PLACE` after some results."""
    state = how.update(how.begin(), results)
    table = how._table(state, known(SPACE, results))
    return [float(share) for share in np.exp(logs_of(table, PLACE, COUNTS[PLACE]))]


def drawn(count: int) -> list[Result]:
    """Uniform draws of a controller, whose scores are high where decision `PLACE` is 1."""
    results: list[Result] = []
    rng = Random(0)
    for number in range(count):
        proposal = controller().propose(Policy(), SPACE, known(SPACE, results), rng)
        trial = Trial(number, SPACE.architecture(proposal.genotype), proposal.origin, 0)
        score = 0.5 + 0.1 * (proposal.genotype[PLACE] == 1) + rng.gauss(0, 0.02)
        results.append(Result(trial, 0, score))
    return results


@pytest.mark.parametrize("algorithm", ["ppo", "reinforce"])
def test_what_scores_well_is_drawn_more_often(algorithm: str) -> None:
    shares = learnt(controller(algorithm=algorithm), drawn(60))
    assert shares[1] > 0.65


def test_at_the_published_rate_it_does_not_leave_uniform_in_100_trials() -> None:
    shares = learnt(controller(rate=1e-4, raw=True, algorithm="reinforce"), drawn(100))
    assert max(shares) < 0.51


@pytest.mark.parametrize(
    ("ratio", "advantage", "scale"),
    [(1.2, 1.0, 0.0), (1.2, -1.0, -1.2), (0.8, 1.0, 0.8), (0.8, -1.0, 0.0), (1.05, 1.0, 1.05)],
)
def test_the_ratio_is_clipped_as_published(ratio: float, advantage: float, scale: float) -> None:
    """One decision of two choices, each with a share of a half."""
    table, episode = np.zeros((1, 2), np.float32), Episode((0,), (2,), log(0.5 / ratio), 0.0)
    slope = ascent(table, episode, advantage, True, 0.0)
    assert slope.tolist() == [[pytest.approx(scale / 2), pytest.approx(-scale / 2)]]


def test_slopes_are_those_of_the_objective_and_masked_choices_have_none() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(3, 4)).astype(np.float32)
    episode, entropy = Episode((1, 2), (3, 4), 0.0, 0.0), 0.3

    def objective(table: Any) -> float:
        logs = [logs_of(table, place, count) for place, count in enumerate(episode.counts)]
        spread = sum(float(-(np.exp(row) * row).sum()) for row in logs)
        return 0.7 * sum(float(row[c]) for row, c in zip(logs, episode.choices, strict=True)) + (
            entropy * spread
        )

    slope = ascent(table, episode, 0.7, False, entropy)
    for place in np.ndindex(3, 4):
        moved = table.astype(float)
        moved[place] += 1e-5
        found = (objective(moved) - objective(table.astype(float))) / 1e-5
        assert slope[place] == pytest.approx(found, abs=1e-4)
    assert slope[0, 3] == 0
    assert not slope[2].any()


def test_the_slopes_of_the_lstm_are_those_of_its_logits() -> None:
    logits = subject._recurrent((3, 2, 3))
    size = sum(p.numel() for p in subject._network((3, 2, 3)).parameters())
    rng = np.random.default_rng(0)
    weights = rng.uniform(-0.1, 0.1, size).astype(np.float32)
    table, pull = logits(weights)
    assert table.shape == (3, 3)
    slope = rng.normal(size=(3, 3)).astype(np.float32)
    slope[1, 2] = 0
    gradient = pull(slope)
    direction = gradient / np.linalg.norm(gradient)
    ahead, _ = logits((weights + 0.01 * direction).astype(np.float32))
    behind, _ = logits((weights - 0.01 * direction).astype(np.float32))
    found = float(((ahead - behind) * slope).sum()) / 0.02
    assert found == pytest.approx(float(np.linalg.norm(gradient)), rel=0.01)


def test_the_lstm_learns_and_is_kept_as_text() -> None:
    how, results = controller(policy="lstm", algorithm="reinforce", rate=0.01), drawn(12)
    whole = how.update(how.begin(), results)
    halves = how.update(how.update(how.begin(), results[:5]), results[5:])
    assert halves == whole
    shares = learnt(how, results)
    assert sum(shares) == pytest.approx(1)
    assert max(shares) - min(shares) > 0.001


def test_masked_choices_are_never_drawn_and_the_note_says_how_many_there_were() -> None:
    space = walk(5).at(MAPS, 8)
    proposed, _ = play(controller(), space, 20, lambda genotype: float(sum(genotype)))
    for proposal in proposed:
        assert space.is_valid(proposal.genotype)
        counts = [space.choices(proposal.genotype[:k]) for k in range(len(proposal.genotype))]
        assert proposal.origin.note["counts"] == tuple(map(float, counts))


def test_failures_and_trials_of_others_teach_nothing() -> None:
    (one,) = drawn(1)
    foreign = Result(Trial(1, one.trial.architecture, Origin("uniform"), 0), 0, 0.5)
    failed = Result(one.trial, 0, None)
    assert controller().update(Policy(), [foreign, failed]) == Policy()
