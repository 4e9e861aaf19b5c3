"""From what the user asks to a running search: checks, features, the fastest compute, the loop."""

from __future__ import annotations

import platform
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import cast

from atrous.architecture import Architecture
from atrous.comparison import Comparison, fresh_trials, read_all
from atrous.data.check import check
from atrous.data.dataset import Dataset, Samples, fingerprint, select
from atrous.data.layouts import read_dataset
from atrous.errors import AtrousError
from atrous.estimation.compute import Compute, Layout, Precision
from atrous.estimation.crop import Size, derive_crop, require_crop
from atrous.estimation.extraction import Extraction, cached_features
from atrous.estimation.features import FeatureSet
from atrous.estimation.proxy import SCORES, Proxy, ScoreName
from atrous.estimation.training import Schedule
from atrous.estimation.tuning import Workload, choose, pick_device
from atrous.execution.local import LocalExecutor
from atrous.ledger import Entry
from atrous.models.backbones import OUTPUT_STRIDES, Backbone, load_backbone
from atrous.named import find_architecture
from atrous.progress import track
from atrous.run import Context, Run, Settings, create_run, machine, software
from atrous.search import Plan, search
from atrous.spaces import find_space
from atrous.strategies import find_strategy
from atrous.trial import Measured

WEIGHT_DECAY = 4e-5
TRIALS_PER_WORKER = 8
"""No more workers are picked than leave each so many trials: the more there are, the less a
proposal may learn from."""


@dataclass(frozen=True)
class Request:
    """What the user asks for; `None` is left to be derived from data and machine."""

    data: Path
    select_on: str
    space: str
    strategy: str
    baselines: tuple[str, ...]
    trials: int
    seconds: float | None
    workers: int | None
    seed: int
    backbone: str
    weights: str
    output_stride: int
    crop: Size | None
    filters: int
    steps: int
    batch: int
    rate: float
    score: str
    device: str


@dataclass(frozen=True)
class Sources:
    """What features are computed from."""

    dataset: Dataset
    training: Samples
    selection: Samples
    backbone: Backbone
    fingerprint: str


@dataclass(frozen=True)
class Material:
    """What candidates train on and are scored on."""

    training: FeatureSet
    selection: FeatureSet
    dataset: Dataset
    backbone: Backbone
    fingerprint: str


