"""How a supernet is trained: numbers only, the published ones as defaults."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, cos, pi
from typing import ClassVar

from atrous.core.config import GradientConfig
from atrous.core.records import Count, Positive, Share
from atrous.networks.compute import Precision
from atrous.relax.gates import GATES, Learning
from atrous.training.config import Protocol

EPOCHS = 40
"""Passes over the half of the images that weights are trained on (Liu et al. 2019, section 4.1)."""
CROP, SIDE = 321, 512
"""The longest side of a crop, in pixels, taken from images scaled down to this shorter side where
theirs is longer: for Cityscapes, crops of 321 x 321 at half size (Liu et al. 2019, section 4.1)."""
RECORDS = 100
"""Snapshots in the history of a search."""
FIRST_RATE, LAST_RATE = 0.025, 0.001
MOMENTUM, WEIGHT_DECAY = 0.9, 3e-4
"""SGD for the weights, its rate falling along a cosine (Liu et al. 2019, section 4.1)."""


FARTHEST = 10
"""How far a logit of the architecture can go at least. A step of Adam takes it as far as the rate
at most; the published searches are long enough for 29 to 108."""


@dataclass(frozen=True)
class SearchProtocol:
    """A search of `space` with one supernet, of width `filters` and for so many `classes`, through
    `gate`.

    `steps` steps are taken, each on `batch` crops of `crop` (height, width) pixels, images scaled
    by `scale`; after the share `warm_up` of them, each begins with a step of the architecture on
    the other half of the images. `neutral`, `checkpointing`, `hessian` and `stop` are those of
    `GradientConfig`.
    """

    gate: str
    space: str
    filters: int
    classes: Positive
    steps: int
    batch: int
    crop: tuple[int, int]
    scale: Share
    warm_up: float
    seed: Count
    precision: Precision = "float32"
    neutral: bool = False
    checkpointing: bool = False
    hessian: bool = False
    stop: bool = False
    RANGES: ClassVar[type] = GradientConfig
    """The configuration whose options say what the numbers may be."""

    @property
    def learning(self) -> Learning:
        """Adam for the architecture: as published, but faster where a search is so short that
        the published rate could not lead away from the start."""
        published = GATES[self.gate].learning
        steps = self.steps - ceil(self.warm_up * self.steps)
        return replace(published, rate=max(published.rate, FARTHEST / max(steps, 1)))

    @property
    def record_every(self) -> int:
        """Steps between two snapshots of the history."""
        return max(1, self.steps // RECORDS)

    def learns_at(self, step: int) -> bool:
        """Whether step number `step`, from 0, begins with a step of the architecture."""
        return step >= self.warm_up * self.steps

    def rate_at(self, step: int) -> float:
        """The learning rate of the weights at a step: half a cosine."""
        share = step / self.steps
        return LAST_RATE + (FIRST_RATE - LAST_RATE) * (1 + cos(pi * share)) / 2

    def stream(self, half: int) -> Protocol:
        """The protocol that the crops of a half are drawn by, 0 for the weights and 1 for the
        architecture."""
        return Protocol(
            steps=self.steps,
            batch=self.batch,
            crop=self.crop,
            scales=(self.scale,),
            seed=2 * self.seed + half,
        )
