"""A controller that learns to choose, decision by decision: PPO or REINFORCE (Zoph and Le 2017)."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from atrous.core.architecture import Genotype
from atrous.core.strategy_config import ControllerConfig
from atrous.core.trial import Note, Origin
from atrous.strategies.strategy import (
    Domain,
    ExhaustedError,
    Known,
    Moments,
    Proposal,
    Result,
    remembered,
    unseen_near,
)
from atrous.strategies.uniform import uniform

Vector = NDArray[np.float32]
Pull = Callable[[Vector], Vector]
"""Gives the gradient of the parameters for that of the logits [decisions, choices]."""
RING, CLIP, LARGEST, DECAY = 100, 0.1, 2.0, 0.95
"""Of FastDenseNAS: rows that PPO goes through after each trial, one a step; how far the ratio of
probabilities counts; the norm at which gradients are cut; the decay of the baseline."""
HIDDEN, WARM_UP, LARGEST_WEIGHT = 100, 4, 0.1
"""Of its LSTM: width, steps before the first decision, bound of the first weights."""
BETAS, TINY = (0.9, 0.999), 1e-8
DRAWS = 30
"""Draws before one that was tried is mutated."""
KIND = "controlled"


@dataclass(frozen=True)
class Episode:
    """The choices of a trial, how many there were at each, the log-probability with which they were
    drawn, and the score."""

    choices: tuple[int, ...]
    counts: tuple[int, ...]
    log: float
    score: float


@dataclass(frozen=True)
class Policy:
    """All that a controller has learnt.

    `weights` are the parameters and Adam's two moments [3, parameters], in base64; none before the
    first result. `most` are the choices of each decision, `scores` tells of all scores.
    """

    weights: str = ""
    most: tuple[int, ...] = ()
    steps: int = 0
    ring: tuple[Episode, ...] = ()
    scores: Moments = field(default_factory=Moments)

    def told(self, episode: Episode) -> Policy:
        """Returns the policy with one more episode in its ring, from which it has not learnt."""
        scores = self.scores.with_one(episode.score, DECAY)
        return replace(self, ring=(*self.ring, episode)[-RING:], scores=scores)

    def advantage(self, score: float, standardise: bool) -> float:
        """Returns how much better a score is than expected, in standard deviations if asked for."""
        if not standardise:
            return score - self.scores.moving
        spread = self.scores.spread
        return (score - self.scores.mean) / spread if spread > 0 else 0.0


@dataclass(frozen=True)
class Controller:
    """Draws each decision from logits, and learns from the scores which are good.

    The LSTM of FastDenseNAS and MnasNet is never shown what was drawn: its own output is its next
    input. So its decisions are independent, with logits that depend on its weights alone, and what
    it amounts to is a table of logits. Both are here. Where earlier decisions leave fewer choices,
    the others are masked. The LSTM has a head for each number of choices, which decisions share.

    As published, PPO makes a step by each of the last 100 trials after every trial, REINFORCE one
    step a trial. Scores are standardised over all trials unless `raw` asks for the published
    difference to a moving average: at the published rate of 1e-4, a controller does not leave
    uniform in 100 trials. A trial is learnt from by its first rung; a failed one is not.
    """

    how: ControllerConfig = field(default_factory=ControllerConfig)

    def begin(self) -> Policy:
        """See `Strategy`."""
        return Policy()

    def update(self, state: Policy, results: Sequence[Result]) -> Policy:
        """See `Strategy`."""
        for result in results:
            note = result.trial.origin.note
            if result.score is None or result.level or "counts" not in note:
                continue
            counts, most, log = (note[name] for name in ("counts", "most", "log"))
            episode = Episode(result.genotype, _whole(counts), float(str(log)), result.score)
            state = replace(state.told(episode), most=_whole(most))
            state = self._learn(state)
        return state

    def _learn(self, state: Policy) -> Policy:
        """The policy after the steps of one trial."""
        vectors = self._vectors(state)
        rows = state.ring if self.how.algorithm == "ppo" else state.ring[-1:]
        logits = self._logits(state.most)
        rate = self.how.rate or RATES[self.how.policy, self.how.algorithm]
        clipped, steps = self.how.algorithm == "ppo", state.steps
        for episode in rows:
            table, pull = logits(vectors[0])
            advantage = state.advantage(episode.score, not self.how.raw)
            slope = ascent(table, episode, advantage, clipped, self.how.entropy)
            steps += 1
            _step(vectors, pull(slope), steps, rate)
        return replace(state, weights=b64encode(vectors.tobytes()).decode(), steps=steps)

    def _vectors(self, state: Policy) -> Vector:
        """Parameters and moments: [3, parameters]."""
        if state.weights:
            found = np.frombuffer(b64decode(state.weights), np.float32)
            return found.reshape(3, -1).copy()
        if self.how.policy == "table":
            return np.zeros((3, sum(state.most)), np.float32)
        size = sum(p.numel() for p in _network(state.most).parameters())
        drawn = np.random.default_rng(0).uniform(-LARGEST_WEIGHT, LARGEST_WEIGHT, size)
        return np.stack([drawn, np.zeros(size), np.zeros(size)]).astype(np.float32)

    def _logits(self, most: tuple[int, ...]) -> Callable[[Vector], tuple[Vector, Pull]]:
        """Returns a function from parameters to logits [decisions, choices] and their pull."""
        return _plain(most) if self.how.policy == "table" else _recurrent(most)

    def propose(self, state: Policy, domain: Domain, history: Known, rng: Random) -> Proposal:
        """See `Strategy`."""
        table = self._table(state, history)

        def draw() -> Genotype:
            def pick(place: int, count: int) -> int:
                return rng.choices(range(count), np.exp(logs_of(table, place, count)).tolist())[0]

            return domain.spell(pick)

        try:
            genotype = unseen_near(draw, DRAWS, domain, history, rng)
        except ExhaustedError:
            genotype = uniform(domain, history, rng).genotype
        counts = _counts(genotype, domain)
        taken = zip(genotype, enumerate(counts), strict=True)
        log = sum(float(logs_of(table, *where)[choice]) for choice, where in taken)
        note: Note = {"counts": _floats(counts), "most": _floats(domain.most_choices), "log": log}
        return Proposal(genotype, Origin(KIND, note=note))

    def _table(self, state: Policy, history: Known) -> Vector | None:
        if not state.weights:
            return None
        key = (self.how, state.steps, state.scores.count)
        return remembered(
            history, key, lambda: self._logits(state.most)(self._vectors(state)[0])[0]
        )


RATES: Mapping[tuple[str, str], float] = {
    ("table", "ppo"): 0.015,
    ("table", "reinforce"): 0.15,
    ("lstm", "ppo"): 0.0003,
    ("lstm", "reinforce"): 0.003,
}
"""Rates of Adam, by policy and algorithm; the table's find the most of the planted problem."""


