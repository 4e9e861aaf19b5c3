"""Where the end-to-end training of a candidate starts: with its cell as the proxy leaves it."""

from __future__ import annotations

from dataclasses import dataclass

from atrous.architecture import Architecture
from atrous.estimation.proxy import Proxy
from atrous.models.network import Network
from atrous.trial import Trial

TUNABLE = 12
"""With fewer images a step, the reference implementation advises against tuning batch norm. That
needs a cell whose statistics are known, as a warm start gives them."""


@dataclass(frozen=True)
class WarmStart:
    """Trains a cell on the cached features of a search, for `steps` steps. Pickles."""

    proxy: Proxy
    steps: int

    def __call__(self, network: Network, architecture: Architecture, seed: int) -> None:
        """Fills the network's cell and class scores. Raises `NonFiniteError`."""
        trained = self.proxy.fit(Trial(0, architecture, "warm start", self.steps, seed))
        network.head.load_state_dict(trained.head.state_dict())
        network.logits.load_state_dict(trained.logits.state_dict())


def tunes_norm(batch: int, warm: bool, weights: str) -> bool:
    """Whether batch norms see the batch's statistics; the backbone's own are known unless its
    `weights` are `none`."""
    return batch >= TUNABLE or not warm or weights == "none"
