"""How a network is trained: numbers only, written as JSON beside what was trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from atrous.core.errors import InvalidError
from atrous.core.options import leaves, problem
from atrous.core.records import Amount, Count
from atrous.core.stage_config import TrainingConfig
from atrous.data.canvas import LONGEST, Size, largest, round_up
from atrous.networks.compute import Precision
from atrous.training.optimiser import Schedule

RATE = 0.01
SCRATCH_RATE = 0.05
"""The base learning rate of networks that begin with random weights throughout (Liu et al. 2019,
section 4.2)."""
SCORES_A_RUN = 20
"""The selection images are scored so often in a run unless the user says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Protocol(TrainingConfig):
    """The configuration of a training with nothing left to be derived.

    By default the paper's protocol (Chen et al. 2018, section 4, and the reference's flags).

    SGD with momentum 0.9 over `steps` steps of `batch` crops of `crop` (height, width) pixels; the
    learning rate falls from `rate` as (1 - t / steps)^0.9. A step's batch is worked on in
    `accumulate` parts. `tune_norm`: batch norms see the batch's statistics, not the pretrained
    ones. `class_weights`, one per class, weigh the loss; none weigh all alike. `average` is the
    decay of a moving average of the weights, reached gradually (`state.decay_after`), which is then
    what is scored and kept; 0 keeps none.
    `drop_path` is the probability with which the last layer's operations are dropped at the end of
    the training, less in earlier layers and at earlier steps (networks of Auto-DeepLab alone).
    The backbone stays as it is up to stride `frozen` (0: all of it learns). The loss is taken at
    every `loss_every`-th pixel of each axis. Of each image there are `variants` crops (0: a new one
    each time).
    In a search, `rungs` are the steps of each length of training that there is.
    Every `score_every` steps the selection images are scored; the weights whose `score` is the
    highest are kept.
    """

    crop: Size
    rate: float = RATE
    precision: Precision = "float32"
    score_every: int = 1000
    class_weights: tuple[Amount, ...] = ()
    seed: Count = 0
    rungs: tuple[Count, ...] = ()
    RANGES: ClassVar[type] = TrainingConfig
    """The configuration whose options say what the numbers may be."""

    def __post_init__(self) -> None:
        wrong = self._wrong()
        if wrong:
            raise InvalidError("; ".join(wrong) + ".")

    @property
    def schedule(self) -> Schedule:
        """Optimiser and learning rate."""
        return Schedule(
            *(self.batch, self.rate, self.weight_decay, self.optimiser, self.rate_warm_up),
            self.rungs,
        )

    def _wrong(self) -> list[str]:
        """Returns all that is wrong with the numbers."""
        asked = leaves(TrainingConfig)
        wrong = [told for leaf in asked if (told := problem(leaf, leaf.of(self)))]
        if not self.crop:  # a file may lack it, since a configuration may
            wrong.append("--crop is a size, got none")
        if self.seed < 0:
            wrong.append(f"--seed is at least 0, got {self.seed}")
        return wrong + ([] if self.batch < 2 or self.accumulate < 1 else self._wrong_parts())

    def _wrong_parts(self) -> list[str]:
        """Lists what is wrong with the parts of a batch."""
        if self.batch % self.accumulate:
            return [f"--batch {self.batch} is not a multiple of --accumulate {self.accumulate}"]
        if self.tune_norm and self.batch // self.accumulate < 2:
            return [
                f"--accumulate {self.accumulate} leaves less than 2 of {self.batch} images a part, "
                "too few for batch norm; lower it, raise --batch, or give --no-tune-norm"
            ]
        return []


def protocol_of(
    asked: TrainingConfig, crop: Size, rate: float, precision: Precision, seed: int
) -> Protocol:
    """Returns the protocol that is asked for, without class weights, where these numbers stand for
    what is left to be derived."""
    told = {f.name: getattr(asked, f.name) for f in fields(asked)}
    derived: dict[str, Any] = {"crop": crop, "rate": rate, "precision": precision}
    derived["score_every"] = max(1, asked.steps // SCORES_A_RUN)
    filled = {name: derived[name] if value is None else value for name, value in told.items()}
    return Protocol(**filled, seed=seed)


def derive_training_crop(sizes: Iterable[Size], output_stride: int, longest: int = LONGEST) -> Size:
    """The crop for images of these sizes: the largest image, each side at most `longest`."""
    height, width = (min(round_up(side, output_stride), longest) for side in largest(sizes))
    return height, width
