"""The record of a recipe: a published result, and all that is needed to go for it."""

from __future__ import annotations

import json
from dataclasses import dataclass

from atrous.core.console import command, shell
from atrous.model.evaluation.record import looked_at
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
        how = looked_at(self.scales, self.flip)
        return f"{self.split}, output stride {self.output_stride}, {how}"


@dataclass(frozen=True)
class PublishedCost:
    """The printed cost of a cell that reads `channels` channels on a map of `size` (H, W)."""

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


TRAINING, MODEL = "training", "model"


def model_folder(recipe: Recipe, output_stride: int) -> str:
    """Where in a recipe's folder the model at an output stride is."""
    trained = output_stride == recipe.output_stride
    return f"{TRAINING}/{MODEL}" if trained else f"stride-{output_stride}"


def commands(recipe: Recipe, data: str = "DATA", out: str = "OUT") -> list[str]:
    """Returns the commands to type instead of `atrous recipe run`, one command after another."""
    typed = [command("check", data), _train(recipe, data, out)]
    strides = {scoring.output_stride for scoring in recipe.scorings} - {recipe.output_stride}
    typed += [_rebuild(recipe, out, stride) for stride in sorted(strides)]
    typed += [_evaluate(recipe, scoring, data, out) for scoring in recipe.scorings]
    return typed


def submission(recipe: Recipe, data: str = "DATA", out: str = "OUT") -> str:
    """The command that writes what the server of the data set scores; '' if there is none."""
    if not recipe.need.submission:
        return ""
    scoring = recipe.scorings[-1]
    model = f"{out}/{model_folder(recipe, scoring.output_stride)}"
    return command(
        *("predict", model, data, "--out", f"{out}/submission"),
        *("--submission", recipe.need.submission, *_asked(scoring)),
    )


def _train(recipe: Recipe, data: str, out: str) -> str:
    protocol = recipe.protocol
    return command(
        *("train", recipe.architecture, "--data", data, "--out", f"{out}/{TRAINING}"),
        *("--backbone", recipe.backbone, "--weights", recipe.weights),
        *("--output-stride", recipe.output_stride, "--alignment", "none"),
        *("--filters", recipe.filters),
        *(("--decoder",) if recipe.decoder else ()),
        *("--steps", protocol.steps, "--batch", protocol.batch),
        *("--crop", "x".join(map(str, protocol.crop)), "--rate", protocol.rate),
        *("--weight-decay", protocol.weight_decay, "--precision", protocol.precision),
        *("--score-every", protocol.score_every),
    )


def _rebuild(recipe: Recipe, out: str, stride: int) -> str:
    trained, other = (f"{out}/{model_folder(recipe, s)}" for s in (recipe.output_stride, stride))
    code = (
        "from pathlib import Path; from atrous.recipes.reproduction import rebuild; "
        f"rebuild(Path({json.dumps(trained)}), {stride}, Path({json.dumps(other)}))"
    )
    return f"python -c {shell(code)}"


def _evaluate(recipe: Recipe, scoring: Scoring, data: str, out: str) -> str:
    model = f"{out}/{model_folder(recipe, scoring.output_stride)}"
    return command("evaluate", model, data, "--split", scoring.split, *_asked(scoring))


def _asked(scoring: Scoring) -> tuple[str, ...]:
    scales = ",".join(f"{scale:g}" for scale in scoring.scales)
    several = () if scoring.scales == SINGLE else ("--scales", scales)
    return (*several, *(("--flip",) if scoring.flip else ()))
