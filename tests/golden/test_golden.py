"""What a user had stays what it was: the same seeds give the same architectures and numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.golden import loops
from tests.golden.compute import PARTS, Values, compute, supernets

HERE = Path(__file__).parent
FROZEN = {
    **json.loads((HERE / "values.json").read_text()),
    **json.loads((HERE / "loops.json").read_text()),
}
WITHIN = 2e-3
"""So far may floats be off, absolutely and relatively: other processors add in another order."""


def differences(found: Values, expected: Values, where: str) -> Iterator[str]:
    """Says where two values differ."""
    if isinstance(expected, dict) and isinstance(found, dict) and expected.keys() == found.keys():
        for key, value in expected.items():
            yield from differences(found[key], value, f"{where} > {key}")
    elif isinstance(expected, list) and isinstance(found, list) and len(found) == len(expected):
        for number, (one, other) in enumerate(zip(found, expected, strict=True)):
            yield from differences(one, other, f"{where} > {number}")
    elif isinstance(expected, float) and isinstance(found, float):
        if found != pytest.approx(expected, abs=WITHIN, rel=WITHIN):
            yield f"{where}: {found}, frozen was {expected}"
    elif found != expected:
        yield f"{where}: {found!r}, frozen was {expected!r}"


LONG = (supernets, loops.published_costs)
"""Other parts have a shorter search by each gate, and the costs of some of the networks."""
CASES = [
    pytest.param(part, id=part.__name__, marks=[pytest.mark.slow] if part in LONG else [])
    for part in (*PARTS, *loops.PARTS)
]


@pytest.mark.parametrize("part", CASES)
def test_nothing_has_changed(part: Callable[[], Values]) -> None:
    name = part.__name__
    found = list(differences(compute(part), FROZEN[name], name))
    assert not found, f"{len(found)} values differ, among them:\n" + "\n".join(found[:20])
