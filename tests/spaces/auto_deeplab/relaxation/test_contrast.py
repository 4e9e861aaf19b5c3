"""What a search through single paths learns from."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest
import torch
from torch import Tensor

from atrous.relax.gates import GATES
from atrous.spaces.auto_deeplab.relaxation.mixture import (
    Mixture,
    contrast,
    groups_of,
    mixture_of,
    on_path,
    one_hot,
)
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet, SupernetSize
from atrous.spaces.auto_deeplab.trellis import Path, arrows
from tests.spaces.auto_deeplab.relaxation.networks import all_paths, some_cell

LAYERS = 3


def mixture(path: Path) -> Mixture:
    on = on_path(path)
    return Mixture(torch.ones(2, 8), torch.tensor(on).float(), ((True,) * 8,) * 2, on)


def probability(beta: Tensor, path: Path) -> Tensor:
    """By the definition: the product of the shares of the arrows taken."""
    shares, level = torch.ones((), dtype=beta.dtype), 0
    for layer, target in enumerate(path):
        leaving = [
            (number, arrow.target)
            for number, arrow in enumerate(arrows(LAYERS))
            if (arrow.layer, arrow.source) == (layer, level)
        ]
        weights = beta[[number for number, _ in leaving]].softmax(0)
        shares = shares * weights[[to for _, to in leaving].index(target)]
        level = target
    return shares


def test_two_paths_estimate_the_gradient_of_the_expected_loss_without_bias() -> None:
    draw = torch.Generator().manual_seed(0)
    beta = torch.randn(len(list(arrows(LAYERS))), generator=draw, dtype=torch.float64)
    beta.requires_grad_()
    paths = all_paths(LAYERS)
    losses = dict(zip(paths, torch.rand(len(paths), generator=draw).double(), strict=True))
    expected_loss = torch.stack([probability(beta, p) * loss for p, loss in losses.items()]).sum()
    expected = torch.autograd.grad(expected_loss, beta)[0]
    average = torch.zeros_like(beta)
    for one, other in product(losses, repeat=2):
        more = losses[one] - losses[other]
        estimate = more / 2 * contrast(beta, LAYERS, mixture(one), mixture(other))
        chance = (probability(beta, one) * probability(beta, other)).detach()
        average += chance * torch.autograd.grad(estimate, beta)[0]
    assert torch.allclose(average, expected, rtol=1e-10, atol=1e-12)
    assert expected.abs().min() > 0


def test_paths_are_drawn_as_often_as_they_are_probable() -> None:
    draw = torch.Generator().manual_seed(0)
    beta = torch.randn(len(list(arrows(LAYERS))), generator=draw)
    groups = groups_of(torch.zeros(2, 8), beta, LAYERS)
    drawn = (GATES["gdas"](groups, 1.0, draw) for _ in range(4000))
    seen = [mixture_of(choices, LAYERS).arrows_on for choices in drawn]
    for path in all_paths(LAYERS):
        share = seen.count(on_path(path)) / len(seen)
        assert share == pytest.approx(float(probability(beta, path)), abs=0.025)


def test_the_weight_of_the_only_arrow_into_a_node_cannot_be_seen_within_the_network() -> None:
    """Why paths are not learnt by the gradient of the softmax."""
    torch.manual_seed(0)
    size = SupernetSize(LAYERS, 1, 2, 3)
    network, images = Supernet(size), torch.rand(2, 3, 65, 65)
    plain = one_hot((0, 1, 1), some_cell(Random(0), 1))
    scores = network(images, plain).detach()
    change = []
    for layer in range(LAYERS):
        factors = torch.tensor([2.0 if a.layer == layer else 1.0 for a in arrows(LAYERS)])
        heavier = Mixture(
            plain.operations, plain.arrows * factors, plain.operations_on, plain.arrows_on
        )
        difference = network(images, heavier).detach() - scores
        change.append(float(difference.abs().max() / scores.abs().max()))
    assert max(change[:-1]) < 0.05
    assert change[-1] == pytest.approx(1)
