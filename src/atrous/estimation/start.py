"""Where the end-to-end training of a candidate starts: with its cell as the proxy leaves it."""

from __future__ import annotations

from dataclasses import dataclass

from atrous.core.architecture import Architecture
from atrous.estimation.proxy import Proxy
from atrous.networks.network import Network
from atrous.training.config import RATE, SCRATCH_RATE

SHORT = 500
"""With fewer steps, a warm start is changed gently: the statistics of batch norm stay, and the rate
is low. Tuned on few images for so short a time, they would be noise when the training ends."""
GENTLE_RATE = 0.0005
"""The base learning rate of a gentle training."""


@dataclass(frozen=True)
class WarmStart:
    """Trains a cell on the cached features of a search, for `steps` steps. Pickles."""

    proxy: Proxy
    steps: int

    def __call__(self, network: Network, architecture: Architecture, seed: int) -> None:
        """Fills the network's cell and class scores. Raises `NonFiniteError`."""
        trained = self.proxy.fit(architecture, self.steps, seed)
        network.head.load_state_dict(trained.head.state_dict())
        network.logits.load_state_dict(trained.logits.state_dict())


def is_gentle(steps: int, warm: bool, weights: str) -> bool:
    """Whether a training keeps close to its start, whose statistics must be known for that: not
    with a cold start, nor with backbone `weights` of `none`."""
    return steps < SHORT and warm and weights != "none"


def usual_rate(gentle: bool, scratch: bool = False) -> float:
    """The base learning rate unless another is asked for: the paper's, that of a gentle training,
    or that of a network that starts from `scratch`."""
    if gentle:
        return GENTLE_RATE
    return SCRATCH_RATE if scratch else RATE
