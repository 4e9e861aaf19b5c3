"""Configurations of what is done with an architecture or a model that is there already."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from atrous.core.config import (
    GRADIENT,
    MOST_BATCH,
    MOST_FILTERS,
    MOST_SEEDS,
    MOST_STEPS,
    DataConfig,
    SearchConfig,
    Size,
)
from atrous.core.options import option, part
from atrous.core.stage_config import (
    BenchConfig,
    FidelityConfig,
    ReplayConfig,
    RerankConfig,
    TrainConfig,
    WholeConfig,
)

DEVICE = "auto, cpu, cuda or cuda:N."
SCALES = "Sizes at which each image is looked at, such as 0.75,1,1.25."
SPLIT = (
    "Of images/ and masks/ without splits: shares of train, val and test, or the beginnings of "
    "names, such as val=0006R0; kept in split.txt beside them."
)
OWN = "the recipe's"
MIRRORED = "Look at each image mirrored as well."
MOST_CHANNELS, MOST_SCENES = 2**16, 10**6
"""Numbers that no map and no set of scenes reaches."""


@dataclass(frozen=True)
class Folders:
    """Where a run is, and where the features of its images; with `resume`, it goes on, with its
    data set where it was `moved` to."""

    out: Path | None = option("The run's folder.", None, derived="runs/DATE", extends=True)
    resume: bool = option(
        "Go on with the run named instead of DATA, or the last.", False, extends=True
    )
    moved: Path | None = option(
        "With --resume: where the data set is now, if it was moved.",
        None,
        derived="where it was",
        flag="data",
        name="moved",
        extends=True,
        rare=True,
    )
    cache: Path | None = option(
        "Where features are kept.", None, derived="~/.cache/atrous", extends=True, rare=True
    )
    split: str | None = option(SPLIT, None, derived="0.8,0.1,0.1, or split.txt", rare=True)


@dataclass(frozen=True)
class Foresight:
    """Whether to tell what a search by gradients needs, instead of searching."""

    plan: bool = option("Tell the memory that a supernet needs, and do nothing.", False)


@dataclass(frozen=True)
class SearchRequest:
    """A search that is begun or goes on."""

    search: SearchConfig = part()
    folders: Folders = part(Folders)
    foresight: Foresight = part(Foresight, strategy=GRADIENT)


@dataclass(frozen=True)
class WholeRequest:
    """A whole run that is begun or goes on."""

    whole: WholeConfig = part()
    folders: Folders = part(Folders)


@dataclass(frozen=True)
class DemoRequest:
    """Where the demonstration goes."""

    folders: Folders = part(
        Folders(Path("demo")),
        without=("resume", "moved", "split"),
        out={"help": "Where everything goes.", "default": Path("demo"), "derived": ""},
    )


@dataclass(frozen=True)
class RunRequest:
    """A run that is looked at."""

    run: Path = option("The folder of a run.", positional=True, needed=True)


@dataclass(frozen=True)
class ReportRequest:
    """A run that is reported, and another beside it."""

    run: Path = option("The folder of a run.", positional=True, needed=True)
    against: Path | None = option(
        "Another run under the same proxy, to compare with.", None, derived="none"
    )


@dataclass(frozen=True)
class RerankRequest:
    """A run whose best are ranked again; `again` forgets how they were before."""

    run: Path = option("The folder of a run.", positional=True, needed=True)
    how: RerankConfig = part(RerankConfig)
    again: bool = option("Forget an earlier re-ranking of the run.", False)
    folders: Folders = part(
        Folders, without=("out", "split"), resume={"help": "Go on with what was begun."}
    )


@dataclass(frozen=True)
class FidelityRequest:
    """A study of fidelity that is begun or goes on."""

    study: FidelityConfig = part(FidelityConfig(DataConfig("")))
    folders: Folders = part(
        Folders,
        without=("resume", "moved", "split"),
        out={"help": "The study's folder.", "derived": "runs/fidelity"},
    )


@dataclass(frozen=True)
class TrainRequest:
    """A training that is begun, of what `source` names, or goes on in the folder `resume`."""

    source: str | None = option(
        "A run, whose best is trained; or a published architecture, as atrous spaces lists, a "
        "genotype, a .json file.",
        None,
        positional=True,
        shown="RUN|ARCHITECTURE",
    )
    how: TrainConfig = part(TrainConfig(DataConfig("")))
    out: Path | None = option("The folder.", None, derived="trainings/DATE")
    trial: int | None = option("Another trial of the run.", None, derived="its best")
    resume: Path | None = option("Go on with the training in this folder.", None, extends=True)


@dataclass(frozen=True)
class CheckRequest:
    """A data set that is looked at."""

    data: Path = option("The folder of a data set.", positional=True, needed=True)
    split: str | None = option(SPLIT, None, derived="0.8,0.1,0.1, or split.txt")


@dataclass(frozen=True)
class Asked:
    """The input that a description is to count on; `None` is left to the family.

    `size` (H, W) is that of the feature map, or of the image where a backbone or a whole network
    reads one.
    """

    channels: int | None = option(
        "Channels of the feature map.",
        None,
        derived="320, or the backbone's",
        least=1,
        below=MOST_CHANNELS,
    )
    size: Size | None = option(
        "HxW: the feature map [65x129], or of a whole network or with --backbone the image "
        "[1025x2049].",
        None,
    )
    filters: int | None = option(
        "Channels of each branch [256], or F [20].", None, least=1, below=MOST_FILTERS
    )
    backbone: str | None = option("A timm model to count too.", None, derived="none")
    output_stride: int | None = option(
        "Of the backbone: 8, 16 or 32.", None, derived="16", choices=(8, 16, 32)
    )


@dataclass(frozen=True)
class DescribeConfig:
    """An architecture to be drawn, and the input that its cost is counted on."""

    architecture: str = option(
        "A published one (see atrous spaces), a genotype, or a .json file.",
        positional=True,
        needed=True,
    )
    on: Asked = part(Asked)
    write: Path | None = option(
        "Also write the cell, in the reference's JSON format.", None, derived="nowhere"
    )


@dataclass(frozen=True)
class SpacesRequest:
    """Spaces to be listed; all families where none is named."""

    names: tuple[str, ...] = option(
        "Families, spaces that say their size, and two in one, with a plus sign between.",
        (),
        derived="all families",
        positional=True,
    )


@dataclass(frozen=True)
class ScenesConfig:
    """Scenes to be drawn as a data set."""

    folder: Path = option("Where to write.", positional=True, needed=True)
    images: int = option("How many, over all splits.", 240, least=3, below=MOST_SCENES)
    seed: int = option("Other seeds draw other scenes.", 0, least=0)


@dataclass(frozen=True)
class EvaluationRequest:
    """A model, the images it is evaluated on, and how.

    `pictures` is how many images are shown; `out` None stands for a folder
    in the model's own, named after the data, the split and the scales.
    """

    model: Path = option("The folder of a model.", positional=True, needed=True)
    data: Path = option("The folder of a data set with its classes.", positional=True, needed=True)
    split: str = option("train, val or test.", "val")
    scales: tuple[float, ...] = option(SCALES, (1.0,))
    flip: bool = option(MIRRORED, False)
    device: str = option(DEVICE, "auto")
    out: Path | None = option("Where to write.", None, derived="a folder in MODEL/evaluations")
    pictures: int = option(
        "How many images to show, from the worst to the best.", 8, least=0, below=MOST_SEEDS
    )


@dataclass(frozen=True)
class PredictConfig:
    """A model, the images that it is applied to, and what is written of each.

    `memory` is in bytes, of one image.
    """

    model: Path = option("The folder of a model.", positional=True, needed=True)
    images: tuple[Path, ...] = option(
        "Images, and folders of images with all below them.", positional=True, needed=True
    )
    out: Path = option("The folder to write to.", needed=True)
    scales: tuple[float, ...] = option(SCALES, (1.0,))
    flip: bool = option(MIRRORED, False)
    memory: int = option(
        "What one image may take, the model not counted; larger images are computed in "
        "overlapping tiles. On a GPU: of its memory.",
        4 * 2**30,
        unit="memory",
    )
    device: str = option(DEVICE, "auto")
    write: str = option(
        "ids (8-bit PNG of class numbers), colours (the same as a palette PNG), overlay (JPEG).",
        "ids,colours,overlay",
    )
    submission: str | None = option(
        "cityscapes or voc: the files its server wants; IMAGES is the data set.",
        None,
        derived="none",
    )
    split: str = option("With --submission: the images.", "test")
    overwrite: bool = option("Write anew what is there already.", False)


@dataclass(frozen=True)
class ExportConfig:
    """A model, and the one file that it is written to."""

    model: Path = option("The folder of a model.", positional=True, needed=True)
    to: Literal["onnx", "pt2"] = option(
        "onnx for onnxruntime and others, pt2 for torch alone.", needed=True
    )
    out: Path | None = option("The file.", None, derived="MODEL/model.onnx or .pt2")
    normalise: Literal["in", "out"] = option(
        "in: the file takes uint8 RGB; out: float32 that you have normalised.", "in"
    )
    output: Literal["logits", "probabilities", "ids"] = option(
        "What the file gives for each pixel; ids are classes.", "logits"
    )
    opset: int | None = option("Of ONNX, from 18.", None, derived="torch's choice")


@dataclass(frozen=True)
class LatencyConfig:
    """A model, and the conditions under which it is timed."""

    model: Path = option("The folder of a model.", positional=True, needed=True)
    size: Size = option("HxW of the images, in pixels.", needed=True)
    batch: int = option("Images at a time.", 1, least=1, below=MOST_BATCH)
    device: str = option(DEVICE, "auto")
    runtime: str = option("pytorch, onnxruntime, or both with a comma between.", "pytorch")
    threads: int | None = option(
        "Of the CPU, for one image.", None, derived="torch's choice", least=1, below=1025
    )
    precision: Literal["float32", "bfloat16"] = option(
        "Of the products; bfloat16: pytorch.", "float32"
    )
    repeats: int = option("Timed passes, after warming up.", 30, least=1, below=MOST_STEPS)


@dataclass(frozen=True)
class CompareConfig:
    """A run, and what is trained anew with fresh seeds."""

    run: Path = option("The folder of a run.", positional=True, needed=True)
    architectures: tuple[str, ...] | None = option(
        "What to train anew; best is the best of the run.",
        None,
        derived="it and its family's baselines",
    )
    on: tuple[str, ...] = option(
        "Splits to score on.", (), derived="all that the search has not seen"
    )
    seeds: int = option("Fresh seeds for each architecture.", 3, least=2, below=MOST_SEEDS)
    folders: Folders = part(Folders, without=("out", "resume", "split"))


@dataclass(frozen=True)
class Changes:
    """Changes to a recipe: `None` leaves it as it is; `device` is where it is computed."""

    steps: int | None = option("Training steps.", None, derived=OWN, least=1, below=MOST_STEPS)
    batch: int | None = option(
        "Images a step, over all processes.", None, derived=OWN, least=2, below=MOST_BATCH
    )
    accumulate: int | None = option(
        "Parts a batch is worked on in, for lack of memory.",
        None,
        derived=OWN,
        least=1,
        below=MOST_BATCH,
    )
    crop: Size | None = option("HxW of a training crop.", None, derived=OWN)
    backbone: str | None = option("A timm model.", None, derived=OWN)
    weights: str | None = option(
        "Of the backbone: auto, builtin, none, or a file.", None, derived="auto"
    )
    precision: Literal["float32", "bfloat16"] | None = option(
        "Of products.", None, derived="float32"
    )
    seed: int | None = option("Of first weights, crops and dropout.", None, derived=OWN, least=0)
    device: str = option(DEVICE, "auto")


@dataclass(frozen=True)
class RecipeConfig:
    """A recipe, the data that it is carried out on, and what is changed."""

    name: str = option("A recipe of `atrous recipe list`.", positional=True, needed=True)
    data: Path = option("The folder of the data set that it needs.", needed=True)
    out: Path | None = option("The folder.", None, derived="recipes/NAME")
    changes: Changes = part(Changes)


@dataclass(frozen=True)
class ShowRequest:
    """A recipe that is shown."""

    name: str = option("A recipe of `atrous recipe list`.", positional=True, needed=True)


@dataclass(frozen=True)
class BenchRequest:
    """A table that is made, or grows."""

    bench: BenchConfig = part()
    folders: Folders = part(
        Folders,
        without=("resume", "moved"),
        out={"help": "The folder of the trials, with the table in it.", "derived": "runs/bench"},
    )


@dataclass(frozen=True)
class TableRequest:
    """A table that is looked at."""

    table: Path | None = option("The folder of a table.", None, derived="that on CamVid, within")


@dataclass(frozen=True)
class ReplayRequest:
    """A table that strategies are replayed on, and where figures of it go."""

    how: ReplayConfig = part(ReplayConfig)
    of: TableRequest = part(TableRequest)
    out: Path | None = option("The folder of figures.", None, derived="runs/strategies")
