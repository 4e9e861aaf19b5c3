"""Configurations of trainings, and of the stages that are made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from atrous.core.config import (
    CACHED,
    END_TO_END,
    HELPS,
    LARGE,
    MOST_BATCH,
    MOST_FILTERS,
    MOST_SCALE,
    MOST_SEEDS,
    MOST_STEPS,
    MOST_WORKERS,
    NO_BACKBONE,
    OF_CELLS,
    DataConfig,
    EncoderConfig,
    Init,
    MachineConfig,
    ProxyConfig,
    SearchConfig,
    Size,
)
from atrous.core.options import option, part
from atrous.core.strategy_config import MOST_TRIALS


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
            *("objective", "reward", "target", "exponent", "imitate"),
        ),
        path={"help": "The folder of a data set; with --resume, of a run."},
        seconds={"flag": "budget", "help": "Time for everything: 30m, 2h, 12h.", "derived": "2h"},
        seed={"help": "Of everything drawn by chance."},
        space={"derived": "{quick}"},
        steps={
            "help": "Training steps of a trial of the search.",
            "derived": "150 up to 10 minutes, 300 up to an hour, 400",
        },
        filters={"derived": "that of the space; 64 of compact decoders from 15 minutes on"},
        finest_stride={
            "derived": "of compact decoders 4 from 15 minutes on, 8 in less on a CPU; "
            "else all that there are"
        },
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


@dataclass(frozen=True)
class BenchConfig:
    """A table of architectures of one space, drawn by chance and trained as a search does."""

    search: SearchConfig = part(
        without=(
            *("strategy", "options", "baselines", "gradient", "task", "seconds", "reproducible"),
            *("objective", "reward", "target", "exponent", "limits", "promotion"),
            *("reread", "reread_seeds", "prefer"),
        ),
        trials={
            "flag": "architectures",
            "help": "How many: the first so many of an order that the seed draws.",
            "derived": "24",
        },
        select_on={"help": "What scores are taken on, as in a search.", "default": "0.2"},
        space={"derived": "{quick}"},
        rungs={"help": "Lengths of one training at which it is scored.", "rare": False},
        steps={"help": "Training steps.", "derived": "100"},
        filters={"derived": "that of the space"},
        batch={"help": "Images a step.", "derived": "4"},
        workers={"derived": "1"},
        seed={"help": "Of the order of architectures."},
    )
    unseen: int = option(
        "Images that chose nothing, evenly taken of each other split, that true scores are of.",
        96,
        least=2,
        below=MOST_TRIALS,
    )


@dataclass(frozen=True)
class ReplayConfig:
    """How strategies are replayed on a table."""

    strategies: tuple[str, ...] = option(
        "Which, with commas between.", (), derived="all; gp, whose replay takes a minute, if named"
    )
    replays: int = option("Of each, as far as the time is enough.", 200, least=2, below=MOST_TRIALS)
    reads: int = option("Architectures that a replay reads.", 100, least=2, below=MOST_TRIALS)
    long: int = option(
        "Architectures that random search reads, whose find the others are to reach.",
        1000,
        flag="random-reads",
        least=2,
        below=MOST_TRIALS,
        rare=True,
    )
    seconds: float = option(
        "Strategies whose proposals are slow are replayed less often, so that all end in this.",
        200.0,
        flag="time",
        unit="time",
        above=0,
    )
    workers: int | None = option(
        "Processes.", None, derived="one for each core", least=1, below=MOST_WORKERS
    )
