"""Gates: what they weigh, what they leave out, and where their gradients go."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from atrous.relax.gates import (
    GATES,
    TEMPERATURES,
    Mixture,
    by_node,
    fbnet,
    gdas,
    nodes,
    on_path,
    one_hot,
    softmax,
)
from atrous.spaces.auto_deeplab.cell import Block, Edge, Operation, edges
from atrous.spaces.auto_deeplab.relaxation.size import Size
from atrous.spaces.auto_deeplab.trellis import arrows, exits, is_path

LAYERS, BLOCKS = 6, 4


def _parameters(scale: float = 1.0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(0)
    alpha = scale * torch.randn(len(edges(BLOCKS)), 8, generator=draw)
    beta = scale * torch.randn(len(list(arrows(LAYERS))), generator=draw)
    return alpha.requires_grad_(), beta.requires_grad_()


def _mixture(gate: str, temperature: float = 1.0, seed: int = 0) -> Mixture:
    draw = torch.Generator().manual_seed(seed)
    return GATES[gate](*_parameters(), LAYERS, temperature, draw)


@pytest.mark.parametrize("gate", ["softmax", "fbnet"])
def test_an_edge_and_the_arrows_that_leave_a_node_sum_to_one(gate: str) -> None:
    mixture = _mixture(gate)
    assert torch.allclose(mixture.operations.sum(1), torch.ones(len(edges(BLOCKS))))
    for number, (layer, source) in enumerate(nodes(LAYERS)):
        leaving = [a == (layer, source) for a in ((a.layer, a.source) for a in arrows(LAYERS))]
        assert mixture.arrows[torch.tensor(leaving)].sum().item() == pytest.approx(1)
        assert len(by_node(mixture.arrows, LAYERS)[number]) == (2 if source in (0, 3) else 3)
    assert (mixture.arrows > 0).all()


def test_all_is_on_but_none() -> None:
    for gate in ("softmax", "fbnet"):
        mixture = _mixture(gate)
        assert mixture.operations_on == ((True,) * 7 + (False,),) * len(edges(BLOCKS))
        assert all(mixture.arrows_on)


def test_softmax_is_that_of_the_logits_and_draws_nothing() -> None:
    draw = torch.Generator().manual_seed(0)
    state = draw.get_state()
    alpha, beta = _parameters()
    mixture = softmax(alpha, beta, LAYERS, 2.0, draw)
    assert torch.equal(draw.get_state(), state)
    assert torch.allclose(mixture.operations, (alpha / 2).softmax(1))
    assert torch.allclose(mixture.arrows[:2], (beta[:2] / 2).softmax(0))


@pytest.mark.parametrize("gate", ["gdas", "fbnet"])
def test_noise_comes_from_the_generator_alone(gate: str) -> None:
    torch.manual_seed(0)
    one = _mixture(gate, seed=5)
    torch.manual_seed(1)
    assert torch.equal(one.operations, _mixture(gate, seed=5).operations)
    assert torch.equal(one.arrows, _mixture(gate, seed=5).arrows)
    assert not torch.equal(one.operations, _mixture(gate, seed=6).operations)


def test_gdas_leaves_one_operation_of_an_edge_and_one_path() -> None:
    seen = set()
    for seed in range(40):
        mixture = _mixture("gdas", seed=seed)
        assert torch.equal(mixture.operations.sum(1), torch.ones(len(edges(BLOCKS))))
        chosen = mixture.operations.argmax(1)
        for on, choice in zip(mixture.operations_on, chosen.tolist(), strict=True):
            assert on == tuple(operation == choice != 7 for operation in range(8))
        on_arrows = [a for a, on in zip(arrows(LAYERS), mixture.arrows_on, strict=True) if on]
        path = tuple(arrow.target for arrow in on_arrows)
        assert is_path(path)
        assert mixture.arrows_on == on_path(path)
        assert all(
            weight.item() == 1
            for weight, on in zip(mixture.arrows, mixture.arrows_on, strict=True)
            if on
        )
        seen.add(path)
    assert len(seen) > 10


def test_gdas_has_the_gradient_of_the_softmax_for_operations() -> None:
    alpha, beta = _parameters()
    hard, soft = (
        gate(alpha, beta, LAYERS, 0.7, torch.Generator().manual_seed(3)) for gate in (gdas, fbnet)
    )
    factors = torch.randn(hard.operations.shape)
    found, expected = (
        torch.autograd.grad((mixture.operations * factors).sum(), alpha)[0]
        for mixture in (hard, soft)
    )
    assert torch.allclose(found, expected)
    assert found.abs().sum() > 0
    assert not hard.arrows.requires_grad


def test_at_a_low_temperature_the_operations_of_fbnet_are_those_of_gdas() -> None:
    hard, soft = _mixture("gdas", 1e-4), _mixture("fbnet", 1e-4)
    assert torch.allclose(hard.operations, soft.operations, atol=1e-4)


def test_paths_of_gdas_are_free_at_high_temperature_and_one_at_low() -> None:
    paths = {t: {_mixture("gdas", t, seed).arrows_on for seed in range(60)} for t in (1e-4, 10)}
    _, beta = _parameters()
    best = iter([int(part.argmax()) for part in by_node(beta, LAYERS)])
    strongest = {place: next(best) for place in nodes(LAYERS)}
    path: list[int] = []
    for layer in range(LAYERS):
        source = path[-1] if path else 0
        path.append(exits(source)[strongest[layer, source]])
    assert paths[1e-4] == {on_path(tuple(path))}
    assert len(paths[10]) > 40


@pytest.mark.parametrize("gate", ["gdas", "fbnet"])
def test_noise_chooses_as_often_as_the_softmax_weighs(gate: str) -> None:
    """Gumbel noise: the largest is a draw from the distribution, whatever the temperature."""
    alpha = torch.tensor([[0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, -1.0]]).repeat(20_000, 1)
    beta = torch.zeros(2)
    draw = torch.Generator().manual_seed(0)
    mixture = GATES[gate](alpha, beta, 1, 5.0, draw)
    counts = torch.bincount(mixture.operations.argmax(1), minlength=8) / len(alpha)
    assert torch.allclose(counts, alpha[0].softmax(0), atol=0.012)


def test_noise_that_is_not_finite_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    draws: list[float] = [0.0, math.inf]
    plain = Tensor.exponential_

    def first_spoilt(tensor: Tensor, *, generator: torch.Generator) -> Tensor:
        plain(tensor, generator=generator)
        if draws:
            tensor.view(-1)[0] = draws.pop(0)
        return tensor

    monkeypatch.setattr(Tensor, "exponential_", first_spoilt)
    mixture = _mixture("fbnet", 0.1)
    assert mixture.operations.isfinite().all()
    assert not draws


def test_temperatures_are_the_published_ones() -> None:
    assert [TEMPERATURES["gdas"](share) for share in (0.0, 0.5, 1.0)] == pytest.approx(
        [10, 5.05, 0.1]
    )
    assert TEMPERATURES["fbnet"](0.0) == 5
    assert TEMPERATURES["fbnet"](1 / 90) == pytest.approx(5 * math.exp(-0.045))
    assert TEMPERATURES["fbnet"](1.0) == pytest.approx(5 * 0.956**90, rel=1e-2)
    assert TEMPERATURES["softmax"](0.3) == 1
    assert TEMPERATURES.keys() == GATES.keys()


def test_one_hot_is_an_architecture_and_nothing_else() -> None:
    cell = (
        Block(Edge(0, Operation.SKIP), Edge(1, Operation.AVERAGE)),
        Block(Edge(1, Operation.SEPARABLE_5), Edge(2, Operation.ATROUS_3)),
    )
    mixture = one_hot((0, 1), cell, Size(2, 2, 4, 3))
    on = {
        (edge, Operation(operation))
        for edge, row in zip(edges(2), mixture.operations_on, strict=True)
        for operation, is_on in zip([*Operation, None], row, strict=True)
        if is_on and operation is not None
    }
    assert on == {
        ((0, 0), Operation.SKIP),
        ((0, 1), Operation.AVERAGE),
        ((1, 1), Operation.SEPARABLE_5),
        ((1, 2), Operation.ATROUS_3),
    }
    assert torch.equal(mixture.operations.bool(), torch.tensor(mixture.operations_on))
    followed = [a for a, is_on in zip(arrows(2), mixture.arrows_on, strict=True) if is_on]
    assert [(a.source, a.target) for a in followed] == [(0, 0), (0, 1)]
    assert torch.equal(mixture.arrows.bool(), torch.tensor(mixture.arrows_on))
