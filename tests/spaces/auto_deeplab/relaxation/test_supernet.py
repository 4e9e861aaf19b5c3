"""The relaxed network against a plain one, against finite differences, and against the trellis."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from atrous.core.errors import AtrousError
from atrous.networks.compute import Kept
from atrous.spaces.auto_deeplab.cell import Block, Edge, Operation, RepeatedCell
from atrous.spaces.auto_deeplab.relaxation import cell, separable
from atrous.spaces.auto_deeplab.relaxation.decoding import nodes
from atrous.spaces.auto_deeplab.relaxation.mixture import Mixture, one_hot
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet, SupernetSize
from atrous.spaces.auto_deeplab.trellis import Arrow, Path, arrows, levels_at
from tests.spaces.auto_deeplab.relaxation.nested import twins, with_weights_of
from tests.spaces.auto_deeplab.relaxation.networks import (
    SMALL,
    drawn,
    gradients,
    mixture_of,
    pictures,
)


@pytest.fixture(params=[1, 100], ids=["many", "few"])
def channels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to compute products, whatever the channels."""
    monkeypatch.setattr(separable, "FEW", request.param)
    monkeypatch.setattr(cell, "FEW", request.param)


@pytest.mark.usefixtures("channels")
@pytest.mark.parametrize("gate", ["softmax", "gdas", "fbnet"])
def test_outputs_and_all_gradients_are_those_of_nested_loops(gate: str) -> None:
    network, images = drawn(), pictures()
    nested = with_weights_of(network)
    parts = list(twins(nested, network))
    assert {id(merged) for _, merged, _ in parts} == {id(p) for p in network.weights()}
    found = network(images, mixture_of(network, gate))
    expected = nested(images, mixture_of(network, gate))
    assert torch.allclose(found, expected, atol=1e-11)
    trained = [*network.architecture(), *network.weights()]
    own = dict(zip(map(id, trained), gradients(found, trained), strict=True))
    theirs = gradients(expected, [*network.architecture(), *(part for part, _, _ in parts)])
    places = [(p, slice(None)) for p in network.architecture()] + [(m, p) for _, m, p in parts]
    for (parameter, place), gradient in zip(places, theirs, strict=True):
        assert torch.allclose(own[id(parameter)][place].view_as(gradient), gradient, atol=1e-9)


def test_a_state_that_has_the_cells_channels_already_is_read_as_it_is() -> None:
    """Two blocks: a node at level 2 of layer 2 reads as many channels of level 1 of layer 0."""
    network = drawn(SupernetSize(3, 2, 2, 3))
    assert "1" not in network.nodes["2_2"].before  # type: ignore[operator]
    found = network(pictures(), mixture_of(network, "softmax"))
    expected = with_weights_of(network)(pictures(), mixture_of(network, "softmax"))
    assert torch.allclose(found, expected, atol=1e-11)


@pytest.mark.parametrize(("gate", "share"), [("softmax", 0.3), ("gdas", 0.9)])
def test_checkpointing_changes_nothing_but_what_is_kept(gate: str, share: float) -> None:
    results = []
    for checkpointing in (False, True):
        network = drawn(checkpointing=checkpointing)
        with Kept(network.parameters()) as kept:
            logits = network(pictures(), mixture_of(network, gate))
        trained = [*network.architecture(), *network.weights()]
        results.append((kept.bytes, logits, gradients(logits, trained)))
    (much, one, of_one), (little, other, of_other) = results
    assert little < share * much
    assert torch.equal(one, other)
    for gradient, again in zip(of_one, of_other, strict=True):
        assert torch.allclose(gradient, again, rtol=1e-12, atol=1e-14)


