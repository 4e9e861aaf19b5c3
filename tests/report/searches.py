"""A differentiable search, made up as one might go: half of it without training alpha and beta."""

from __future__ import annotations

import numpy as np
from scipy.special import softmax

from atrous.relax.collapse import Snapshot
from atrous.spaces.auto_deeplab.cell import OPERATIONS, edges
from atrous.spaces.auto_deeplab.relaxation.decoding import decode, outgoing, rows
from atrous.spaces.auto_deeplab.space import PUBLISHED_CELL, PUBLISHED_PATH, auto_deeplab
from atrous.spaces.auto_deeplab.trellis import arrows

LAYERS, BLOCKS, STEPS = 12, 5, 4000


def search(snapshots: int = 41) -> list[Snapshot]:
    """A search that comes near the published architecture, by growing preferences."""
    generator = np.random.default_rng(5)
    alpha = 1e-3 * generator.normal(size=(len(edges(BLOCKS)), 8))
    beta = 1e-3 * generator.normal(size=sum(1 for _ in arrows(LAYERS)))
    found = []
    for number in range(snapshots):
        share = number / max(1, snapshots - 1)
        trained = share > 0.5
        if trained:
            alpha += _cell_pull() * 3.6 / snapshots + 0.12 * generator.normal(size=alpha.shape)
            beta += _path_pull() * 4.5 / snapshots + 0.09 * generator.normal(size=beta.shape)
        found.append(_snapshot(share, alpha, beta, trained))
    return found


def _cell_pull() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    pull = np.zeros((len(edges(BLOCKS)), 8))
    pull[:, OPERATIONS.index(OPERATIONS[-1])] = 0.45
    pull[:, -1] = 0.3
    for row, (block, state) in enumerate(edges(BLOCKS)):
        for edge in (PUBLISHED_CELL[block].first, PUBLISHED_CELL[block].second):
            if edge.state == state:
                pull[row, OPERATIONS.index(edge.operation)] = 1
    return pull


def _path_pull() -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    before = (0, *PUBLISHED_PATH)
    taken = [(a.source, a.target) == (before[a.layer], before[a.layer + 1]) for a in arrows(LAYERS)]
    return np.array(taken, dtype=np.float64)


def _snapshot(
    share: float,
    alpha: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    beta: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    trained: bool,
) -> Snapshot:
    genotype = decode(alpha, beta)
    return Snapshot(
        step=round(share * STEPS),
        share=share,
        seconds=900 * share,
        probabilities={
            "operations": tuple(tuple(row) for row in softmax(alpha, axis=-1).tolist()),
            "ways": tuple(tuple(row) for row in rows(outgoing(beta))),
        },
        loss=2.4 - 1.5 * share,
        architecture_loss=2.6 - 1.4 * share if trained else None,
        temperature=1.0,
        architecture=str(auto_deeplab().architecture(genotype)),
        eigenvalue=0.2 + 0.3 * share**3 if trained else None,
    )
