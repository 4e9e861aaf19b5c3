"""The expected latency of a relaxed network, from a table of its parts (Wu et al. 2019, FBNet).

The table says how many milliseconds each operation takes at each stride, and what a cell spends on
its two inputs before its operations. A network's latency is taken as the sum over its parts; what
the parts cost beside each other (additions, concatenation, launches that overlap) is left out, and
so are stem and head, which all networks share.
"""

from __future__ import annotations

import torch
from torch import Tensor

from atrous.relax.latency_table import MOVES, PLACES, LatencyTable
from atrous.spaces.auto_deeplab.cell import GIVEN, OPERATIONS, edges
from atrous.spaces.auto_deeplab.relaxation.decoding import blocks_of
from atrous.spaces.auto_deeplab.relaxation.walk import arrow_probabilities, layers_of
from atrous.spaces.auto_deeplab.trellis import arrows

LEAST = 1.0
"""The logarithm of e milliseconds: what is faster is not made faster still."""


def latency_loss(
    cross_entropy: Tensor, milliseconds: Tensor, alpha: float = 0.2, beta: float = 0.6
) -> Tensor:
    """Cross-entropy x alpha x (log LAT)^beta (Wu et al. 2019, equation 2).

    The power is of the logarithm: log(LAT^beta) = beta log LAT would make beta a mere factor. The
    paper does not say LAT's unit; its latencies, 20 to 30 on a phone, are in milliseconds, and so
    is LAT here. Below e milliseconds the factor stays at alpha: (log LAT)^beta steepens without
    bound towards 1 ms, and has no value below.
    """
    factor = milliseconds.log().clamp_min(LEAST) ** beta
    return cross_entropy * alpha * factor


def reach(outgoing: Tensor) -> Tensor:
    """The probability that a walk takes each arrow, from outgoing probabilities, both [arrows]."""
    return torch.stack(list(arrow_probabilities(outgoing.unbind()).values()))


def expected_latency(table: LatencyTable, weights: Tensor, reached: Tensor) -> Tensor:
    """Milliseconds, without dimensions, from the weights of the operations [edges, 8] and the
    probabilities that a walk takes each arrow [arrows].

    The sum over arrows of probability x latency of the cell, which is that of its inputs plus the
    sum over edges of weight x latency of the operation; `none` takes no time. All edges count,
    though decoding keeps two of a block's: exactly the decoded network's latency comes out where
    the weights are one on what it keeps, and on `none` elsewhere.
    """
    inputs, given, later = _by_move(table, weights)
    states = [state for _, state in edges(blocks_of(len(weights)))]
    first = torch.tensor([state < GIVEN for state in states], device=weights.device)
    used = weights[:, : len(OPERATIONS)]
    cells = inputs + given @ used[first].sum(0) + later @ used[~first].sum(0)
    moves = [MOVES.index((a.source, a.target)) for a in arrows(layers_of(len(reached)))]
    return reached @ cells[torch.tensor(moves, device=weights.device)]


def _by_move(table: LatencyTable, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Of a cell by move: what its inputs take [moves]; what each operation takes on a state that it
    is given, and on its blocks [moves, 7]."""
    given = [table.operations[PLACES.index((t, 2 if t > s else 1))] for s, t in MOVES]
    later = [table.operations[PLACES.index((target, 1))] for _, target in MOVES]
    inputs, first, second = (like.new_tensor(rows) for rows in (table.inputs, given, later))
    return inputs, first, second
