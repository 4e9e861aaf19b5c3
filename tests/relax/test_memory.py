"""Memory as planned beside what is kept in fact."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from torch.nn import functional

from atrous.core.words import mebibytes
from atrous.networks.compute import Kept
from atrous.relax.gates import GATES
from atrous.relax.memory import MemoryPlan, memory_of
from atrous.spaces.auto_deeplab.relaxation.space import relaxation_of
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet, SupernetSize
from tests.relax.searching import protocol

SIZE, BATCH, CROP = SupernetSize(3, 2, 4, 5), 2, 65


@cache
def _planned(gate: str, checkpointing: bool = False) -> MemoryPlan:
    asked = protocol(
        gate=gate,
        space="auto_deeplab-3x2",
        filters=SIZE.filters,
        classes=SIZE.classes,
        batch=BATCH,
        crop=(CROP, CROP),
        checkpointing=checkpointing,
    )
    return memory_of(relaxation_of(asked.space), asked)


@cache
def _kept(gate: str, checkpointing: bool, seed: int = 0) -> int:
    """What autograd keeps of a pass on a CPU."""
    network = Supernet(SIZE, checkpointing)
    draw = torch.Generator().manual_seed(seed)
    choose = GATES[gate]
    mixture = network.mixture(choose(network.groups(), choose.temperature(0.0), draw))
    with Kept(network.parameters()) as kept:
        logits = network(torch.randn(BATCH, 3, CROP, CROP), mixture)
        loss = functional.cross_entropy(logits, torch.zeros(BATCH, CROP, CROP, dtype=torch.long))
    assert loss.isfinite()
    return kept.bytes


@pytest.mark.parametrize("gate", ["softmax", "fbnet"])
def test_activations_are_what_is_kept(gate: str) -> None:
    plan = _planned(gate)
    assert plan.activations == pytest.approx(_kept(gate, False), rel=0.2)


def test_with_checkpointing_the_largest_cell_is_added() -> None:
    """One cell of the fifteen; those at stride 4 are the largest."""
    plan = _planned("softmax", checkpointing=True)
    kept, whole = _kept("softmax", True), _kept("softmax", False)
    assert 1.02 * kept < plan.activations < kept + 0.25 * whole
    assert plan.activations < 0.5 * whole


def test_of_a_gate_that_draws_the_most_counts() -> None:
    plan = _planned("gdas")
    kept = [_kept("gdas", False, seed) for seed in range(16)]
    assert plan.activations == pytest.approx(max(kept), rel=0.2)


def test_parameters_and_what_optimisers_keep_are_counted_in_full() -> None:
    network = Supernet(SIZE)
    plan = _planned("gdas")
    weights, architecture = (
        4 * sum(parameter.numel() for parameter in part)
        for part in (network.weights(), network.architecture())
    )
    assert plan.parameters == plan.gradients == weights + architecture
    assert plan.optimiser == weights + 2 * architecture
    assert plan.total == 2 * plan.parameters + plan.optimiser + plan.activations


def test_it_says_so_mebibytes() -> None:
    plan = MemoryPlan(2**20, 2**20, 2**20 + 1, 3 * 2**30)
    assert str(plan) == (
        "3.1 GiB: parameters 1 MiB, gradients 1 MiB, optimisers 2 MiB, activations 3 GiB"
    )
    assert mebibytes(0) == "0 MiB"
