"""Every gate, on groups of logits of no family; and every family that can be relaxed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from copy import deepcopy
from random import Random

import pytest
import torch
from torch import Tensor

from atrous.core.architecture import Genotype
from atrous.networks.compute import Compute
from atrous.relax import bilevel
from atrous.relax.bilevel import SearchState
from atrous.relax.config import SearchProtocol
from atrous.relax.gates import GATES, Choices, Group, Groups
from atrous.relax.relaxation import Relaxation
from atrous.spaces import FAMILIES
from atrous.spaces.auto_deeplab.space import decode
from atrous.tasks import USUAL
from tests.spaces.auto_deeplab.relaxation.test_decoded import features
from tests.training.material import UNREADABLE
from tests.training.material import batch as noise

LENGTHS = ((5, 8), (2,), (3,), (2,))
"""Of logits: one tensor of several rows, and rows of unlike lengths."""


def _groups(scale: float = 1.0) -> Groups:
    draw = torch.Generator().manual_seed(0)
    plain, *ragged = (scale * torch.randn(*s, generator=draw) for s in LENGTHS)
    return {
        "plain": Group((plain.requires_grad_(),)),
        "ragged": Group(tuple(row.requires_grad_() for row in ragged)),
        "compared": Group(tuple(row.detach().clone().requires_grad_() for row in ragged), True),
    }


def _choices(gate: str, temperature: float = 1.0, seed: int = 0, scale: float = 1.0) -> Choices:
    return GATES[gate](_groups(scale), temperature, torch.Generator().manual_seed(seed))


def _every(choices: Choices) -> list[Tensor]:
    return [weights for chosen in choices.values() for weights in chosen.weights]


@pytest.mark.parametrize("gate", GATES)
def test_weights_sum_to_one_and_a_choice_taken_alone_has_all_of_it(gate: str) -> None:
    for seed in range(10):
        choices = _choices(gate, seed=seed)
        for name, group in _groups().items():
            chosen = choices[name]
            assert [w.shape for w in chosen.weights] == [part.shape for part in group.logits]
            assert (chosen.numbers is not None) == GATES[gate].alone
            for number, weights in enumerate(chosen.weights):
                assert torch.allclose(weights.sum(-1), torch.ones(weights.shape[:-1]))
                if chosen.numbers is not None:
                    alone = weights.gather(-1, chosen.numbers[number].unsqueeze(-1))
                    assert torch.allclose(alone, torch.ones_like(alone))


@pytest.mark.parametrize("gate", GATES)
def test_gradients_flow_to_all_logits_that_are_not_compared(gate: str) -> None:
    groups = _groups()
    choices = GATES[gate](groups, 1.0, torch.Generator().manual_seed(1))
    total = torch.stack([(w * torch.arange(w.shape[-1])).sum() for w in _every(choices)]).sum()
    for name, group in groups.items():
        found = torch.autograd.grad(total, group.logits, retain_graph=True, allow_unused=True)
        if name == "compared" and GATES[gate].alone:
            assert all(gradient is None for gradient in found)
        else:
            assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in found)


@pytest.mark.parametrize("gate", GATES)
def test_strong_logits_at_a_low_temperature_make_one_hot_choices(gate: str) -> None:
    choices = _choices(gate, temperature=0.01, scale=100.0)
    for name, group in _groups(100.0).items():
        for weights, logits in zip(choices[name].weights, group.logits, strict=True):
            expected = torch.zeros_like(logits).scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
            assert torch.allclose(weights, expected, atol=1e-4)


@pytest.mark.parametrize("gate", GATES)
def test_chance_comes_from_the_generator_alone_and_goes_on_from_its_state(gate: str) -> None:
    torch.manual_seed(0)
    one = _every(_choices(gate, seed=5))
    torch.manual_seed(1)
    assert all(map(torch.equal, one, _every(_choices(gate, seed=5))))
    draw = torch.Generator().manual_seed(3)
    GATES[gate](_groups(), 1.0, draw)
    resumed = torch.Generator()
    resumed.set_state(draw.get_state())
    two, three = (_every(GATES[gate](_groups(), 1.0, each)) for each in (draw, resumed))
    assert all(map(torch.equal, two, three))
    state = torch.Generator().manual_seed(3).get_state()
    draws = not torch.equal(draw.get_state(), state)
    assert draws == (gate != "softmax")
    assert draws == any(not torch.equal(a, b) for a, b in zip(one, two, strict=True))


def test_softmax_is_that_of_the_logits() -> None:
    choices = _choices("softmax", 2.0)
    for name, group in _groups().items():
        for weights, logits in zip(choices[name].weights, group.logits, strict=True):
            assert torch.allclose(weights, (logits / 2).softmax(-1))


def test_gdas_has_the_gradient_of_the_softmax() -> None:
    groups = _groups()
    (logits,) = groups["plain"].logits
    hard, soft = (
        GATES[gate](groups, 0.7, torch.Generator().manual_seed(3))["plain"].weights[0]
        for gate in ("gdas", "fbnet")
    )
    factors = torch.randn(hard.shape)
    found, expected = (
        torch.autograd.grad((weights * factors).sum(), logits)[0] for weights in (hard, soft)
    )
    assert torch.allclose(found, expected)


def test_what_gdas_compares_is_free_at_high_temperature_and_decided_at_low() -> None:
    def seen(temperature: float) -> set[tuple[int, ...]]:
        found = set()
        for seed in range(60):
            numbers = _choices("gdas", temperature, seed)["compared"].numbers
            assert numbers is not None
            found.add(tuple(torch.stack(numbers).tolist()))
        return found

    best = tuple(int(row.argmax()) for row in _groups()["compared"].logits)
    assert seen(1e-4) == {best}
    assert len(seen(10.0)) == 12


@pytest.mark.parametrize("gate", ["gdas", "fbnet"])
def test_noise_chooses_as_often_as_the_softmax_weighs(gate: str) -> None:
    """Gumbel noise: the largest is a draw from the distribution, whatever the temperature."""
    logits = torch.tensor([[0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, -1.0]]).repeat(20_000, 1)
    draw = torch.Generator().manual_seed(0)
    (weights,) = GATES[gate]({"one": Group((logits,))}, 5.0, draw)["one"].weights
    counts = torch.bincount(weights.argmax(1), minlength=8) / len(logits)
    assert torch.allclose(counts, logits[0].softmax(0), atol=0.012)


def test_noise_that_is_not_finite_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    draws: list[float] = [0.0, math.inf]
    plain = Tensor.exponential_

    def first_spoilt(tensor: Tensor, *, generator: torch.Generator) -> Tensor:
        plain(tensor, generator=generator)
        if draws:
            tensor.view(-1)[0] = draws.pop(0)
        return tensor

    monkeypatch.setattr(Tensor, "exponential_", first_spoilt)
    assert all(weights.isfinite().all() for weights in _every(_choices("fbnet", 0.1)))
    assert not draws


def test_temperatures_are_the_published_ones() -> None:
    softmax, gdas, fbnet = (GATES[name].temperature for name in ("softmax", "gdas", "fbnet"))
    assert [gdas(share) for share in (0.0, 0.5, 1.0)] == pytest.approx([10, 5.05, 0.1])
    assert fbnet(0.0) == 5
    assert fbnet(1 / 90) == pytest.approx(5 * math.exp(-0.045))
    assert fbnet(1.0) == pytest.approx(5 * 0.956**90, rel=1e-2)
    assert softmax(0.3) == 1


RELAXED = {"auto_deeplab": "auto_deeplab-3x2"}
"""A small space of each family that can be relaxed."""
COMPUTE = Compute("cpu", "float32", "contiguous", 1)
CROP = (33, 49)


def _trellis_features(genotype: Genotype) -> tuple[Tensor, Tensor]:
    spelt = decode(genotype, 3)
    return features(spelt.path, spelt.cell)


FEATURES: dict[str, Callable[[Genotype], tuple[Tensor, Tensor]]] = {
    "auto_deeplab": _trellis_features
}
"""What a relaxed network with one architecture alone computes, and what the decoded one does with
the same weights; each family copies them in its own way."""


@pytest.fixture(params=[name for name, family in FAMILIES.items() if family.relaxation])
def space(request: pytest.FixtureRequest) -> str:
    return RELAXED[request.param]


def _relaxation(space: str) -> Relaxation:
    make = FAMILIES[space.partition("-")[0]].relaxation
    assert make is not None
    return make(space)


def test_a_relaxed_network_takes_what_any_gate_makes_of_its_groups(space: str) -> None:
    torch.manual_seed(0)
    network = _relaxation(space).network(2, 3, False, USUAL)
    grouped = [part for group in network.groups().values() for part in group.logits]
    assert sum(part.numel() for part in grouped) == sum(p.numel() for p in network.architecture())
    parts = [*network.architecture(), *network.weights()]
    assert sorted(map(id, parts)) == sorted(id(p) for p in network.parameters())
    for gate in GATES.values():
        mixture = network.mixture(gate(network.groups(), 1.0, torch.Generator().manual_seed(0)))
        logits = network(torch.randn(2, 3, 33, 49), mixture)
        assert logits.shape == (2, 3, 33, 49)
        assert logits.isfinite().all()


def test_decoded_candidates_are_distinct_valid_and_begin_with_the_best(space: str) -> None:
    relaxation = _relaxation(space)
    grammar = FAMILIES[space.partition("-")[0]].space(space)
    assert grammar is not None
    draw = torch.Generator().manual_seed(0)
    groups = relaxation.network(2, 3, False, USUAL).groups()
    logits = {
        name: [torch.randn(part.shape, generator=draw) for part in group.logits]
        for name, group in groups.items()
    }
    for neutral in (False, True):
        found = relaxation.candidates(logits, 30, neutral)
        assert len({grammar.canonical(genotype) for genotype in found}) == 30
        assert all(grammar.is_valid(genotype) for genotype in found)
        assert relaxation.candidates(logits, 1, neutral) == found[:1]


def test_one_architecture_alone_takes_the_time_of_its_parts(space: str) -> None:
    relaxation = _relaxation(space)
    grammar = FAMILIES[space.partition("-")[0]].space(space)
    assert grammar is not None
    parts = relaxation.parts(2, (33, 65))
    for seed in range(5):
        mixture = relaxation.one_hot(grammar.sample(Random(seed)))
        one = float(relaxation.latency(dict.fromkeys(parts, 1.0), mixture))
        assert one == pytest.approx(round(one))
        assert one > 0
        assert float(relaxation.latency(dict.fromkeys(parts, 0.0), mixture)) == 0


def test_one_architecture_alone_computes_what_the_decoded_network_does(space: str) -> None:
    family = FAMILIES[space.partition("-")[0]]
    grammar = family.space(space)
    assert grammar is not None
    for seed in range(3):
        found, expected = FEATURES[family.name](grammar.sample(Random(seed)))
        assert torch.allclose(found, expected, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("gate", GATES)
def test_a_step_waits_for_an_accelerator_at_most_once(
    space: str, gate: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where choices are taken alone, after the architecture has learnt; else never."""
    waited: list[int] = []

    def known(tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        waited.append(len(tensors))
        return tuple(torch.zeros(each.shape) for each in tensors)

    monkeypatch.setattr(bilevel, "on_cpu", known)
    asked = SearchProtocol(
        gate, space, filters=2, classes=3, steps=6, batch=2, crop=CROP, scale=1, warm_up=0, seed=3
    )
    state, batch = SearchState(_relaxation(space), asked, UNREADABLE), noise(0, 2)
    counts = []
    for other in (None, None, batch, batch):
        assert state.advance(batch, other).weights.is_meta
        counts.append(len(waited))
    assert counts == ([1, 1, 2, 3] if GATES[gate].alone else [0, 0, 0, 0])


@pytest.mark.parametrize("gate", GATES)
def test_a_search_goes_on_from_a_checkpoint_exactly(space: str, gate: str) -> None:
    asked = SearchProtocol(
        gate, space, filters=2, classes=3, steps=4, batch=2, crop=CROP, scale=1, warm_up=0, seed=3
    )
    draw = torch.Generator().manual_seed(0)
    batches = [
        (
            torch.randint(256, (2, 3, *CROP), generator=draw, dtype=torch.uint8),
            torch.randint(3, (2, *CROP), generator=draw, dtype=torch.uint8),
        )
        for _ in range(2 * asked.steps)
    ]
    state, resumed = (SearchState(_relaxation(space), asked, COMPUTE) for _ in range(2))
    for step in range(asked.steps):
        if step == 2:
            resumed.restore(deepcopy(state.checkpoint()))  # as from a file, which shares nothing
        for one in (state, resumed) if step >= 2 else (state,):
            one.advance(batches[2 * step], batches[2 * step + 1])
    expected, found = state.checkpoint(), resumed.checkpoint()
    assert found.record == expected.record
    assert found.tensors.keys() == expected.tensors.keys()
    assert all(torch.equal(found.tensors[n], expected.tensors[n]) for n in expected.tensors)