def test_gradients_are_those_of_finite_differences() -> None:
    """Along random directions of all parameters together, and of alpha and beta alone."""
    network, images = drawn(SupernetSize(2, 2, 2, 2)), pictures(33, 33)
    trained = [*network.architecture(), *network.weights()]
    at_first = [parameter.detach().clone() for parameter in trained]
    draw = torch.Generator().manual_seed(4)
    factors = torch.randn(2, 2, 33, 33, dtype=torch.float64, generator=draw)

    def loss() -> Tensor:
        total: Tensor = (network(images, mixture_of(network, "fbnet")) * factors).sum()
        return total

    found = torch.autograd.grad(loss(), trained, allow_unused=True)
    for count in (1, 2, len(trained)):
        moves = [torch.randn(p.shape, dtype=p.dtype, generator=draw) for p in trained[:count]]
        sides = []
        for step in (1e-6, -1e-6):
            for parameter, first, move in zip(trained, at_first, moves, strict=False):
                parameter.data.copy_(first + step * move)
            sides.append(float(loss().detach()))
        for parameter, first in zip(trained, at_first, strict=True):
            parameter.data.copy_(first)
        slope = sum(
            float((gradient * move).sum())
            for gradient, move in zip(found, moves, strict=False)
            if gradient is not None
        )
        assert (sides[0] - sides[1]) / 2e-6 == pytest.approx(slope, rel=1e-4)


def test_each_beta_acts_on_its_own_arrow_and_what_comes_after_it_alone() -> None:
    """Public implementations use the beta of another arrow in the second layer."""
    size = replace(SMALL, blocks=2)
    network = drawn(size)
    mixture = mixture_of(network, "softmax")
    before = _by_node(network, mixture)
    assert list(before) == [(la, le) for la in range(size.layers) for le in levels_at(la)]
    for number, arrow in enumerate(arrows(size.layers)):
        changed = mixture.arrows.detach().clone()
        changed[number] += 0.5
        after = _by_node(network, replace(mixture, arrows=changed))
        differ = {node for node in before if not torch.allclose(before[node], after[node])}
        assert differ == _downstream(arrow, size.layers)


def _by_node(network: Supernet, mixture: Mixture) -> dict[tuple[int, int], Tensor]:
    """The output of each node, by layer and level."""
    found: dict[tuple[int, int], Tensor] = {}

    def keep(name: str) -> Any:
        layer, level = map(int, name.split("_"))
        return lambda module, inputs, output: found.__setitem__((layer, level), output)  # noqa: ARG005

    nodes_of: Any = network.nodes
    handles = [node.register_forward_hook(keep(name)) for name, node in nodes_of.items()]
    with torch.no_grad():
        network(pictures(65, 65), mixture)
    for handle in handles:
        handle.remove()
    return found


def _downstream(arrow: Arrow, layers: int) -> set[tuple[int, int]]:
    """The nodes that an arrow leads to, by further arrows or as what is read two layers later."""
    reached = {(arrow.layer, arrow.target)}
    for layer in range(arrow.layer + 1, layers):
        for level in levels_at(layer):
            sources = {
                (layer - 1, a.source)
                for a in arrows(layers)
                if (a.layer, a.target) == (layer, level)
            }
            before = min(level, layer - 1)
            if sources & reached or (layer - 2, before) in reached:
                reached.add((layer, level))
    return reached


@pytest.mark.parametrize("gate", ["softmax", "fbnet"])
def test_every_beta_and_alpha_has_a_gradient(gate: str) -> None:
    """Public implementations take a softmax over a single element for stride 32, which has none."""
    network = drawn(SupernetSize(5, 2, 2, 3))
    logits = network(pictures(), mixture_of(network, gate))
    of_alpha, of_beta = gradients(logits, network.architecture())
    assert (of_beta.abs() > 1e-9).all()
    assert (of_alpha.abs() > 1e-9).all()
    assert (4, 3) in nodes(5)


PLAIN: RepeatedCell = (
    Block(Edge(0, Operation.SEPARABLE_3), Edge(1, Operation.ATROUS_5)),
    Block(Edge(0, Operation.MAXIMUM), Edge(2, Operation.SEPARABLE_5)),
    Block(Edge(1, Operation.SKIP), Edge(3, Operation.ATROUS_3)),
)
"""Two convolutions for each separable edge, whose 1x1 ones are products, and one for each atrous
edge: six; and one for a skip that halves."""


@pytest.mark.parametrize(("path", "skips"), [((0, 0, 0), 0), ((0, 1, 2), 2), ((1, 0, 1), 2)])
def test_nothing_is_computed_that_is_off(path: Path, skips: int) -> None:
    network = drawn()
    with torch.no_grad(), _Count() as count:
        network(pictures(), one_hot(path, PLAIN))
    stem, head, projections = 3, 4, 2
    assert count.calls["convolution"] == stem + 3 * (projections + 6) + skips + head
    assert count.calls["max_pool2d_with_indices"] == 3
    assert count.calls["avg_pool2d"] == 0


