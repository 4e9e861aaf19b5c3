"""Early warning of collapse, and the eigenvalue that it watches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import isnan

import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from atrous.relax.collapse import Snapshot, dominant_eigenvalue, warning_of
from atrous.spaces.auto_deeplab.cell import OPERATIONS, Operation, edges
from atrous.spaces.auto_deeplab.relaxation.space import TrellisRelaxation
from atrous.spaces.auto_deeplab.trunk import doubled, make_operation
from tests.relax.snapshots import snapshot


def _snapshot(operations: list[Operation]) -> Snapshot:
    """The first edges prefer these operations, the others `none`, in a cell of two blocks."""
    rows = []
    for place in range(len(edges(2))):
        row = [0.02] * (len(OPERATIONS) + 1)
        favourite = (
            OPERATIONS.index(operations[place]) if place < len(operations) else len(OPERATIONS)
        )
        row[favourite] = 0.86
        rows.append(tuple(row))
    plain = snapshot()
    probabilities = {**plain.probabilities, "operations": tuple(rows)}
    return replace(plain, probabilities=probabilities, architecture_loss=1.5)


TRELLIS = TrellisRelaxation(3, 2)
CONVOLUTION, SKIP, POOL = Operation.ATROUS_3, Operation.SKIP, Operation.AVERAGE


def test_half_a_cell_of_skips_and_poolings_is_borne() -> None:
    assert warning_of(TRELLIS, [_snapshot([SKIP, CONVOLUTION, POOL, CONVOLUTION])]) is None


def test_more_is_not() -> None:
    warning = warning_of(TRELLIS, [_snapshot([SKIP, SKIP, POOL, CONVOLUTION])])
    assert warning is not None
    assert "50% skip and 25% pool" in warning


def test_only_the_latest_cell_counts() -> None:
    plain, sound = _snapshot([SKIP] * 4), _snapshot([CONVOLUTION] * 4)
    assert warning_of(TRELLIS, [plain, sound]) is None
    assert warning_of(TRELLIS, [sound, plain]) is not None
    assert TRELLIS.warning(plain.probabilities, 1.0) is None


def test_what_chance_would_decode_before_alpha_is_trained_is_no_warning() -> None:
    plain = _snapshot([SKIP] * 4)
    assert warning_of(TRELLIS, [replace(plain, architecture_loss=None)]) is None
    assert warning_of(TRELLIS, [plain]) is not None


def test_an_empty_history_is_no_collapse() -> None:
    assert warning_of(TRELLIS, []) is None


def _eigenvalues(values: Sequence[float | None]) -> list[Snapshot]:
    return [replace(_snapshot([CONVOLUTION] * 4), eigenvalue=value) for value in values]


def test_a_growing_eigenvalue_warns_when_means_of_five_grow_by_a_third() -> None:
    # means 1.0 and 4/3 have the ratio 0.75, which is not below it
    assert warning_of(TRELLIS, _eigenvalues([1.0] * 5 + [1.33] * 5)) is None
    warning = warning_of(TRELLIS, _eigenvalues([1.0] * 5 + [1.34] * 5))
    assert warning is not None
    assert "from 1 to 1.34" in warning


def test_single_leaps_are_smoothed() -> None:
    assert warning_of(TRELLIS, _eigenvalues([1.0] * 9 + [2.0])) is None


def test_an_eigenvalue_need_not_be_taken_each_time() -> None:
    assert warning_of(TRELLIS, _eigenvalues([None] * 20)) is None
    assert warning_of(TRELLIS, _eigenvalues([1.0, None] * 5 + [2.0, None] * 5)) is not None
    assert warning_of(TRELLIS, _eigenvalues([1.0] * 5 + [2.0] * 4)) is None


@pytest.mark.parametrize("values", [[-1.0] * 5 + [2.0] * 5, [1.0] * 5 + [float("nan")] * 5])
def test_what_has_no_ratio_does_not_warn(values: list[float]) -> None:
    assert warning_of(TRELLIS, _eigenvalues(values)) is None


def _quadratic(eigenvalues: list[float]) -> tuple[Tensor, Tensor]:
    """A symmetric matrix with these eigenvalues in a random frame, and a point."""
    generator = torch.Generator().manual_seed(3)
    size = len(eigenvalues)
    frame, _ = torch.linalg.qr(torch.randn(size, size, generator=generator).double())
    point = torch.randn(size, generator=generator).double().requires_grad_()
    return frame @ torch.tensor(eigenvalues).double().diag() @ frame.T, point


@pytest.mark.parametrize(
    "eigenvalues", [[5.0, 1.0, 0.5, -2.0], [2.0, 1.0, -7.0], [3.0, -3.0, 0.0], [-1.0, -2.0], [4.0]]
)
def test_the_largest_eigenvalue_of_a_quadratic(eigenvalues: list[float]) -> None:
    matrix, point = _quadratic(eigenvalues)
    found = dominant_eigenvalue(
        lambda: point @ matrix @ point / 2, [point], 20, torch.Generator().manual_seed(0)
    )
    assert found == pytest.approx(max(eigenvalues))


def test_few_products_come_close_in_many_dimensions() -> None:
    matrix, point = _quadratic([10.0, *(0.02 * number for number in range(199))])
    found = dominant_eigenvalue(
        lambda: point @ matrix @ point / 2, [point], 8, torch.Generator().manual_seed(0)
    )
    assert found == pytest.approx(10, rel=1e-3)


def test_parameters_of_several_shapes_that_act_on_each_other() -> None:
    # f = 3 a^2 / 2 + 4 a b has the Hessian [[3, 4], [4, 0]], eigenvalues (3 +- sqrt(73)) / 2
    a, b = torch.ones(1, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
    unused = torch.zeros(2, 3, requires_grad=True)

    def loss() -> Tensor:
        return (1.5 * a[0] ** 2 + 4 * a[0] * b).sum()

    found = dominant_eigenvalue(loss, [a, b, unused], 10, torch.Generator().manual_seed(0))
    assert found == pytest.approx((3 + 73**0.5) / 2, rel=1e-5)
    assert a.grad is None


def test_a_plane_is_flat() -> None:
    point = torch.ones(3, requires_grad=True)
    found = dominant_eigenvalue(
        lambda: (2 * point).sum(), [point], 5, torch.Generator().manual_seed(0)
    )
    assert found == 0.0


def test_a_loss_that_is_not_finite_has_no_eigenvalue() -> None:
    point = torch.zeros(3, requires_grad=True)
    found = dominant_eigenvalue(
        lambda: (point.abs() ** 0.5).sum(), [point], 5, torch.Generator().manual_seed(0)
    )
    assert isnan(found)


def test_through_the_operations_of_a_cell_as_from_the_whole_hessian() -> None:
    torch.manual_seed(1)
    maps = torch.randn(2, 2, 9, 9).double()
    operations = [make_operation(operation, 2, 2).double() for operation in OPERATIONS]

    def loss(alpha: Tensor) -> Tensor:
        mixed = sum(w * o(maps) for w, o in zip(alpha.softmax(0), operations, strict=False))
        assert isinstance(mixed, Tensor)
        return checkpoint(lambda m: doubled(m).relu().square().mean(), mixed, use_reentrant=False)  # type: ignore[no-any-return]

    alpha = torch.randn(8).double().requires_grad_()
    whole = torch.autograd.functional.hessian(loss, alpha)  # type: ignore[no-untyped-call]
    generator = torch.Generator().manual_seed(0)
    found = dominant_eigenvalue(lambda: loss(alpha), [alpha], 8, generator)
    assert found == pytest.approx(float(torch.linalg.eigvalsh(whole)[-1]))
