"""Configurations: a few records of what a user can ask for, composed by every stage."""

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
        "Architectures to run beside, with commas between.", (), derived="those of the space"
    )
    machine: MachineConfig = part(MachineConfig)
    gradient: GradientConfig | None = part(None, strategy=GRADIENT)
    task: str = compared("What is told of an image.", "segmentation", rare=True)


@dataclass(frozen=True)
class TrainingConfig:
    """How a network is trained end to end; `None` is derived from network, data and machine."""

    steps: int = option("Training steps.", 30_000, least=1, below=MOST_STEPS)
    batch: int = option("Images a step, over all processes.", 8, least=2, below=MOST_BATCH)
    crop: Size | None = option(
        "HxW of a training crop.", None, derived="the largest image, 513 at most"
    )
    rate: float | None = option(
        "Base learning rate.", None, derived="0.01; 0.05 for a whole network", above=0
    )
    weight_decay: float = option("On convolutions.", 4e-5, least=0)
    scales: tuple[float, ...] = option(
        "Of random scaling, each equally likely.",  # those of the reference implementation
        (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
        flag="random-scales",
        above=0,
        below=MOST_SCALE,
    )
    flip: bool = option("Random left-right flips.", True)
    colour: float = option(
        "Random changes of brightness, contrast and saturation, each by at most this share.",
        0.0,
        least=0,
        below=1,
    )
    tune_norm: bool = option(
        "Batch norms see the batch's statistics, not the pretrained ones.", True
    )
    optimiser: Literal["sgd", "adamw"] = option("sgd with momentum 0.9, or adamw.", "sgd")
    rate_warm_up: float = option(
        "Share of the steps over which the rate rises from 0.", 0.0, least=0, below=1
    )
    init: Init = option(
        "First weights of all but the backbone: as the reference implementation draws them, "
        "torch's defaults, or he, with which a short training of all of a network gets further.",
        "reference",
    )
    frozen: int = option(
        "Keep the backbone up to its map of this stride as it is; 0: train all of it.",
        0,
        choices=(0, 2, 4, 8, 16, 32),
    )
    variants: int = option(
        "Crops of each image, which return, every second one mirrored: with --frozen, their maps "
        "are computed once; 0: a new crop each time.",
        0,
        least=0,
        below=MOST_SEEDS,
    )
    loss_every: int = option(
        "The loss is taken at every so many pixels of each axis.", 1, least=1, below=9
    )
    balance: Literal["none", "balanced"] = option(
        "balanced: rare classes count more.", "none", flag="class-weights"
    )
    precision: Literal["float32", "bfloat16"] | None = option(
        "Of products.", None, derived="bfloat16 on a GPU, else float32"
    )
    accumulate: int = option(
        "Parts a batch is worked on in, for lack of memory.", 1, least=1, below=MOST_BATCH
    )
    average: float = option(
        "Decay of a moving average of the weights, such as 0.999, reached step by step; 0: none.",
        0.0,
        least=0,
        below=1,
    )
    drop_path: float = option(
        "Of a whole network: drop operations, at the end with this share.", 0.0, least=0, below=1
    )
    score: str = option(
        "What decides which weights are kept, such as blend.", "", derived="the task's main value"
    )
    score_every: int | None = option(
        "Steps between scores.", None, derived="20 scores a run", least=1, below=MOST_STEPS
    )


@dataclass(frozen=True)
class TrainConfig:
    """The training of one network on a data set."""

    data: DataConfig = part(
        path={"help": "A data set.", "derived": "the run's", "positional": False},
        select_on={"help": "What the best weights are chosen on.", "derived": "the run's, or val"},
    )
    encoder: EncoderConfig = part(
        EncoderConfig,
        backbone={"help": "A timm model.", "derived": "the run's, or tf_efficientnet_lite0"},
        weights={
            "help": "auto, builtin, none, or a file.",
            "derived": "the run's if it has the backbone",
        },
        output_stride={"derived": "the run's, or 16", "rare": False},
    )
    filters: int = option(
        "Width of the cell, or F of a whole network.",
        256,
        derived="the run's, or 256; 20",
        least=1,
        below=MOST_FILTERS,
    )
    decoder: bool = option("Add the decoder of DeepLabv3+ at stride 4.", False)
    training: TrainingConfig = part(
        TrainingConfig, score={"derived": "the run's, or the task's main value"}
    )
    seed: int = option("Of first weights, crops and dropout.", 0, least=0)
    device: str = option("auto, cpu, cuda or cuda:N.", "auto")
    licence: str = option("Of the data, for the model card.", "")
    tensorboard: bool = option("Log to TensorBoard, too.", False)
    task: str = option(
        "What is told of an image.", "segmentation", derived="the run's, or segmentation", rare=True
    )


OF_ONE_TRAINING = (
    *("weight_decay", "scales", "flip", "tune_norm", "balance", "precision"),
    *("accumulate", "average", "drop_path", "score", "score_every"),
    *("optimiser", "rate_warm_up", "frozen", "variants", "loss_every", "colour", "init"),
)
"""Fields that only a training by itself is asked for."""


@dataclass(frozen=True)
class RerankConfig:
    """How the best of a run are ranked again."""

    top: int = option("So many of the best are ranked again.", 50, least=1, below=MOST_TRIALS)
    training: TrainingConfig = part(
        TrainingConfig(steps=1000),
        without=OF_ONE_TRAINING,
        steps={"help": "Training steps of each.", "default": 1000},
        batch={"help": "Images a step."},
        rate={"derived": "0.01; 0.0005 below 500 steps"},
    )
    workers: int | None = option(
        "At a time.", None, derived="as many as searched", least=1, below=MOST_WORKERS
    )
    seconds: float | None = option(
        "None begins after this: 90s, 30m, 2h.", None, flag="time", derived="no limit", unit="time"
    )
    warm: bool = option(
        "Start with the cell as the proxy trains it, or anew.", True, negative="cold"
    )


@dataclass(frozen=True)
class WholeConfig:
    """A whole run: the budget of its search is for everything. One that is too short is refused, or
    with `stretch` made long enough for a few hundred steps."""

    search: SearchConfig = part(
        without=(
            *("strategy", "trials", "crop", "batch", "rate", "baselines", "gradient"),
            *("rungs", "reread", "reread_seeds", "options", "task", *OF_CELLS),
            *("objective", "reward", "target", "exponent"),
        ),
        path={"help": "The folder of a data set; with --resume, of a run."},
        seconds={"flag": "budget", "help": "Time for everything: 30m, 2h, 12h.", "derived": "2h"},
        seed={"help": "Of everything drawn by chance."},
        space={"derived": "{quick}"},
        steps={
            "help": "Training steps of a trial of the search.",
            "derived": "150 up to 10 minutes, 300 up to an hour, 400",
        },
        filters={"derived": "that of the space"},
    )
    training: TrainingConfig = part(
        TrainingConfig,
        without=("steps", "rate", *OF_ONE_TRAINING),
        batch={"help": "Images a step of the training.", "default": 4},
        crop={"help": "HxW of a training crop, end to end."},
    )
    stretch: bool = False


@dataclass(frozen=True)
class FidelityConfig:
    """How far a proxy can be trusted: a few cells trained in several settings."""

    data: DataConfig = part(select_on={"help": "What scores are taken on, as in a search."})
    large: EncoderConfig = part(
        EncoderConfig("xception65", "auto", 16),
        prefix="large-",
        without=("output_stride", "alignment", "finest_stride"),
        backbone={
            "help": "A timm model, or none to leave the large backbone out.",
            "derived": "xception65",
        },
        weights={"help": "auto (timm's hub), builtin, none, or a file."},
    )
    large_cached: bool = option("Freeze the large backbone too: for machines without a GPU.", False)
    cells: int = option("How many of the 31 cells to measure.", 31, least=1, below=MOST_SEEDS)
    small: EncoderConfig = part(
        EncoderConfig("tf_efficientnet_lite0", "auto", 16),
        without=("finest_stride",),
        backbone={"help": "The small one: a timm model."},
    )
    proxy: ProxyConfig = part(
        ProxyConfig,
        without=HELPS,
        steps={"help": "Training steps on cached features.", "derived": "400"},
        rate={"help": "Base learning rate on cached features."},
        filters={"help": "Width of the cells; the paper's is 256.", "derived": "64"},
    )
    end_to_end_steps: int = option("Training steps end to end.", 400, least=1, below=MOST_STEPS)
    end_to_end_rate: float = option("Base learning rate end to end.", 0.01, above=0)
    machine: MachineConfig = part(
        MachineConfig,
        without=("reproducible",),
        workers={"derived": "cached: the fastest split, measured; else 1"},
    )
    seed: int = option("Of first weights and batches.", 0, least=0)

    @property
    def names(self) -> tuple[str, ...]:
        """The settings that are measured, the cheapest first."""
        large = () if self.large.backbone == NO_BACKBONE else (LARGE,)
        return (CACHED, END_TO_END, *large)

    @property
    def output_stride(self) -> int:
        """The output stride of every backbone."""
        return self.small.chosen[2]

    def backbone_of(self, name: str) -> tuple[str, str]:
        """Returns the backbone of a setting, and its weights."""
        backbone, weights, _ = (self.large if name == LARGE else self.small).chosen
        return backbone, weights

    def is_cached(self, name: str) -> bool:
        """Whether a setting trains cells on cached features, its backbone frozen."""
        return name == CACHED or (name == LARGE and self.large_cached)

    def steps_of(self, name: str) -> int:
        """For how many steps a setting trains each cell."""
        return self.proxy.steps if self.is_cached(name) else self.end_to_end_steps
