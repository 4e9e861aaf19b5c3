"""What the choices of a gate mean in the trellis."""

from __future__ import annotations

import pytest
import torch

from atrous.relax.gates import GATES
from atrous.spaces.auto_deeplab.cell import Block, Edge, Operation, edges
from atrous.spaces.auto_deeplab.relaxation.decoding import nodes
from atrous.spaces.auto_deeplab.relaxation.mixture import (
    Mixture,
    by_node,
    groups_of,
    mixture_of,
    on_path,
    one_hot,
)
from atrous.spaces.auto_deeplab.trellis import arrows, is_path

LAYERS, BLOCKS = 6, 4


def _mixture(gate: str, temperature: float = 1.0, seed: int = 0) -> Mixture:
    draw = torch.Generator().manual_seed(0)
    alpha = torch.randn(len(edges(BLOCKS)), 8, generator=draw)
    beta = torch.randn(len(list(arrows(LAYERS))), generator=draw)
    groups = groups_of(alpha, beta, LAYERS)
    choices = GATES[gate](groups, temperature, torch.Generator().manual_seed(seed))
    return mixture_of(choices, LAYERS)


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
        assert torch.equal(mixture.arrows, torch.tensor(mixture.arrows_on).float())
        seen.add(path)
    assert len(seen) > 10


def test_one_hot_is_an_architecture_and_nothing_else() -> None:
    cell = (
        Block(Edge(0, Operation.SKIP), Edge(1, Operation.AVERAGE)),
        Block(Edge(1, Operation.SEPARABLE_5), Edge(2, Operation.ATROUS_3)),
    )
    mixture = one_hot((0, 1), cell)
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
