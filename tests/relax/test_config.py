"""The published numbers, and the record of a search."""

from __future__ import annotations

import json

import pytest

from atrous.core.records import from_json, to_json
from atrous.relax.config import SearchProtocol
from atrous.relax.gates import GATES
from tests.relax.searching import protocol


def test_every_gate_has_its_published_optimiser() -> None:
    softmax, gdas, fbnet = (GATES[name].learning for name in ("softmax", "gdas", "fbnet"))
    assert (softmax.rate, softmax.warm_up) == (3e-3, 0.5)
    assert gdas.betas == (0.5, 0.999)
    assert fbnet.warm_up == pytest.approx(10 / 90)


@pytest.mark.parametrize("gate", GATES)
def test_a_short_search_can_lead_as_far_from_the_start_as_a_long_one(gate: str) -> None:
    for steps in (100, 1000, 100_000):
        asked = protocol(gate=gate, steps=steps, warm_up=GATES[gate].learning.warm_up)
        learns = sum(asked.learns_at(step) for step in range(steps))
        assert asked.learning.rate * learns >= 10 - 1e-9
        assert asked.learning.rate >= GATES[gate].learning.rate
    assert asked.learning == GATES[gate].learning


def test_the_record_comes_back_from_json() -> None:
    asked = protocol(gate="gdas", neutral=True)
    assert from_json(SearchProtocol, json.loads(json.dumps(to_json(asked)))) == asked


def test_both_halves_draw_crops_of_their_own() -> None:
    asked = protocol(seed=3)
    assert asked.stream(0).seed != asked.stream(1).seed
    assert asked.stream(0).scales == (1.0,)
    assert protocol(seed=4).stream(0).seed not in (asked.stream(0).seed, asked.stream(1).seed)