def logs_of(table: Vector | None, place: int, count: int) -> NDArray[np.float64]:
    """Returns the log-probabilities of the choices of a decision; uniform without a table."""
    row = np.zeros(count) if table is None else table[place, :count].astype(float)
    row -= row.max()
    return np.asarray(row - np.log(np.exp(row).sum()))


def ascent(
    table: Vector, episode: Episode, advantage: float, clipped: bool, entropy: float
) -> Vector:
    """Returns the slope, by logits [decisions, choices], of an episode's objective: its advantage
    times its log-probability, or PPO's clipped ratio to the probability that it was drawn with; and
    of `entropy` times the policy's."""
    places, choices = np.arange(len(episode.choices)), np.array(episode.choices)
    rows = table[: len(places)].astype(float)
    rows = np.where(np.arange(table.shape[1]) < np.array(episode.counts)[:, None], rows, -np.inf)
    rows -= rows.max(1, keepdims=True)
    shares = np.exp(rows)
    shares /= shares.sum(1, keepdims=True)
    logs = np.log(shares, out=np.zeros_like(shares), where=shares > 0)
    scale = advantage
    if clipped:
        ratio = float(np.exp(logs[places, choices].sum() - episode.log))
        beyond = ratio > 1 + CLIP if advantage > 0 else ratio < 1 - CLIP
        scale = 0.0 if beyond else ratio * advantage
    slope = np.zeros_like(table)
    slope[: len(places)] = -scale * shares
    slope[places, choices] += scale
    spread = -(shares * logs).sum(1, keepdims=True)
    slope[: len(places)] -= entropy * shares * (logs + spread)
    return slope


