"""A differentiable search on the terminal: a line for each moment that is kept."""

from __future__ import annotations

from rich.console import Console

from atrous.relax.entropy import alpha_entropy, beta_entropy, pooling_share, skip_share
from atrous.relax.history import Moment
from atrous.spaces import find_architecture
from atrous.spaces.auto_deeplab.space import decoded

CONSOLE = Console(stderr=True)


def tell_moment(moment: Moment, warning: str | None) -> None:
    """Prints how far the search is, how undecided, and what would be decoded."""
    CONSOLE.print(in_words(moment), soft_wrap=True, markup=False)
    if warning:
        CONSOLE.print(f"warning: {warning}", soft_wrap=True, markup=False)


def in_words(moment: Moment) -> str:
    """A line: step, losses, entropies as shares of their maxima, skips and poolings, path."""
    found = decoded(find_architecture(moment.architecture))
    strides = " ".join(str(4 << level) for level in found.path)
    learnt = moment.architecture_loss
    return (
        f"step {moment.step:>6}  loss {moment.loss:.3f}  "
        f"{'warming up' if learnt is None else f'architecture {learnt:.3f}'}  "
        f"entropy {alpha_entropy(moment.alpha).share:.2f} of operations, "
        f"{beta_entropy(moment.beta).share:.2f} of ways  "
        f"skip {skip_share(found.cell):.0%} pool {pooling_share(found.cell):.0%}  {strides}"
    )