def begin(request: Request, out: Path, cache: Path) -> tuple[Run, Material]:
    """Checks everything, computes features, picks how to compute, and makes the run folder.

    Raises `AtrousError` before anything expensive if the request cannot be met.
    """
    _require_possible(request)
    if (out / "run.json").exists():
        raise AtrousError(
            f"There is a run in {out} already. Go on with it: atrous search --resume {out}; or "
            "name another folder with --out."
        )
    device = pick_device(request.device)
    dataset = read_dataset(request.data)
    sources = _sources(request, dataset)
    sizes = _require_sound(dataset.root)
    crop = request.crop or derive_crop(sizes, request.output_stride)
    material = _material(sources, crop, device, cache)
    channels, height, width = material.training.features.shape[1:]
    workload = Workload(
        channels,
        height,
        width,
        request.filters,
        len(dataset.classes),
        request.batch,
        request.output_stride,
    )
    most = request.workers or max(1, request.trials // TRIALS_PER_WORKER)
    choice = choose(workload, device, request.workers, most, cache)
    settings = Settings(
        **{
            **vars(request),
            "data": str(request.data.resolve()),
            "weights": _absolute(request.weights),
            "baselines": tuple(_absolute(name) for name in request.baselines),
            "trials": min(request.trials, find_space(request.space).size()),
            "crop": crop,
            "device": device,
            "workers": choice.workers,
            "precision": choice.compute.precision,
            "layout": choice.compute.layout,
            "threads": choice.compute.threads,
        }
    )
    run = create_run(out, settings, _context(material, channels, (height, width)))
    return run, material


def material_of(run: Run, cache: Path) -> Material:
    """What a run's candidates train on; raises `AtrousError` if data or weights have changed."""
    settings = run.settings
    sources = _sources(settings, read_dataset(Path(settings.data)))
    _require_unchanged(run, sources)
    return _material(sources, settings.crop, settings.device, cache)


def proceed(run: Run, material: Material, watch: Callable[[Entry], None]) -> None:
    """Runs what is left of a run's search."""
    settings = run.settings
    space = find_space(settings.space)
    plan = Plan(
        space=space,
        strategy=find_strategy(settings.strategy),
        baselines=[(name, find_architecture(name)) for name in settings.baselines],
        trials=settings.trials,
        steps=settings.steps,
        seed=settings.seed,
        workers=settings.workers,
        seconds=settings.seconds,
    )
    with run.locked(), LocalExecutor(settings.workers) as executor:
        search(plan, run.ledger(), estimator(settings, material), executor, watch)


def compare(
    run: Run, chosen: tuple[str, ...], splits: tuple[str, ...], seeds: int, cache: Path
) -> Comparison:
    """Trains architectures anew under a run's proxy, with fresh seeds, and scores them on splits.

    `best` in `chosen` is the best of the run; no `splits` means all that no choice was made on.
    Interrupted, it goes on where it stopped when it is
    asked for again. Raises `AtrousError`.
    """
    if not chosen:
        raise AtrousError("Expected at least one of --architectures, such as best,dpc:aspp.")
    names = {name: _chosen(run, name) for name in chosen}
    material = material_of(run, cache)
    splits = splits or _unseen_splits(run.settings, material)
    sets = {s: _split_features(run.settings, material, s, cache) for s in splits}
    trials = fresh_trials(list(names.values()), seeds, run.settings.steps, run.settings.seed)
    path = run.path / "comparison.jsonl"
    proxy, workers = estimator(run.settings, material), run.settings.workers
    found = read_all(proxy, trials, sets, workers, path)
    readings = [r for part in track(found, "training with fresh seeds", len(trials)) for r in part]
    return Comparison({name: str(a) for name, a in names.items()}, splits, readings)


def _chosen(run: Run, name: str) -> Architecture:
    """The architecture of a name, where `best` is the best of the run that is no baseline."""
    if name != "best":
        return find_architecture(name)
    outcomes = [e.outcome for e in run.ledger().entries() if not e.trial.is_baseline]
    measured = [outcome for outcome in outcomes if isinstance(outcome, Measured)]
    if not measured:
        raise AtrousError(f"Expected a trial with a score in {run.path}, but there is none yet.")
    return max(measured, key=lambda outcome: outcome.score).trial.architecture


def _unseen_splits(settings: Settings, material: Material) -> tuple[str, ...]:
    """The labelled splits that the search neither trained nor selected on."""
    used = {"train", settings.select_on}
    unseen = tuple(s for s, found in material.dataset.splits.items() if found and s not in used)
    if not unseen:
        raise AtrousError(
            f"All labelled images of {settings.data} were used in the search: none are left to "
            "compare on. Search with a part of train held out (--select-on 0.2), so that val "
            "stays unseen; or name a split with --on, and mind that its scores flatter."
        )
    return unseen


def _split_features(settings: Settings, material: Material, split: str, cache: Path) -> FeatureSet:
    samples = material.dataset.splits.get(split, ())
    if not samples:
        have = ", ".join(name for name, found in material.dataset.splits.items() if found)
        raise AtrousError(
            f"Expected images in split {split!r} of {settings.data}; there are images in: {have}."
        )
    return features_of(samples, settings, material.backbone, cache)


def estimator(settings: Settings, material: Material) -> Proxy:
    """The proxy of a run."""
    return Proxy(
        training=material.training,
        selection=material.selection,
        classes=len(material.dataset.classes),
        filters=settings.filters,
        output_stride=settings.output_stride,
        schedule=Schedule(settings.batch, settings.rate, WEIGHT_DECAY),
        compute=Compute(
            settings.device,
            cast(Precision, settings.precision),
            cast(Layout, settings.layout),
            settings.threads,
        ),
        score=cast(ScoreName, settings.score),
    )


def features_of(
    samples: Samples, settings: Settings, backbone: Backbone, cache: Path
) -> FeatureSet:
    """The features of any images of a run's data set, for scoring outside the search."""
    return cached_features(Extraction(samples, backbone, settings.crop, settings.device), cache)


def _sources(asked: Request | Settings, dataset: Dataset) -> Sources:
    training, selection = select(dataset, asked.select_on)
    backbone = load_backbone(asked.backbone, asked.weights, asked.output_stride, asked.seed)
    return Sources(dataset, training, selection, backbone, fingerprint((*training, *selection)))


def _material(sources: Sources, crop: Size, device: str, cache: Path) -> Material:
    training, selection = (
        cached_features(Extraction(samples, sources.backbone, crop, device), cache)
        for samples in (sources.training, sources.selection)
    )
    return Material(training, selection, sources.dataset, sources.backbone, sources.fingerprint)


def _context(material: Material, channels: int, feature_size: Size) -> Context:
    return Context(
        classes=material.dataset.classes,
        training_images=len(material.training),
        selection_images=len(material.selection),
        data_fingerprint=material.fingerprint,
        weights_digest=material.backbone.weights_digest,
        channels=channels,
        feature_size=feature_size,
        versions=software(),
        python=platform.python_version(),
        machine=machine(),
        begun=datetime.now(timezone.utc).isoformat(timespec="seconds"),
    )


def _absolute(text: str) -> str:
    """A path that a resumed run finds from any folder, if the text is that of a file."""
    return str(Path(text).resolve()) if Path(text).is_file() else text


def _require_possible(request: Request) -> None:
    """All that is wrong with the numbers, in one message."""
    least = {"trials": 1, "filters": 1, "steps": 1, "batch": 2, "workers": 1, "seed": 0}
    wrong = [
        f"--{name} is at least {low}, got {value}"
        for name, low in least.items()
        if (value := getattr(request, name)) is not None and value < low
    ]
    if not request.rate > 0:
        wrong.append(f"--rate is a positive number, got {request.rate}")
    if request.output_stride not in OUTPUT_STRIDES:
        wrong.append(f"--output-stride is 8 or 16, got {request.output_stride}")
    if request.score not in SCORES:
        wrong.append(f"--score is one of {', '.join(SCORES)}, got {request.score!r}")
    if wrong:
        raise AtrousError("; ".join(wrong) + ".")
    find_space(request.space)
    find_strategy(request.strategy)
    for name in request.baselines:
        find_architecture(name)
    if request.crop:
        require_crop(request.crop, request.output_stride)


def _require_sound(root: Path) -> list[Size]:
    """Checks the data set and gives the sizes of its images; raises `AtrousError`."""
    report = check(root)
    errors = [problem for problem in report.problems if problem.severity == "error"]
    if errors:
        listed = "\n".join(f"  {p.file}: {p.finding}. {p.mend}" for p in errors[:5])
        more = f"\n  and {len(errors) - 5} more" if len(errors) > 5 else ""
        raise AtrousError(
            f"The data set {root} has {len(errors)} problems that must be mended first:\n{listed}"
            f"{more}\nSee all of them with: atrous check {root}"
        )
    return [(int(h), int(w)) for w, h in (size.split("x") for size in report.sizes)]


def _require_unchanged(run: Run, sources: Sources) -> None:
    checks = (
        ("images or masks", run.context.data_fingerprint, sources.fingerprint, run.settings.data),
        (
            "backbone weights",
            run.context.weights_digest,
            sources.backbone.weights_digest,
            run.settings.weights,
        ),
    )
    for what, expected, found, where in checks:
        if expected != found:
            raise AtrousError(
                f"The {what} of {run.path} have changed since it began (fingerprint {expected}, "
                f"now {found}, in {where}): its scores would not be comparable. Put them back, or "
                "start a new run with --out."
            )
