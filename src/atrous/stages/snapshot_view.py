"""A differentiable search on the terminal: a line for each snapshot that is kept."""

from __future__ import annotations

from rich.console import Console

from atrous.relax.history import Snapshot, entropy
from atrous.spaces import find_architecture
from atrous.spaces.auto_deeplab.relaxation.decoding import pooling_share, skip_share
from atrous.spaces.auto_deeplab.space import decoded

CONSOLE = Console(stderr=True)


def tell_snapshot(snapshot: Snapshot, warning: str | None) -> None:
    """Prints how far the search is, how undecided, and what would be decoded."""
    CONSOLE.print(in_words(snapshot), soft_wrap=True, markup=False)
    if warning:
        CONSOLE.print(f"warning: {warning}", soft_wrap=True, markup=False)


def in_words(snapshot: Snapshot) -> str:
    """A line: step, losses, entropies as shares of their maxima, skips and poolings, path."""
    found = decoded(find_architecture(snapshot.architecture))
    strides = " ".join(str(4 << level) for level in found.path)
    undecided = ", ".join(
        f"{entropy(rows).share:.2f} of {name}" for name, rows in snapshot.probabilities.items()
    )
    learnt = snapshot.architecture_loss
    return (
        f"step {snapshot.step:>6}  loss {snapshot.loss:.3f}  "
        f"{'warming up' if learnt is None else f'architecture {learnt:.3f}'}  "
        f"entropy {undecided}  "
        f"skip {skip_share(found.cell):.0%} pool {pooling_share(found.cell):.0%}  {strides}"
    )
