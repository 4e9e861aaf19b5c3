"""What a recipe is: a published result, and all that is needed to go for it."""

from __future__ import annotations

from dataclasses import dataclass

from atrous.model.evaluation.record import scale_words
from atrous.training.config import Protocol

SINGLE = (1.0,)


@dataclass(frozen=True)
class Download:
    """`what` is to be had from `page` and put to `place`, under the folder of the data set."""

    what: str
    page: str
    place: str = "."


@dataclass(frozen=True)
class Need:
    """The data set of a recipe: the name of its layout, where it comes from, and how many images
    each of its splits has, where that is published. `submission` names the server that scores test,
    where there is one."""

    layout: str
    downloads: tuple[Download, ...]
    images: tuple[tuple[str, int], ...] = ()
    submission: str = ""


@dataclass(frozen=True)
class Published:
    """An mIoU in percent as it was printed, and where. `training` is what it was trained on, as far
    as that is published."""

    miou: str
    split: str
    source: str
    training: str = ""


@dataclass(frozen=True)
class Scoring:
    """How a trained network is scored, and what was published of it.

    Class probabilities are averaged over `scales`, and over both directions if `flip`.
    """

    split: str
    output_stride: int
    scales: tuple[float, ...] = SINGLE
    flip: bool = False
    published: tuple[Published, ...] = ()

    @property
    def name(self) -> str:
        """A name for files."""
        many = "" if self.scales == SINGLE else f"-{len(self.scales)}-scales"
        return f"{self.split}-stride-{self.output_stride}{many}{'-flip' if self.flip else ''}"

    @property
    def words(self) -> str:
        """The same in words."""
        flips = ", with flips" if self.flip else ""
        return (
            f"{self.split}, output stride {self.output_stride}, {scale_words(self.scales)}{flips}"
        )


@dataclass(frozen=True)
class PublishedCost:
    """What was printed for a cell that reads `channels` channels on a map of `size` (H, W)."""

    parameters: str
    multiply_adds: str
    channels: int
    size: tuple[int, int]
    source: str
    note: str = ""


@dataclass(frozen=True)
class Recipe:
    """Protocol, published numbers and their source in one place.

    `architecture` is one that `find_architecture` knows, `backbone` one of timm, whose weights are
    `weights`. The network is trained on train at `output_stride`; the last weights are scored.
    `deviations` say what differs from what was published though the recipe is run as it is;
    `unpublished` what was not published, and what stands here in its place. `beside` names the
    recipe that differs in its architecture alone.
    """

    name: str
    title: str
    need: Need
    architecture: str
    backbone: str
    decoder: bool
    protocol: Protocol
    scorings: tuple[Scoring, ...]
    deviations: tuple[str, ...]
    unpublished: tuple[str, ...]
    beside: str
    cost: PublishedCost | None = None
    weights: str = "auto"
    output_stride: int = 16
    filters: int = 256

    @property
    def published(self) -> tuple[Published, ...]:
        """All that was published of it."""
        return tuple(one for scoring in self.scorings for one in scoring.published)
