"""Scores of architectures that are not trained, from one batch of cached features.

Abdelfattah et al. 2021, "Zero-Cost Proxies for Lightweight NAS", and Mellor et al. 2021, "Neural
Architecture Search without Training". How far they rank, `atrous bench scores` tells.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from atrous.core.architecture import Architecture
from atrous.core.trial import Job, Outcome
from atrous.estimation.cached import Proxy
from atrous.estimation.learning import Geometry, features_of, geometry
from atrous.estimation.outcome import outcome_of
from atrous.networks.network import Tail
from atrous.networks.pyramid import Pyramid

ZeroCost = Callable[[Tail, Pyramid, Tensor, Geometry], float]
"""An untrained network, maps of a batch by stride, their targets [B, h, w], and the road from
scores to the loss -> a number, larger for better."""


def gradient_norm(network: Tail, maps: Pyramid, targets: Tensor, road: Geometry) -> float:
    """The Euclidean norm of the loss's gradient by all weights."""
    return float(_norm(_gradients(network, road.loss(network(maps), targets))))


def synflow(network: Tail, maps: Pyramid, _targets: Tensor, _road: Geometry) -> float:
    """The logarithm of the sum of weight times gradient, where weights are made positive, inputs
    are ones and the loss is the sum of the scores (Tanaka et al. 2020).

    Batch norm is as it is before the first step, which leaves maps as they are. The sum itself
    spans tens of orders of magnitude; ranks are the same.
    """
    flowing = deepcopy(network).double().eval()
    with torch.no_grad():
        for weight in flowing.parameters():
            weight.abs_()
    ones = {stride: torch.ones_like(each[:1], dtype=torch.float64) for stride, each in maps.items()}
    gradients = _gradients(flowing, flowing(ones).sum())
    weights = [weight.detach() for weight in flowing.parameters()]
    total = sum(float((w * g).sum()) for w, g in zip(weights, gradients, strict=True))
    return float(np.log(max(total, 1e-300)))


def naswot(network: Tail, maps: Pyramid, _targets: Tensor, _road: Geometry) -> float:
    """The log-determinant of how alike images are in which units of the ReLU layers are active; the
    share of units instead of their number, so that architectures without a layer have a score."""
    batch = next(iter(maps.values())).shape[0]
    alike = np.eye(batch) * 1e-6

    def look(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        active = (output.detach().flatten(1) > 0).double()
        agree = active @ active.T + (1 - active) @ (1 - active).T
        alike[...] += (agree / active.shape[1]).cpu().numpy()

    layers = [each for each in network.modules() if isinstance(each, nn.ReLU)]
    handles = [each.register_forward_hook(look) for each in layers]
    with torch.no_grad():
        network(maps)
    for handle in handles:
        handle.remove()
    return float(np.linalg.slogdet(alike)[1])


ZERO_COSTS: Mapping[str, ZeroCost] = {
    "gradient_norm": gradient_norm,
    "synflow": synflow,
    "naswot": naswot,
}


@dataclass(frozen=True)
class Untrained:
    """The estimator that trains nothing: call it with a job to have all scores of `ZERO_COSTS`, on
    the first batch that the proxy would train on. Pickles; holds no state."""

    proxy: Proxy

    def __call__(self, job: Job) -> Outcome:
        """Returns the scores by name; failures come back as records, not exceptions."""
        return outcome_of(job, lambda job: self.scores(job.architecture, job.seed))

    def scores(self, architecture: Architecture, seed: int) -> dict[str, float]:
        """Returns the scores by name, of first weights that the seed draws."""
        proxy = self.proxy
        data, compute, batch = proxy.training, proxy.compute, proxy.schedule.batch
        found: dict[str, float] = {}
        for name, score in ZERO_COSTS.items():
            network = proxy.network(architecture, seed)
            compute.arrange(network)
            network.train()
            features = features_of(data, network, compute, proxy.resident)
            maps = {
                stride: compute.place(each[:batch]).float() for stride, each in features.items()
            }
            targets = data.targets[:batch].to(compute.device).long()
            road = geometry(data.crop, network.stride, compute.device, network.offset, proxy.task)
            found[name] = score(network, maps, targets, road)
        return found


def _gradients(network: Tail, loss: Tensor) -> list[Tensor]:
    weights = list(network.parameters())
    found = torch.autograd.grad(loss, weights, allow_unused=True)
    return [
        torch.zeros_like(weight) if each is None else each
        for weight, each in zip(weights, found, strict=True)
    ]


def _norm(gradients: list[Tensor]) -> Tensor:
    return torch.stack([each.double().square().sum() for each in gradients]).sum().sqrt()