def test_of_an_edge_that_is_off_nothing_reaches_the_result() -> None:
    network, images = drawn(), pictures()
    mixture = one_hot((0, 1, 1), PLAIN)
    off = ~torch.tensor(mixture.operations_on)
    other = replace(mixture, operations=mixture.operations + 7 * off)
    assert torch.equal(network(images, mixture), network(images, other))


def test_gdas_keeps_a_small_part_of_what_softmax_keeps() -> None:
    kept = {}
    for gate in ("softmax", "gdas"):
        network = drawn()
        with Kept(network.parameters()) as counter:
            logits = network(pictures(), mixture_of(network, gate))
        kept[gate] = counter.bytes
        assert logits.requires_grad
    assert kept["gdas"] < kept["softmax"] / 4


@pytest.mark.parametrize("seed", range(3))
def test_gdas_and_softmax_agree_where_one_choice_is_certain(seed: int) -> None:
    """On a path that stays at stride 4, where both read the same outputs of the layer before."""
    network, rng = drawn(), Random(seed)
    network.alpha.data.zero_()
    for edge in network.alpha.data:
        edge[rng.randrange(8)] = 100.0
    network.beta.data.zero_()
    for number, arrow in enumerate(arrows(SMALL.layers)):
        network.beta.data[number] = 100.0 * (arrow.target == arrow.source)
    one, other = (mixture_of(network, gate, 0.1) for gate in ("softmax", "gdas"))
    assert torch.allclose(one.operations, other.operations)
    found, expected = (network.outputs(pictures(), m)[0] for m in (one, other))
    assert torch.allclose(found, expected, atol=1e-11)


def test_an_image_of_any_size_is_padded_and_the_result_cut() -> None:
    network, images = drawn(), pictures(33, 65)
    mixture = mixture_of(network, "softmax")
    images[:, :, 30:] = 0
    images[:, :, :, 40:] = 0
    whole = network(images, mixture)
    part = network(images[:, :, :30, :40], mixture)
    assert part.shape == (2, 3, 30, 40)
    assert torch.allclose(part, whole[:, :, :30, :40], atol=1e-12)


def test_a_single_image_is_enough() -> None:
    """Pooled, it is a single position, which a batch norm makes zero."""
    network = drawn()
    assert network(pictures()[:1], mixture_of(network, "softmax")).isfinite().all()


def test_cells_without_any_operation_give_zeros() -> None:
    network = drawn()
    mixture = mixture_of(network, "softmax")
    nothing = ((False,) * 8,) * len(network.alpha)
    outputs = network.outputs(pictures(), replace(mixture, operations_on=nothing))
    assert all(not maps.any() for maps in outputs.values())
    assert outputs[0].shape == (2, SMALL.width(0), 9, 17)


def test_a_mixture_that_leads_nowhere_is_refused() -> None:
    network = drawn()
    mixture = mixture_of(network, "softmax")
    on = tuple(arrow.layer != 1 for arrow in arrows(SMALL.layers))
    with pytest.raises(AtrousError, match="none leads into layer 1"):
        network(pictures(), replace(mixture, arrows_on=on))


def test_architecture_and_weights_are_all_parameters_once() -> None:
    network = drawn()
    parts = [*network.architecture(), *network.weights()]
    assert list(map(id, network.architecture())) == [id(network.alpha), id(network.beta)]
    assert sorted(map(id, parts)) == sorted(id(p) for p in network.parameters())


def test_alpha_and_beta_begin_near_zero() -> None:
    torch.manual_seed(0)
    network = Supernet(SupernetSize(12, 5, 1, 2))
    assert network.alpha.shape == (20, 8)
    assert network.beta.shape == (105,)
    for parameter in network.architecture():
        assert float(parameter.detach().std()) == pytest.approx(1e-3, rel=0.2)


class _Count(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """How often each of torch's operations is called."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls[func.__name__.partition(".")[0]] += 1
        return func(*args, **(kwargs or {}))
