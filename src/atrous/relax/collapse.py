"""Early warning of a search that collapses: towards skips, or towards a sharp valley.

A differentiable search may end with cells of skips and poolings, whose relaxed network does well
and whose decoded network does badly. Liang et al. 2019 (DARTS+) stop once a cell of eight edges has
two skips; Zela et al. 2020 (RobustDARTS) once the dominant eigenvalue of the Hessian of the
validation loss, by the architecture parameters, grows fast: decoding leaves such a valley.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, log, nan
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from atrous.core.errors import AtrousError
from atrous.core.records import Amount, Count, Finite, Share, read_lines, write_lines

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from atrous.relax.relaxation import Relaxation

NAME = "relaxation.jsonl"
FOLDER = "supernet"
"""Where a run keeps its supernets, each in a folder named by its seed."""
NOTHING = 1e-6
"""A product has left the space spanned so far if more than this part of it is new."""


PLAIN = 0.5
"""A larger part of what would be decoded has no weights of its own. Where three of seven operations
have none, one random cell in five has more than half of its ten edges so."""
RATIO, WINDOW = 0.75, 5
"""The dominant eigenvalue, as the mean of the last `WINDOW` that were taken, was less than `RATIO`
of that `WINDOW` values before (Zela et al. 2020). Unlike there, not while the earlier mean is
negative, which has no ratio."""


def warning_of(relaxation: Relaxation, history: Sequence[Snapshot]) -> str | None:
    """Says in a sentence what in the history speaks for a collapse; `None` if nothing does, and
    while the architecture is not trained."""
    if not history or history[-1].architecture_loss is None:
        return None
    return relaxation.warning(history[-1].probabilities, PLAIN) or _sharp_valley(history)


def dominant_eigenvalue(
    loss_of: Callable[[], Tensor],
    parameters: Sequence[Tensor],
    iterations: int,
    generator: Generator,
) -> float:
    """Returns the largest eigenvalue of the Hessian of `loss_of()` by `parameters`, by Lanczos'
    method.

    One forward pass, then `iterations` products of Hessian and vector, each a second backward pass
    through its graph, which is kept meanwhile. The power iteration, refined: from the same products
    comes the largest eigenvalue within the space that they span, exactly so once there are as many
    as parameters; eigenvalues that are negative and large do not mislead it. The released code of
    Zela et al. forms the whole Hessian instead. `generator`, on the CPU, draws where to start. NaN
    where the loss has no finite second derivatives.
    """
    import torch

    gradient, product = _curvature(loss_of, parameters)
    start = torch.randn(gradient.numel(), generator=generator).to(gradient)
    basis, images = (start / start.norm()).unsqueeze(0), []
    for _ in range(min(iterations, gradient.numel())):
        images.append(product(basis[-1]))
        rest = images[-1]
        for _ in range(2):  # once leaves what rounding spoils
            rest = rest - (basis @ rest) @ basis
        if rest.norm() <= NOTHING * images[-1].norm():
            break
        basis = torch.cat((basis, (rest / rest.norm()).unsqueeze(0)))
    # The Hessian as the basis sees it: symmetric but for rounding, which is taken out.
    small = basis[: len(images)] @ torch.stack(images).T
    if not small.isfinite().all():
        return nan
    return float(torch.linalg.eigvalsh((small + small.T).double() / 2)[-1])


def _curvature(
    loss_of: Callable[[], Tensor], parameters: Sequence[Tensor]
) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """The gradient [parameters], and what multiplies a vector by the Hessian."""
    import torch

    with torch.enable_grad():
        parts = torch.autograd.grad(
            loss_of(), parameters, create_graph=True, materialize_grads=True
        )
        gradient = torch.cat([part.flatten() for part in parts])

    def product(vector: Tensor) -> Tensor:
        if not gradient.requires_grad:
            return torch.zeros_like(vector)
        rows = torch.autograd.grad(
            gradient, parameters, vector, retain_graph=True, materialize_grads=True
        )
        return torch.cat([row.flatten() for row in rows])

    return gradient, product


def _sharp_valley(history: Sequence[Snapshot]) -> str | None:
    taken = (snapshot.eigenvalue for snapshot in history)
    values = [value for value in taken if value is not None and isfinite(value)]
    if len(values) < 2 * WINDOW:
        return None
    before, now = fmean(values[-2 * WINDOW : -WINDOW]), fmean(values[-WINDOW:])
    if before <= 0 or before >= RATIO * now:
        return None
    return (
        f"The dominant eigenvalue of the architecture's Hessian has grown from {before:.3g} to "
        f"{now:.3g}: the relaxed network is ever more unlike the one that would be decoded."
    )


@dataclass(frozen=True)
class Snapshot:
    """The state of a search after `step` steps, which are `share` of all, and `seconds`.

    `probabilities` are those of the choices of each group, [choices] each, without the chance of a
    gate; `loss` is that of the weights, `architecture_loss` that of the architecture, `None` while
    it is not trained; `eigenvalue` is the dominant one of the Hessian, `None` where it was not
    taken. `architecture` is what would be decoded.
    """

    step: Count
    share: Share
    seconds: Amount
    probabilities: dict[str, tuple[tuple[Share, ...], ...]]
    loss: Finite
    architecture_loss: Finite | None
    temperature: Finite
    architecture: str
    eigenvalue: float | None


def read_history(path: Path) -> list[Snapshot]:
    """Reads the snapshots in their order; raises `AtrousError` for a file that holds others."""
    if not path.exists():
        raise AtrousError(f"Expected the history of a search in {path}, but there is no such file.")
    return read_lines(path, Snapshot, "a snapshot of a search", "Delete the line.")


def histories(run: Path) -> dict[int, Path]:
    """Finds the history of each supernet in a run's folder so far, by seed."""
    found = {int(path.parent.name): path for path in (run / FOLDER).glob(f"*/{NAME}")}
    return dict(sorted(found.items()))


def write_history(path: Path, snapshots: Sequence[Snapshot]) -> None:
    """Writes all snapshots, whole or not at all; raises `AtrousError`."""
    write_lines(path, snapshots, "the history of a search")


def entropy_share(choices: Iterable[Sequence[float]]) -> float:
    """Returns how undecided choices are, from their probabilities: the mean entropy, as share of
    what each could have at most. Every choice counts alike."""
    return fmean(-sum(p * log(p) for p in row if p > 0) / log(len(row)) for row in choices)
