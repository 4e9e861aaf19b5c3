"""The score that decides which weights are kept: mIoU on the selection images, at full size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from atrous.core.console import untracked
from atrous.core.trial import Metrics
from atrous.data.dataset import Progress, Samples
from atrous.networks.network import Network
from atrous.networks.pyramid import branch_norms
from atrous.tasks.segmentation.evaluate import evaluate
from atrous.tasks.segmentation.metrics import summarise
from atrous.training.world import World


@dataclass(frozen=True)
class Selection:
    """Scores a network at a single scale; each process takes its share of the images."""

    samples: Samples
    classes: int
    transform: Callable[..., torch.Tensor]
    world: World
    progress: Progress = untracked

    def __call__(self, network: Network) -> Metrics:
        """The metrics over all images and processes. Raises AtrousError for unreadable files."""
        counts = evaluate(
            network,
            self.transform,
            self.samples[self.world.rank :: self.world.size],
            self.classes,
            device=self.world.device,
            label="scoring",
            progress=self.progress,
        )
        total = self.world.total(torch.from_numpy(counts))
        scores = summarise(total.cpu().numpy())
        norms = branch_norms(network)
        return Metrics(**vars(scores), cross_entropy=None, branch_norms=norms)
