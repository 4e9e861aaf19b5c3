"""Records with made-up numbers, the same every time."""

from __future__ import annotations

from random import Random

from atrous.core.architecture import Architecture
from atrous.core.config import DataConfig, SearchConfig
from atrous.core.options import replaced
from atrous.core.trial import (
    Failed,
    Job,
    Measured,
    Metrics,
    Origin,
    Reason,
    Row,
    Rung,
    Trial,
    details_of,
    values_of,
)
from atrous.data.dataset import DataFingerprint
from atrous.search.ledger import Entry
from atrous.search.run import Context, Settings
from atrous.spaces import find_space
from atrous.tasks.segmentation import SEGMENTATION

SPACE = find_space("dpc")

CONFIG = replaced(
    SearchConfig(DataConfig("/data/streets"), "dpc"),
    baselines=("dpc:aspp", "dpc:top1"),
    trials=4,
    seed=3,
    backbone="tf_efficientnet_lite0",
    weights="auto",
    output_stride=16,
    objective=("miou",),
)

SETTINGS = Settings(
    config=CONFIG,
    workers=2,
    crop=(369, 481),
    device="cpu",
    precision="float32",
    layout="channels_last",
    threads=1,
)

CONTEXT = Context(
    classes=("road", "sky"),
    training_images=30,
    selection_images=10,
    fingerprint=DataFingerprint("3f9ac1d27be0", "41c06b7ae9d2"),
    weights_digest="9d41fe07c55a",
    maps={16: (320, 24, 31)},
    versions={"atrous": "0.1.0"},
    python="3.11.7",
    machine="Linux x86_64, a processor",
    begun="2026-03-05T09:41:07+00:00",
    identity="5d2c",
)


def origin(words: str) -> Origin:
    """The origin that is said in these words: `uniform`, `near 12`, `baseline dpc:aspp`."""
    kind, _, rest = words.partition(" ")
    return Origin(kind, (int(rest),)) if rest.isdecimal() else Origin(kind, label=rest)


def trial(number: int, words: str = "uniform") -> Trial:
    """A trial of a cell drawn by its number."""
    architecture = SPACE.architecture(SPACE.sample(Random(number)))
    return Trial(number, architecture, origin(words), 3)


def job(of: Trial, steps: int = 400) -> Job:
    """The trial on its only rung."""
    return Job(of, Rung(0, steps))


def entry_of(of: Job, found: Metrics, elapsed: float, seconds: float = 1.0) -> Entry:
    """An entry whose score is mIoU."""
    values = values_of(found)
    return Entry(Measured(of, values, details_of(found), seconds), values["miou"], elapsed)


def scored_by(
    scores: tuple[float, float, float, float],
    cross_entropy: float | None,
    class_iou: Row,
    branch_norms: Row = (),
) -> dict[str, float | Row]:
    """Metrics of segmentation: mIoU, mean and pixel accuracy, frequency-weighted IoU, and the
    cross-entropy if it was measured."""
    entropy = {} if cross_entropy is None else {SEGMENTATION.loss: cross_entropy}
    named = dict(zip(SEGMENTATION.values, scores, strict=True))
    return {**named, **entropy, "class_iou": class_iou, "branch_norms": branch_norms}


def metrics(miou: float) -> dict[str, float | Row]:
    """Metrics in which one class is absent."""
    scores = (miou, miou / 3, 0.1 + miou / 7, miou / 9)
    return scored_by(scores, 1 / 3, (miou, None, 0.0), (0.5, 1 / 3))


def measured(number: int, score: float = 0.25, elapsed: float = 1.0) -> Entry:
    """An entry with a score."""
    return entry_of(job(trial(number)), metrics(score), elapsed, 2 / 3)


def failed(number: int, reason: Reason, error: str = "why", elapsed: float = 1.0) -> Entry:
    """An entry without a score."""
    return Entry(Failed(job(trial(number)), reason, error, 0.125), None, elapsed)


def widths(entry: Entry) -> dict[str, int]:
    """How many choices each decision of the entry's cell had."""
    return SPACE.widths(entry.trial.architecture.genotype)


def architecture(entry: Entry) -> Architecture:
    """The entry's architecture."""
    return entry.trial.architecture
