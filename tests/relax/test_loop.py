"""A search by gradients: what it learns from what, and that a kill changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from atrous.core.console import untracked
from atrous.core.errors import AtrousError
from atrous.data.dataset import Samples
from atrous.data.layouts import read_dataset
from atrous.relax import loop
from atrous.relax.bilevel import SearchState
from atrous.relax.collapse import NAME, read_history
from atrous.relax.config import FIRST_RATE, LAST_RATE
from atrous.relax.loop import halves
from atrous.spaces import find_architecture
from atrous.training.crops import crops_of
from tests.relax.searching import protocol, searched, state_of, unheard
from tests.small_search import write_data
from tests.training.material import Interruption, StoppedError

GATES = ("softmax", "gdas", "fbnet")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    root = write_data(tmp_path_factory.mktemp("searching") / "data")
    return read_dataset(root).splits["train"]


def tensors(state: SearchState) -> dict[str, Tensor]:
    return dict(state.checkpoint().tensors)


@pytest.mark.parametrize("gate", GATES)
def test_a_killed_search_goes_on_to_the_same_end(
    gate: str, samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = protocol(gate=gate, warm_up=1 / 3)
    expected, history = searched(asked, samples, tmp_path / "whole")
    monkeypatch.setattr(loop, "SAVE_SECONDS", -1)

    state = state_of(asked)
    with pytest.raises(StoppedError):
        loop.run(state, samples, tmp_path / "killed", Interruption(4), unheard)
    found, again = searched(asked, samples, tmp_path / "killed")
    whole, rest = tensors(expected), tensors(found)
    assert whole.keys() == rest.keys()
    assert all(torch.equal(whole[name], rest[name]) for name in whole)
    assert [replace(m, seconds=0) for m in again] == [replace(m, seconds=0) for m in history]
    assert read_history(tmp_path / "killed" / NAME) == again


def test_a_search_that_is_over_is_not_begun_again(samples: Samples, tmp_path: Path) -> None:
    _, history = searched(protocol(), samples, tmp_path)
    state = state_of(protocol())
    again = loop.run(state, samples, tmp_path, untracked, unheard)
    assert (again, state.step) == (history, 6)


def test_the_architecture_waits_for_the_warm_up(samples: Samples, tmp_path: Path) -> None:
    state, history = searched(protocol(), samples, tmp_path)
    assert [m.architecture_loss is None for m in history] == [True] * 3 + [False] * 3
    assert len({m.probabilities["operations"] for m in history[:3]}) == 1
    assert len({m.probabilities["operations"] for m in history[2:]}) == 4
    assert len({m.probabilities["ways"] for m in history[2:]}) == 4
    assert state.step == 6


def test_snapshots_say_what_would_be_decoded(samples: Samples, tmp_path: Path) -> None:
    _, history = searched(protocol(), samples, tmp_path)
    assert [m.step for m in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].share == 1
    for snapshot in history:
        assert find_architecture(snapshot.architecture).space == "auto_deeplab-2x1"
        assert all(
            sum(row) == pytest.approx(1) for rows in snapshot.probabilities.values() for row in rows
        )


def test_weights_and_architecture_see_their_own_images_alone(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public bug: halves that overlap, so that the architecture fits what the weights have seen."""
    seen: list[set[Path]] = []
    real = crops_of

    def noted(half: Samples, *rest: object) -> object:
        seen.append({sample.image for sample in half})
        return real(half, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "crops_of", noted)
    searched(protocol(steps=1), samples, tmp_path)
    weights, architecture = seen
    assert not weights & architecture
    assert len(weights) + len(architecture) == len(samples)


def test_the_step_of_the_architecture_leaves_the_weights(samples: Samples) -> None:
    state = state_of(protocol(warm_up=0.0))
    batches = loop._steps(state, samples)
    _, other = next(batches)
    before = [p.detach().clone() for p in state.supernet.weights()]
    alpha = state.supernet.architecture()[0].detach().clone()
    state._learn(other, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(before, state.supernet.weights(), strict=True))
    assert not torch.equal(alpha, state.supernet.architecture()[0])


def test_the_rate_falls_along_a_cosine() -> None:
    asked = protocol(steps=100)
    assert asked.rate_at(0) == pytest.approx(FIRST_RATE)
    assert asked.rate_at(50) == pytest.approx((FIRST_RATE + LAST_RATE) / 2)
    assert asked.rate_at(100) == pytest.approx(LAST_RATE)


def test_a_checkpoint_of_another_search_is_refused(samples: Samples, tmp_path: Path) -> None:
    searched(protocol(), samples, tmp_path)
    with pytest.raises(AtrousError, match="a checkpoint of a search under"):
        searched(protocol(seed=1), samples, tmp_path)


def test_a_collapse_ends_the_search_where_that_is_asked_for(
    samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        loop, "warning_of", lambda _, history: "skips" if len(history) > 4 else None
    )
    heard: list[str | None] = []
    state = state_of(protocol(stop=True))
    loop.run(state, samples, tmp_path / "stopped", untracked, lambda _, w: heard.append(w))
    assert (state.step, heard[-1]) == (5, "skips")
    again = state_of(protocol(stop=True))
    loop.run(again, samples, tmp_path / "stopped", untracked, unheard)
    assert again.step == 5
    warned, _ = searched(protocol(), samples, tmp_path / "warned")
    assert warned.step == 6


def test_the_sharpness_is_told_where_it_is_asked_for(samples: Samples, tmp_path: Path) -> None:
    _, history = searched(protocol(steps=2, hessian=True), samples, tmp_path)
    assert all(m.eigenvalue is not None for m in history)


@pytest.mark.parametrize("seed", range(5))
def test_no_image_is_in_both_halves_and_none_is_left_out(samples: Samples, seed: int) -> None:
    weights, architecture = halves(samples, seed)
    assert not {s.image for s in weights} & {s.image for s in architecture}
    assert {s.image for s in (*weights, *architecture)} == {s.image for s in samples}
    assert (len(weights), len(architecture)) == (3, 2)


def test_another_seed_draws_other_halves(samples: Samples) -> None:
    assert halves(samples, 0) == halves(samples, 0)
    assert len({halves(samples, seed)[1] for seed in range(8)}) > 1


def test_one_image_cannot_be_halved(samples: Samples) -> None:
    with pytest.raises(AtrousError, match="at least 2 training images"):
        halves(samples[:1], 0)
