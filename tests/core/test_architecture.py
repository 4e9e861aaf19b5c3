from __future__ import annotations

import dataclasses
import pickle

import pytest

from atrous.core.architecture import Architecture


def test_the_short_form_joins_the_choices_with_dots() -> None:
    assert str(Architecture("dpc-2", (0, 17, 1, 3))) == "dpc-2:0.17.1.3"


def test_equal_architectures_are_one_key() -> None:
    assert {Architecture("dpc-1", (0, 17)): 1}[Architecture("dpc-1", (0, 17))] == 1
    assert Architecture("dpc-1", (0, 17)) != Architecture("dpc", (0, 17))


def test_it_cannot_be_changed_and_travels_between_processes() -> None:
    architecture = Architecture("dpc-1", (0, 17))
    with pytest.raises(dataclasses.FrozenInstanceError):
        architecture.space = "dpc"  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(architecture)) == architecture
