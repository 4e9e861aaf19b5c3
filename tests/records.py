"""Records with made-up numbers, the same every time."""

from __future__ import annotations

from random import Random

from atrous.core.architecture import Architecture
from atrous.core.config import Request
from atrous.core.trial import Failed, Measured, Metrics, Reason, Trial
from atrous.search.ledger import Entry
from atrous.search.run import Context, Settings
from atrous.spaces import find_space

SPACE = find_space("dpc")

REQUEST = Request(
    data="/data/streets",
    select_on="val",
    space="dpc",
    strategy="local",
    baselines=("dpc:aspp", "dpc:top1"),
    trials=4,
    seconds=None,
    workers=None,
    seed=3,
    backbone="tf_efficientnet_lite0",
    weights="auto",
    output_stride=16,
    crop=None,
    filters=64,
    steps=400,
    batch=8,
    rate=0.1,
    score="miou",
    device="auto",
)

SETTINGS = Settings(
    request=REQUEST,
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
    data_fingerprint="3f9ac1d27be0",
    weights_digest="9d41fe07c55a",
    maps={16: (320, 24, 31)},
    versions={"atrous": "0.1.0"},
    python="3.11.7",
    machine="Linux x86_64, a processor",
    begun="2026-03-05T09:41:07+00:00",
)


def trial(number: int, origin: str = "uniform") -> Trial:
    """A trial of a cell drawn by its number."""
    return Trial(number, SPACE.architecture(SPACE.sample(Random(number))), origin, 400, 3)


def metrics(miou: float) -> Metrics:
    """Metrics in which one class is absent."""
    return Metrics(miou, miou / 3, 0.1 + miou / 7, miou / 9, 1 / 3, (miou, None, 0.0), (0.5, 1 / 3))


def measured(number: int, score: float = 0.25, elapsed: float = 1.0) -> Entry:
    """An entry with a score."""
    return Entry(Measured(trial(number), score, metrics(score), 2 / 3), elapsed)


def failed(number: int, reason: Reason, error: str = "why", elapsed: float = 1.0) -> Entry:
    """An entry without a score."""
    return Entry(Failed(trial(number), reason, error, 0.125), elapsed)


def widths(entry: Entry) -> dict[str, int]:
    """How many choices each decision of the entry's cell had."""
    return SPACE.widths(entry.trial.architecture.genotype)


def architecture(entry: Entry) -> Architecture:
    """The entry's architecture."""
    return entry.trial.architecture
