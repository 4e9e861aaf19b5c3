"""Everything that changes while a supernet is trained, and one step of it (first-order DARTS)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from atrous.core.errors import AtrousError
from atrous.networks.compute import Compute
from atrous.relax.config import MOMENTUM, WEIGHT_DECAY, SearchProtocol
from atrous.relax.gates import GATES, TEMPERATURES, Mixture, draw_path
from atrous.spaces.auto_deeplab.relaxation.contrast import along, contrast
from atrous.spaces.auto_deeplab.relaxation.supernet import Supernet
from atrous.spaces.auto_deeplab.trellis import MEAN, STD
from atrous.training.checkpoint import Checkpoint, fill
from atrous.training.crops import Batch
from atrous.training.state import labelled, mixed, normalisation, summed_loss

Penalty = Callable[[Tensor, Mixture], Tensor]
"""From the cross-entropy of a mixture to the loss of the architecture."""
ADAM = ("exp_avg", "exp_avg_sq", "step")
BUFFER = "momentum_buffer"


def without_penalty(cross_entropy: Tensor, mixture: Mixture) -> Tensor:  # noqa: ARG001
    """The architecture's loss is the cross-entropy."""
    return cross_entropy


@dataclass(frozen=True)
class Losses:
    """Of the weights, and of the architecture where it took a step; scalars without gradient."""

    weights: Tensor
    architecture: Tensor | None


class State:
    """`step` counts the steps taken. Chance is drawn from seed and step, so that a search which
    goes on from a checkpoint is the one that was never stopped."""

    def __init__(
        self, protocol: SearchProtocol, compute: Compute, penalty: Penalty = without_penalty
    ) -> None:
        self.protocol, self.compute, self.penalty = protocol, compute, penalty
        self.step = 0
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(protocol.seed)
            self.supernet = Supernet(protocol.size, protocol.checkpointing)
        compute.arrange(self.supernet)
        self.supernet.train()
        learning = protocol.learning
        self._weights = torch.optim.SGD(
            self.supernet.weights(), protocol.rate_at(0), MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        self._architecture = torch.optim.Adam(
            self.supernet.architecture(), learning.rate, learning.betas, weight_decay=learning.decay
        )
        self._normalisation = normalisation(MEAN, STD, compute.device)
        self._names = {id(p): name for name, p in self.supernet.named_parameters()}

    @property
    def temperature(self) -> float:
        """That of the gate now."""
        return TEMPERATURES[self.protocol.gate](self.step / self.protocol.steps)

    def advance(self, batch: Batch, other: Batch | None) -> Losses:
        """One step: of the architecture on `other`, unless it warms up, then of the weights."""
        generator = torch.Generator(self.compute.device)
        generator.manual_seed(mixed(self.protocol.seed, self.step))
        torch.manual_seed(mixed(self.protocol.seed, self.step))
        architecture = self._learn(other, generator) if other else None
        for group in self._weights.param_groups:
            group["lr"] = self.protocol.rate_at(self.step)
        self._weights.zero_grad(set_to_none=True)
        with torch.no_grad():
            mixture = self.mixture(generator)
        loss = self.cross_entropy(batch, mixture)
        loss.backward()  # type: ignore[no-untyped-call]
        self._weights.step()
        self.step += 1
        return Losses(loss.detach(), architecture)

    def mixture(self, generator: torch.Generator) -> Mixture:
        """What the gate lets through now."""
        return GATES[self.protocol.gate](
            self.supernet.alpha,
            self.supernet.beta,
            self.protocol.size.layers,
            self.temperature,
            generator,
        )

    def cross_entropy(self, batch: Batch, mixture: Mixture) -> Tensor:
        """The mean over labelled pixels."""
        images, labels = (tensor.to(self.compute.device, non_blocking=True) for tensor in batch)
        mean, std = self._normalisation
        pixels = ((images.float() - mean) / std).contiguous(
            memory_format=self.compute.memory_format
        )
        with self.compute.autocast():
            logits = self.supernet(pixels, mixture)
        return summed_loss(logits, labels.long()) / labelled(labels).clamp_min(1)

    def checkpoint(self) -> Checkpoint:
        """The state, to be restored into a new one under the same protocol."""
        tensors = {f"network.{k}": v for k, v in self.supernet.state_dict().items()}
        for parameter in self.supernet.weights():
            momentum = self._weights.state[parameter].get(BUFFER)
            if momentum is not None:
                tensors[f"momentum.{self._names[id(parameter)]}"] = momentum
        for parameter in self.supernet.architecture():
            moments = self._architecture.state[parameter]
            name = self._names[id(parameter)]
            tensors |= {f"adam.{name}.{key}": moments[key] for key in ADAM if key in moments}
        return Checkpoint(tensors, {"step": self.step, "protocol": self.protocol.to_json()})

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint; raises `AtrousError` if it is of another search."""
        try:
            protocol = SearchProtocol.from_json(checkpoint.record["protocol"])
            step = int(checkpoint.record["step"])
        except (KeyError, TypeError, ValueError) as error:
            raise AtrousError(
                f"Expected the checkpoint of a differentiable search, but its record is of another "
                f"kind ({error!r}). Delete it to search from the beginning."
            ) from error
        if protocol != self.protocol:
            raise AtrousError(
                f"Expected a checkpoint of a search under {self.protocol}, got one under "
                f"{protocol}. Delete it to search from the beginning."
            )
        fill(self.supernet, checkpoint.under("network"))
        momentum = checkpoint.under("momentum")
        for parameter in self.supernet.weights():
            name = self._names[id(parameter)]
            if name in momentum:
                buffer = torch.empty_like(parameter).copy_(momentum[name])
                self._weights.state[parameter] = {BUFFER: buffer}
        for parameter in self.supernet.architecture():
            moments = checkpoint.under(f"adam.{self._names[id(parameter)]}")
            if moments:
                placed = {k: v if k == "step" else v.to(parameter) for k, v in moments.items()}
                self._architecture.state[parameter] = placed
        self.step = step

    def _learn(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """A step of the architecture; its loss. The weights keep no gradient of it."""
        parameters = self.supernet.architecture()
        mixture = self.mixture(generator)
        loss = self._penalised(batch, mixture)
        learnt = loss
        if not all(mixture.arrows_on):
            learnt = loss + self._contrast(batch, mixture, loss.detach(), generator)
        gradients = torch.autograd.grad(learnt, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self._architecture.step()
        return loss.detach()

    def _contrast(
        self, batch: Batch, mixture: Mixture, loss: Tensor, generator: torch.Generator
    ) -> Tensor:
        """What a mixture's single path learns from another one."""
        logits, layers = self.supernet.beta / self.temperature, self.protocol.size.layers
        other = along(mixture, draw_path(logits, layers, generator))
        with torch.no_grad():
            more = loss - self._penalised(batch, other)
        return contrast(logits, layers, mixture, other, more)

    def _penalised(self, batch: Batch, mixture: Mixture) -> Tensor:
        """The loss of the architecture."""
        return self.penalty(self.cross_entropy(batch, mixture), mixture)
