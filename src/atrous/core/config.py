"""The configuration of a search, of records that other stages share; see `stage_config.py`."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from atrous.core.options import compared, option, part
from atrous.core.strategy_config import MOST_TRIALS, StrategyOptions

Size = tuple[int, int]
Init = Literal["reference", "torch", "he"]
"""Rules for first weights: `atrous.networks.network.initialise`."""
CACHED, END_TO_END, LARGE = "cached", "end-to-end", "large"
"""The settings in which a study of fidelity trains its cells."""
NO_BACKBONE = "none"
MOST_RUNGS = 11
"""There are fewer rungs."""
MOST_WORKERS = 1025
"""Fewer processes run at a time."""
MOST_STEPS, MOST_BATCH, MOST_FILTERS, MOST_SEEDS = 10**8, 2**12 + 1, 2**11 + 1, 1000
"""Numbers that no training, search or network reaches: more is a slip of the finger, which is told
before it takes all of the memory or all of the time."""
MOST_SCALE = 8
"""Images are enlarged by less."""
CELL_RATES = {"adamw": 0.01, "sgd": 0.1}
"""Base learning rates for a few hundred steps on cached features, by optimiser."""
GRADIENT = "gradient"
"""The strategy that trains supernets; a search that names it has a configuration for it."""


@dataclass(frozen=True)
class DataConfig:
    """The folder of a data set, and the images that choices are made on."""

    path: str = option("The folder of a data set.", flag="data", positional=True)
    select_on: str = compared(
        "What scores are taken on: val, or a part of train held out by a fraction (0.2) or by "
        "file-name prefix (0006R0).",
        "val",
    )


@dataclass(frozen=True)
class EncoderConfig:
    """The backbone whose features cells read; whole networks have none."""

    backbone: str | None = compared(
        "A timm model, for cells.", None, derived="tf_efficientnet_lite0"
    )
    weights: str = option(
        "Of the backbone: auto (timm's hub), builtin, none, or a file.", "none", derived="auto"
    )
    output_stride: int | None = compared(
        "Of the backbone.", None, derived="16", choices=(8, 16, 32), rare=True
    )
    alignment: Literal["fitted", "none"] = compared(
        "Where positions of feature maps are read: where they see (fitted), or at pixel i * stride "
        "(none), as published networks are.",
        "fitted",
        rare=True,
    )

    finest_stride: int | None = compared(
        "Maps of smaller strides are neither kept nor read by what is searched.",
        None,
        derived="8 in a search of compact decoders on a CPU; else all that there are",
        choices=(4, 8, 16, 32),
        rare=True,
    )

    @property
    def chosen(self) -> tuple[str, str, int]:
        """Backbone, weights and output stride; raises `ValueError` where there is no backbone."""
        if self.backbone is None or self.output_stride is None:
            raise ValueError("expected a backbone with its output stride, got none")
        return self.backbone, self.weights, self.output_stride


OF_A_BACKBONE = tuple(field.name for field in fields(EncoderConfig))
"""Fields that whole networks, which have no backbone, are not asked for."""


@dataclass(frozen=True)
class ProxyConfig:
    """How a candidate is trained and scored while it is searched for."""

    filters: int = compared(
        "Width of the cell (256 in papers), or F of a whole network (20 to 48).",
        64,
        derived="64; 8 for whole networks",
        least=1,
        below=MOST_FILTERS,
    )
    steps: int = compared(
        "Training steps of a trial.",
        400,
        derived="400; 1000 for whole networks",
        least=1,
        below=MOST_STEPS,
    )
    batch: int = compared("Images a step.", 8, least=2, below=MOST_BATCH)
    crop: Size | None = option(
        "Canvas HxW of every image.", None, derived="the largest image, 513 at most"
    )
    rate: float | None = compared(
        "Base learning rate.",
        None,
        derived="0.01 with adamw, 0.1 with sgd; 0.05 for whole networks",
        above=0,
    )
    init: Init = compared(
        "First weights of a cell: torch's defaults, as the reference implementation draws them, or "
        "he.",
        "torch",
        rare=True,
    )
    optimiser: Literal["sgd", "adamw"] = compared(
        "Of a cell: adamw, or sgd with momentum 0.9.", "adamw", rare=True
    )
    rate_warm_up: float = compared(
        "Share of the steps over which the rate rises from 0.", 0.1, least=0, below=1, rare=True
    )
    flip: bool = compared(
        "Train on the mirror image of each image, too: twice the features.", False, rare=True
    )

    auxiliary: float = compared(
        "Weight of the losses of auxiliary cells inside a decoder, such as 0.15; 0: none.",
        0.0,
        least=0,
        rare=True,
    )
    average: float = compared(
        "Decay of a moving average of a cell's weights, such as 0.9, which is scored; 0: none.",
        0.0,
        least=0,
        below=1,
        rare=True,
    )
    teacher: str | None = option(
        "The folder of a trained model, whose class scores are learnt, too.",
        None,
        derived="none",
        rare=True,
    )


HELPS = ("flip", "auxiliary", "average", "teacher")
"""Fields of what may help parts on cached features to learn."""
OF_CELLS = ("init", "optimiser", "rate_warm_up", *HELPS)
"""Fields that only parts on cached features are trained with."""


@dataclass(frozen=True)
class MachineConfig:
    """Where trials are computed."""

    workers: int | None = option(
        "Trials at a time.",
        None,
        derived="the fastest split, measured",
        least=1,
        below=MOST_WORKERS,
    )
    device: str = option("auto, cpu, cuda or cuda:N.", "auto")
    executor: str = option(
        "Where trials run: local, local:N processes, or inline, in this one.", "local", rare=True
    )
    reproducible: bool = option(
        "Let trials wait for each other, so that several workers find the same each time.",
        False,
        rare=True,
    )


@dataclass(frozen=True)
class BudgetConfig:
    """How long a search goes on."""

    trials: int = option(
        "How many candidates, baselines not counted.",
        60,
        derived="60; with gradient, what is decoded and 8 random ones",
        least=1,
        below=MOST_TRIALS,
        extends=True,
    )
    seconds: float | None = option(
        "No trial begins after this: 90s, 30m, 2h.",
        None,
        flag="time",
        derived="no limit",
        unit="time",
        extends=True,
    )


@dataclass(frozen=True)
class GoalConfig:
    """The wishes for an architecture, and the most that it may cost."""

    objective: tuple[str, ...] = compared(
        "What the search maximises, such as blend or (not of whole networks) cross-entropy; with "
        "latency, memory, parameters or multiply-adds beside it, a front.",
        (),
        derived="the task's main value",
    )
    reward: str = compared(
        "How score and costs are one number: mnasnet, score * (cost / target) ** exponent, or "
        "mnasnet-hard, score / (cost / target) beyond the target.",
        "",
        derived="mnasnet with several objectives, else none",
        rare=True,
    )
    target: tuple[str, ...] = compared(
        "The cost at which a reward is the score: 12ms, multiply-adds<=500M.",
        (),
        derived="1 s, 1 GiB, 1 M parameters, 1 G multiply-adds",
        rare=True,
    )
    exponent: float = compared("Of a cost in the reward mnasnet.", -0.07, below=0, rare=True)
    limits: tuple[str, ...] = compared(
        "What costs more is not trained: parameters<=300k, multiply-adds<=500M, of the part that "
        "is searched; memory<=200MiB, latency<=12ms@512x1024, of the whole network.",
        (),
        flag="limit",
        derived="none",
        rare=True,
    )
    imitate: str = option(
        "Lean towards the structure of an expert: fpn, fpn:0.5. To be the expert is worth so many "
        "standard deviations of the scores, 1 unless said.",
        "",
        derived="none",
        rare=True,
    )
    runtime: str = compared(
        "What latencies are measured in: pytorch or onnxruntime.", "pytorch", rare=True
    )


@dataclass(frozen=True)
class RungConfig:
    """How many lengths of training there are, and who goes on from one to the next."""

    rungs: int = compared(
        "Lengths of training: with 3, candidates train for --steps / eta^2, the better of them on "
        "for --steps / eta, and the better of these for all; 1: all train for --steps.",
        1,
        least=1,
        below=MOST_RUNGS,
        rare=True,
    )
    eta: int = compared(
        "The steps of a rung over those of the one below.", 4, least=2, below=MOST_SEEDS, rare=True
    )
    promotion: str | None = compared(
        "Who is trained on, with several --rungs: halving, the best of each eta; or median, who is "
        "not below the median of those before.",
        None,
        derived="halving",
        rare=True,
    )


@dataclass(frozen=True)
class ReadingConfig:
    """How the best of a search are read again at its end, and which of them is recommended."""

    reread: int | None = option(
        "At the end, so many of the best train anew, with fresh seeds, and are scored on a half of "
        "the selection images, which the search does not look at; 0: none.",
        None,
        derived="5 where scores are taken on 60 images or more, else 0",
        least=0,
        below=MOST_SEEDS,
        rare=True,
    )
    reread_seeds: int = option("Fresh seeds of each.", 3, least=2, below=MOST_SEEDS, rare=True)
    prefer: Literal["score", "cost"] = option(
        "What is recommended: score, the best, or the cheapest baseline where that is cheaper and "
        "not shown worse; cost, the cheapest of all read again that is not shown worse.",
        "score",
        rare=True,
    )


@dataclass(frozen=True)
class GradientConfig:
    """How a differentiable search goes about: supernets are trained one after another, and
    architectures decoded from each."""

    gate: str = option("How a supernet chooses: softmax, gdas or fbnet.", "softmax")
    steps: int | None = option(
        "Steps of a supernet.",
        None,
        flag="search-steps",
        derived="40 passes over half of the training images",
        least=1,
        below=MOST_STEPS,
    )
    filters: int = option(
        "Width F of a supernet.", 8, flag="search-filters", least=1, below=MOST_FILTERS
    )
    batch: int = option(
        "Crops a step of a supernet.", 2, flag="search-batch", least=1, below=MOST_BATCH
    )
    crop: Size | None = option(
        "HxW of its crops.", None, flag="search-crop", derived="the largest image, 321 at most"
    )
    warm_up: float | None = option(
        "Share of its steps before the architecture is learnt.",
        None,
        derived="softmax 0.5; gdas 0; fbnet 0.11",
        least=0,
        below=1,
    )
    seeds: int = option("Supernets, one after another.", 1, least=1, below=MOST_SEEDS)
    candidates: int = option("Architectures decoded from each.", 1, least=1, below=MOST_SEEDS)
    neutral: bool = option(
        "Decode paths without preference for the finest and coarsest stride.", False
    )
    precision: Literal["float32", "bfloat16"] | None = option(
        "Of a supernet's products.",
        None,
        flag="search-precision",
        derived="bfloat16 on a GPU, else float32",
    )
    checkpointing: bool = option("Compute activations again to save memory.", False)
    hessian: bool = option("Watch the sharpness of the loss, a sign of collapse.", False)
    stop: bool = option("End a supernet at the first warning.", False, flag="stop-on-collapse")


@dataclass(frozen=True)
class SearchConfig:
    """A search; `None` is left to be derived from data and machine."""

    data: DataConfig = part()
    space: str = compared("A space; atrous spaces lists them.", derived="{space}")
    strategy: str = option(
        "random, local, evolution, surrogate, tpe, gp, nsga2, controller, renas or gradient.",
        "local",
    )
    options: StrategyOptions = part(StrategyOptions)
    goal: GoalConfig = part(GoalConfig)
    rungs: RungConfig = part(RungConfig)
    reading: ReadingConfig = part(ReadingConfig)
    budget: BudgetConfig = part(BudgetConfig)
    seed: int = option("Of proposals, first weights and batches.", 0, least=0)
    encoder: EncoderConfig = part(EncoderConfig)
    proxy: ProxyConfig = part(ProxyConfig)
    baselines: tuple[str, ...] = option(
        "Architectures to run beside, with commas between; the plain one of the space always does.",
        (),
        derived="those of the space",
    )
    machine: MachineConfig = part(MachineConfig)
    gradient: GradientConfig | None = part(None, strategy=GRADIENT)
    task: str = compared("What is told of an image.", "segmentation", rare=True)
