"""How trials are computed: number types, layouts, devices."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import nn

from atrous.core.errors import AtrousError, NoRoomError
from atrous.execution import executor
from atrous.networks import compute as module
from atrous.networks.compute import Compute, cards, require_memory, whole_precision


def test_products_are_taken_in_the_precision_and_weights_stay() -> None:
    layer = nn.Linear(3, 2)
    for precision, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16)):
        compute = Compute("cpu", precision, "contiguous", 1)  # type: ignore[arg-type]
        with compute.autocast():
            assert layer(torch.ones(1, 3)).dtype == dtype
        assert compute.dtype == dtype
    assert layer.weight.dtype == torch.float32


@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
def test_weights_are_laid_out(layout: str) -> None:
    compute = Compute("cpu", "float32", layout, 1)  # type: ignore[arg-type]
    network = nn.Sequential(nn.Conv2d(4, 8, 3))
    compute.arrange(network)
    (weight, _) = network.parameters()
    assert weight.is_contiguous(memory_format=compute.memory_format)


def test_whole_networks_take_bfloat16_on_a_gpu_alone() -> None:
    assert whole_precision("cuda:1", None) == "bfloat16"
    assert whole_precision("cuda", "float32") == "float32"
    assert whole_precision("cpu", None) == "float32"
    with pytest.raises(AtrousError, match=r"--precision bfloat16 .* on a GPU only"):
        whole_precision("cpu", "bfloat16")


@pytest.mark.parametrize(
    ("device", "seat", "card"),
    [("cuda", 0, 0), ("cuda", 2, 2), ("cuda", 4, 1), ("cuda:1", 0, 1), ("cuda:1", 2, 1)],
)
def test_workers_take_the_cards_of_a_machine_in_turns(
    device: str, seat: int, card: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[int] = []
    monkeypatch.setattr(executor, "seat", seat)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "set_device", taken.append)
    network = nn.Sequential()
    Compute(device, "bfloat16", "channels_last", 1).arrange(network)
    assert taken == [card]


def test_a_device_stands_for_one_card_or_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert [cards(device) for device in ("cuda", "cuda:2", "cpu")] == [3, 1, 0]


@pytest.mark.parametrize(
    ("said", "has"),
    [("1048576", 2**20), ("max", 2**40), ("9223372036854771712", 2**40), (None, 2**40)],
)
def test_a_container_has_the_memory_that_it_may_take(
    said: str | None, has: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said outside Linux; `max` and a huge number are no limit."""
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 2**12, "SC_PHYS_PAGES": 2**28}.get)
    monkeypatch.setattr(module, "CONTAINER", (tmp_path / "memory.max",))
    if said is not None:
        (tmp_path / "memory.max").write_text(f"{said}\n")
    assert module.machine_memory() == has


def test_what_no_device_holds_is_told_before_it_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "machine_memory", lambda: 2**30)
    require_memory(2**30, "cpu", "for a step", "Do less.")
    told = r"Not enough memory on cpu for a step, .* at least 3 GiB of 1 GiB\. Do less\."
    with pytest.raises(NoRoomError, match=told):
        require_memory(3 * 2**30, "cpu", "for a step", "Do less.")
    monkeypatch.setattr(module, "card_memory", lambda device: 2**32 * (device == "cuda:0"))
    require_memory(3 * 2**30, "cuda:0", "for a step", "Do less.")
