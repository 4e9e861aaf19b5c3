"""Forward and backward pass as one CUDA graph: a small cell spends most of a step on launches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from atrous.networks.pyramid import Pyramid

WARM_UP = 3

Gradients = Callable[[Pyramid, Tensor], Tensor]
"""Maps by stride and targets of a batch to the loss, a scalar; fills the parameters' gradients."""


class GraphedGradients:
    """Calls `gradients` a few times, captures it, and replays the capture from then on.

    All calls need batches of one shape. Warming up and capturing touch no weights, but they update
    the running means of batch norms with the first batch and advance the random generator, the
    same way in every run.
    """

    def __init__(self, gradients: Gradients) -> None:
        self._gradients = gradients
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, features: Pyramid, targets: Tensor) -> Tensor:
        """The loss of the batch; the gradients are where the capture put them."""
        if self._graph is None:
            self._graph = self._capture(features, targets)
        for stride, maps in features.items():
            self._features[stride].copy_(maps)
        self._targets.copy_(targets)
        self._graph.replay()
        return self._loss

    def _capture(self, features: Pyramid, targets: Tensor) -> torch.cuda.CUDAGraph:
        self._features = {stride: maps.clone() for stride, maps in features.items()}
        self._targets = targets.clone()
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._gradients(self._features, self._targets)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._loss = self._gradients(self._features, self._targets)
        return graph
