"""The loss of an architecture, and of one that is to be fast (Wu et al. 2019, FBNet)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from atrous.relax.relaxation import AnyMixture, Relaxation

Penalty = Callable[[Tensor, AnyMixture], Tensor]
"""From the cross-entropy of a mixture to the loss of the architecture."""
LEAST = 1.0
"""The logarithm of e milliseconds: what is faster is not made faster still."""


def without_penalty(cross_entropy: Tensor, mixture: AnyMixture) -> Tensor:  # noqa: ARG001
    """Returns the cross-entropy as the architecture's loss."""
    return cross_entropy


def latency_loss(
    cross_entropy: Tensor, milliseconds: Tensor, alpha: float = 0.2, beta: float = 0.6
) -> Tensor:
    """Returns cross-entropy x alpha x (log LAT)^beta (Wu et al. 2019, equation 2).

    The power is of the logarithm: log(LAT^beta) = beta log LAT would make beta a mere factor. The
    paper does not say LAT's unit; its latencies, 20 to 30 on a phone, are in milliseconds, and so
    is LAT here. Below e milliseconds the factor stays at alpha: (log LAT)^beta steepens without
    bound towards 1 ms, and has no value below.
    """
    factor = milliseconds.log().clamp_min(LEAST) ** beta
    return cross_entropy * alpha * factor


def slow_is_bad(relaxation: Relaxation, milliseconds: Mapping[str, float]) -> Penalty:
    """Returns the penalty that counts the latency which is expected of a mixture, from that of a
    space's parts."""

    def penalised(cross_entropy: Tensor, mixture: AnyMixture) -> Tensor:
        return latency_loss(cross_entropy, relaxation.latency(milliseconds, mixture))

    return penalised
