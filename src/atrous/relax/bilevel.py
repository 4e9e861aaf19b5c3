"""The state of a supernet in training, and one step of it (first-order DARTS).

A gate that takes choices alone learns some of them, those of compared groups, by comparing two
draws a and b on the same crops. Batch norm takes the weight of a choice out again where it is the
only one, so that the loss has no slope along it. But with a and b drawn independently of each
other, (loss a - loss b) / 2 times the gradient of (log p(a) - log p(b)) is on average the gradient
of the expected loss (Williams 1992; Kool et al. 2019, two draws).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

import torch
from torch import Tensor

from atrous.core.errors import AtrousError
from atrous.core.records import Count, to_json
from atrous.networks.compute import Compute
from atrous.relax.config import MOMENTUM, WEIGHT_DECAY, SearchProtocol
from atrous.relax.gates import GATES, Choices, Groups, on_cpu
from atrous.relax.relaxation import AnyMixture, Penalty, Relaxation, without_penalty
from atrous.tasks import USUAL
from atrous.tasks.task import Task
from atrous.training.checkpoint import Checkpoint, refill
from atrous.training.crops import Batch
from atrous.training.optimiser import set_rate
from atrous.training.state import batch_loss, mixed_seed, require_steps

ADAM = ("exp_avg", "exp_avg_sq", "step")
BUFFER = "momentum_buffer"


@dataclass(frozen=True)
class Losses:
    """Losses of the weights, and of the architecture where it took a step; without gradient."""

    weights: Tensor
    architecture: Tensor | None


@dataclass(frozen=True)
class SearchProgress:
    """The record of a checkpoint: the steps taken, of those of the protocol."""

    step: Count
    protocol: SearchProtocol

    def __post_init__(self) -> None:
        """Raises `ValueError` for steps that were never taken."""
        require_steps(self.step, self.protocol.steps)


class SearchState:
    """A supernet in training; `step` counts the steps taken. Chance is drawn from seed and step, so
    that a search which goes on from a checkpoint is the one that was never stopped."""

    def __init__(
        self,
        relaxation: Relaxation,
        protocol: SearchProtocol,
        compute: Compute,
        penalty: Penalty = without_penalty,
        task: Task = USUAL,
    ) -> None:
        self.relaxation, self.protocol = relaxation, protocol
        self.compute, self.penalty, self.task = compute, penalty, task
        self.gate, self.step = GATES[protocol.gate], 0
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(protocol.seed)
            self.supernet = relaxation.network(
                protocol.filters, protocol.classes, protocol.checkpointing, task
            )
        compute.arrange(self.supernet)
        self.supernet.train()
        learning = protocol.learning
        self._weights = torch.optim.SGD(
            self.supernet.weights(), protocol.rate_at(0), MOMENTUM, weight_decay=WEIGHT_DECAY
        )
        self._architecture = torch.optim.Adam(
            self.supernet.architecture(), learning.rate, learning.betas, weight_decay=learning.decay
        )
        self._loss = batch_loss(task, compute, relaxation.mean, relaxation.std)
        self._names = {id(p): name for name, p in self.supernet.named_parameters()}
        self._known: dict[str, tuple[Tensor, ...]] = {}

    @property
    def temperature(self) -> float:
        """The temperature of the gate now."""
        return self.gate.temperature(self.step / self.protocol.steps)

    def advance(self, batch: Batch, other: Batch | None) -> Losses:
        """Takes one step: of the architecture on `other`, unless it warms up, then of the
        weights."""
        # Gates draw from a generator of their own, dropout from torch's: both begin anew at each
        # step, so that a step depends on its number and not on what was drawn before.
        generator = torch.Generator()
        generator.manual_seed(mixed_seed(self.protocol.seed, self.step))
        torch.manual_seed(mixed_seed(self.protocol.seed, self.step))
        architecture = self._learn(other, generator) if other else None
        set_rate(self._weights, self.protocol.rate_at(self.step))
        self._weights.zero_grad(set_to_none=True)
        with torch.no_grad():
            # The weights learn under the architecture as it is: first order, no unrolled step.
            mixture = self.mixture(generator)
        loss = self.cross_entropy(batch, mixture)
        loss.backward()  # type: ignore[no-untyped-call]
        self._weights.step()
        self.step += 1
        return Losses(loss.detach(), architecture)

    def mixture(self, generator: torch.Generator) -> AnyMixture:
        """Draws what the gate lets through now."""
        return self.supernet.mixture(self._choices(generator))

    def cross_entropy(self, batch: Batch, mixture: AnyMixture) -> Tensor:
        """Returns the mean over labelled pixels."""
        counted = self._loss.lesson.labelled(batch[1]).clamp_min(1)
        return self._loss(self.supernet, batch, mixture) / counted.to(self.compute.device)

    def checkpoint(self) -> Checkpoint:
        """Returns the state, to be restored into a new one under the same protocol."""
        tensors = {f"network.{k}": v for k, v in self.supernet.state_dict().items()}
        for parameter in self.supernet.weights():
            momentum = self._weights.state[parameter].get(BUFFER)
            if momentum is not None:
                tensors[f"momentum.{self._names[id(parameter)]}"] = momentum
        for parameter in self.supernet.architecture():
            moments = self._architecture.state[parameter]
            name = self._names[id(parameter)]
            tensors |= {f"adam.{name}.{key}": moments[key] for key in ADAM if key in moments}
        return Checkpoint(tensors, to_json(SearchProgress(self.step, self.protocol)))

    def restore(self, checkpoint: Checkpoint) -> None:
        """Goes on from a checkpoint; raises `AtrousError` if it is of another search."""
        mend = "Delete it to search from the beginning."
        what = "the checkpoint of a differentiable search"
        found = checkpoint.told(SearchProgress, what, mend)
        step, protocol = found.step, found.protocol
        if protocol != self.protocol:
            raise AtrousError(
                f"Expected a checkpoint of a search under {self.protocol}, got one under "
                f"{protocol}. Delete it to search from the beginning."
            )
        refill(self.supernet, checkpoint.under("network"))
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
        self.step, self._known = step, {}

    def _learn(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Takes a step of the architecture and returns its loss; the weights keep no gradient of
        it."""
        parameters = self.supernet.architecture()
        choices = self._choices(generator)
        mixture = self.supernet.mixture(choices)
        loss = self._penalised(batch, mixture)
        learnt = loss
        if self.gate.alone and (other := self._drawn_again(choices, generator)):
            rival = self.supernet.mixture(other)
            with torch.no_grad():
                more = loss.detach() - self._penalised(batch, rival)
            learnt = loss + more / 2 * self.supernet.contrast(mixture, rival, self.temperature)
        # Not `backward`: it would leave gradients of these crops in the weights, which learn from
        # the other half of the images alone.
        gradients = torch.autograd.grad(learnt, parameters, allow_unused=True)
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        self._architecture.step()
        self._known = {}
        return loss.detach()

    def _choices(self, generator: torch.Generator) -> Choices:
        return self.gate(self._groups(), self.temperature, generator)

    def _groups(self) -> Groups:
        """The network's groups; where choices are taken alone, with logits that the program may
        read. They change, and an accelerator is waited for, where the architecture has learnt."""
        groups = self.supernet.groups()
        if not self.gate.alone:
            return groups
        if not self._known:
            read = iter(on_cpu([part for group in groups.values() for part in group.logits]))
            self._known = {n: tuple(islice(read, len(g.logits))) for n, g in groups.items()}
        return {name: replace(group, known=self._known[name]) for name, group in groups.items()}

    def _drawn_again(self, choices: Choices, generator: torch.Generator) -> Choices | None:
        """The same choices with those of compared groups drawn anew; `None` without such groups."""
        compared = {n: group for n, group in self._groups().items() if group.compared}
        if not compared:
            return None
        return {**choices, **self.gate(compared, self.temperature, generator)}

    def _penalised(self, batch: Batch, mixture: AnyMixture) -> Tensor:
        """The loss of the architecture."""
        return self.penalty(self.cross_entropy(batch, mixture), mixture)
