"""How a network is trained: numbers only, written as JSON beside what was trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

from atrous.core.errors import AtrousError
from atrous.data.augment import SCALES
from atrous.data.canvas import LONGEST, Size, largest, round_up
from atrous.networks.compute import Precision
from atrous.training.optimiser import Schedule

RATE, WEIGHT_DECAY = 0.01, 4e-5
SCRATCH_RATE = 0.05
"""The base learning rate of networks that begin with random weights throughout (Liu et al. 2019,
section 4.2)."""
STEPS, BATCH = 30_000, 8


@dataclass(frozen=True)
class Protocol:
    """The paper's protocol by default (Chen et al. 2018, section 4, and the reference's flags).

    SGD with momentum 0.9 over `steps` steps of `batch` crops of `crop` (height, width) pixels; the
    learning rate falls from `rate` as (1 - t / steps)^0.9. A step's batch is worked on in
    `accumulate` parts. `tune_norm`: batch norms see the batch's statistics, not the pretrained
    ones. `class_weights`, one per class, weigh the loss; none weigh all alike. `average` is the
    decay of a moving average of the weights, which is then what is scored and kept; 0 keeps none.
    `drop_path` is the probability with which the last layer's operations are dropped at the end of
    the training, less in earlier layers and at earlier steps (networks of Auto-DeepLab alone).
    Every `score_every` steps the selection images are scored.
    """

    steps: int
    batch: int
    crop: Size
    rate: float = RATE
    weight_decay: float = WEIGHT_DECAY
    scales: tuple[float, ...] = SCALES
    flip: bool = True
    tune_norm: bool = True
    class_weights: tuple[float, ...] = ()
    precision: Precision = "float32"
    accumulate: int = 1
    average: float = 0.0
    drop_path: float = 0.0
    score_every: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = self._wrong()
        if wrong:
            raise AtrousError("; ".join(wrong) + ".")

    @property
    def schedule(self) -> Schedule:
        """Optimiser and learning rate."""
        return Schedule(self.batch, self.rate, self.weight_decay)

    def to_json(self) -> dict[str, Any]:
        """The record in JSON's types."""
        return dict(vars(self))

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Protocol:
        """The record from `to_json`; raises `TypeError` for fields that are not known."""
        tuples = {k: tuple(v) for k, v in content.items() if isinstance(v, list)}
        return cls(**(content | tuples))

    def _wrong(self) -> list[str]:
        """All that is wrong with the numbers."""
        least = {"steps": 1, "batch": 2, "accumulate": 1, "score_every": 1, "seed": 0}
        wrong = [
            f"--{field.name.replace('_', '-')} is at least {least[field.name]}, got {value}"
            for field in fields(self)
            if field.name in least and (value := getattr(self, field.name)) < least[field.name]
        ]
        if not (self.rate > 0 and isfinite(self.rate)):
            wrong.append(f"--rate is a positive number, got {self.rate}")
        if not (self.weight_decay >= 0 and isfinite(self.weight_decay)):
            wrong.append(f"--weight-decay is at least 0, got {self.weight_decay}")
        if not 0 <= self.average < 1:
            wrong.append(f"--average is at least 0 and below 1, got {self.average}")
        if not 0 <= self.drop_path < 1:
            wrong.append(f"--drop-path is at least 0 and below 1, got {self.drop_path}")
        if not self.scales or not all(scale > 0 and isfinite(scale) for scale in self.scales):
            wrong.append(f"--random-scales are positive numbers, got {self.scales}")
        return wrong + ([] if self.batch < 2 or self.accumulate < 1 else self._wrong_parts())

    def _wrong_parts(self) -> list[str]:
        """What is wrong with the parts of a batch."""
        if self.batch % self.accumulate:
            return [f"--batch {self.batch} is not a multiple of --accumulate {self.accumulate}"]
        if self.tune_norm and self.batch // self.accumulate < 2:
            return [
                f"--accumulate {self.accumulate} leaves less than 2 of {self.batch} images a part, "
                "too few for batch norm; lower it, raise --batch, or give --no-tune-norm"
            ]
        return []


def derive_training_crop(sizes: Iterable[Size], output_stride: int, longest: int = LONGEST) -> Size:
    """The crop for images of these sizes: the largest image, each side at most `longest`."""
    height, width = (min(round_up(side, output_stride), longest) for side in largest(sizes))
    return height, width