def _step(vectors: Vector, slope: Vector, steps: int, rate: float) -> None:
    """Moves parameters up a slope, by Adam."""
    slope = slope * min(1.0, LARGEST / (float(np.linalg.norm(slope)) + 1e-12))
    (one, two), (parameters, first, second) = BETAS, vectors
    first += (1 - one) * (slope - first)
    second += (1 - two) * (slope**2 - second)
    unbiased = np.sqrt(second / (1 - two**steps)) + TINY
    parameters += rate * (first / (1 - one**steps)) / unbiased


def _plain(most: tuple[int, ...]) -> Callable[[Vector], tuple[Vector, Pull]]:
    """A logit for each choice of each decision."""
    there = np.arange(max(most)) < np.array(most)[:, None]

    def logits(parameters: Vector) -> tuple[Vector, Pull]:
        table = np.zeros(there.shape, np.float32)
        table[there] = parameters
        return table, lambda slope: slope[there]

    return logits


def _network(most: tuple[int, ...]) -> Any:
    """The LSTM of two layers, its first input, and a head for each number of choices."""
    import torch
    from torch import nn

    heads = {str(count): nn.Linear(HIDDEN, count) for count in sorted(set(most))}
    cells = [nn.LSTMCell(HIDDEN, HIDDEN) for _ in range(2)]
    start = nn.ParameterList([torch.zeros(1, HIDDEN)])
    return nn.ModuleList([*cells, nn.ModuleDict(heads), start])


def _recurrent(most: tuple[int, ...]) -> Callable[[Vector], tuple[Vector, Pull]]:
    """The logits that an LSTM gives, whose output is its next input."""
    import torch
    from torch.nn.utils import parameters_to_vector, vector_to_parameters

    network = _network(most)
    first, second, heads, (start,) = network

    def logits(parameters: Vector) -> tuple[Vector, Pull]:
        vector_to_parameters(torch.from_numpy(parameters.copy()), network.parameters())
        network.zero_grad()
        output, one, two, rows = start, None, None, []
        for place in range(-WARM_UP, len(most)):
            one = first(output, one)
            two = second(one[0], two)
            output = two[0]
            if place >= 0:
                rows.append(heads[str(most[place])](output)[0])
        table = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)

        def pull(slope: Vector) -> Vector:
            torch.autograd.backward(table, torch.from_numpy(slope))
            every = network.parameters()
            slopes = [torch.zeros_like(p) if p.grad is None else p.grad for p in every]
            return np.asarray(parameters_to_vector(slopes).numpy())

        return np.asarray(table.detach().numpy()), pull

    return logits


def _counts(genotype: Genotype, domain: Domain) -> list[int]:
    """How many choices each decision of a genotype had."""
    counts: list[int] = []

    def pick(place: int, count: int) -> int:
        counts.append(count)
        return genotype[place]

    domain.spell(pick)
    return counts


def _whole(values: Any) -> tuple[int, ...]:
    return tuple(int(value) for value in values)


def _floats(values: Sequence[int]) -> tuple[float, ...]:
    return tuple(map(float, values))
