"""A trained model: how good it is, what it sees, as one file for others, how long it takes."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from atrous.cli.options import Json, show, takes
from atrous.core.console import note, say, shell
from atrous.core.errors import AtrousError
from atrous.core.requests import EvaluationRequest, ExportConfig, LatencyConfig, PredictConfig
from atrous.stages.told import Told

if TYPE_CHECKING:
    from atrous.model.model import Model
    from atrous.model.predict.images import Submission
    from atrous.model.predict.outputs import InputImage
    from atrous.model.predict.prediction import Outcome


@takes(EvaluationRequest)
def evaluate(told: Told, as_json: Json = False) -> None:
    """Scores a model on labelled images; stopped, the same command goes on."""
    from atrous.cli.tables import evaluation_table
    from atrous.stages import asked

    evaluation, files = asked.evaluated(told)
    show(evaluation, as_json, evaluation_table)
    if not as_json:
        say("\n".join(f"wrote {path}" for path in files))


@takes(ExportConfig)
def export(told: Told, as_json: Json = False) -> None:
    """Writes a model to one file that runs without this program, for images of any size.

    The file is run and compared with the model before it counts as written.
    """
    from atrous.cli.tables import export_lines
    from atrous.stages import asked

    show(asked.export.of(told), as_json, export_lines, whole=True)


@takes(LatencyConfig)
def latency(told: Told, as_json: Json = False) -> None:
    """Measures how long a model takes, from normalised images to class scores."""
    from atrous.cli.tables import latency_table
    from atrous.model.export.exported import check_model
    from atrous.model.folder import with_model
    from atrous.model.latency.conditions import make_conditions, parse_runtimes
    from atrous.model.latency.measure import compare_latency
    from atrous.model.model import load_model

    asked = told.made(LatencyConfig)
    check_model(with_model(asked.model))
    conditions = make_conditions(
        asked.size, asked.batch, asked.device, asked.threads, asked.precision
    )
    runtimes = parse_runtimes(asked.runtime, conditions)
    found = compare_latency(load_model(asked.model).network, conditions, runtimes, asked.repeats)
    show(found, as_json, latency_table)


@takes(PredictConfig)
def predict(told: Told) -> None:
    """Predicts the class of every pixel; stopped, the same command goes on."""
    from atrous.model.predict.images import find_submission

    asked = told.made(PredictConfig)
    server = find_submission(asked.submission) if asked.submission else None
    counts = _predicted(asked, server)
    say(_summary(counts, asked.out))
    if counts["Refused"]:
        raise typer.Exit(1)
    if server:
        say(f"Pack it for the server: {server.pack.replace('{}', shell(asked.out))}")


def _predicted(asked: PredictConfig, server: Submission | None) -> Counter[str]:
    """Predicts what is not there yet; gives how many images ended in which way."""
    from atrous.core.console import track, untracked
    from atrous.data.pixels import read_image, read_upright
    from atrous.model.evaluation.record import require_scales
    from atrous.model.model import load_model
    from atrous.model.predict.images import find_images
    from atrous.model.predict.outputs import Outputs, Provenance, find_writers, open_outputs
    from atrous.model.predict.prediction import PredictionMethod, predict_images
    from atrous.networks.compute import pick_device

    require_scales(asked.scales)
    method = PredictionMethod(asked.scales, asked.flip, pick_device(asked.device), asked.memory)
    writers = (server.writer,) if server else find_writers(asked.write)
    found = () if server else find_images(asked.images, asked.out, _first(TOLD))
    loaded = load_model(asked.model)
    if server:
        found = _submitted(server, asked, loaded)
    outputs = Outputs(asked.out, writers, loaded.colours)
    provenance = Provenance(_identity(loaded), asked.scales, asked.flip)
    open_outputs(outputs, found, provenance, asked.overwrite)
    one = len(found) == 1
    read = partial(read_image if server else read_upright, tell=_first(TOLD))
    outcomes = predict_images(loaded, found, outputs, method, read, track if one else untracked)
    return _follow((untracked if one else track)(outcomes, "predicting", len(found)), asked.out)


TOLD = 3
"""So many files of which something is to be known are named."""


def _first(most: int) -> Callable[[str], None]:
    """Returns a function that tells the first `most` sentences, and that there are more."""
    told = count(1)

    def tell(text: str) -> None:
        number = next(told)
        if number <= most + 1:
            note(text if number <= most else "there are more like these")

    return tell


def _submitted(server: Submission, asked: PredictConfig, model: Model) -> tuple[InputImage, ...]:
    from atrous.data.layouts import read_dataset
    from atrous.model.predict.images import submitted_images

    if len(asked.images) != 1:
        raise AtrousError(
            f"With --submission, expected one folder, that of the {server.layout} data set, got "
            f"{len(asked.images)} paths."
        )
    return submitted_images(server, read_dataset(asked.images[0]), asked.split, model.classes)


def _identity(model: Model) -> str:
    """A digest of all that a prediction depends on in a model."""
    from atrous.core.records import to_json
    from atrous.networks.weights import digest

    parts = [digest(model.network), to_json(model.blueprint), to_json(model.transform)]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).hexdigest()


def _follow(outcomes: Iterable[Outcome], out: Path) -> Counter[str]:
    """How many outcomes there are of each kind; errors are printed as they come."""
    from atrous.model.predict.prediction import Predicted, Refused

    counts: Counter[str] = Counter()
    try:
        for outcome in outcomes:
            counts[type(outcome).__name__] += 1
            counts["tiled"] += isinstance(outcome, Predicted) and outcome.tiles > 1
            if isinstance(outcome, Refused):
                print(f"error: {outcome.error}", file=sys.stderr)
    except KeyboardInterrupt:
        done = counts["Predicted"] + counts["Skipped"]
        print(
            f"Stopped; {done} images are finished in {out}. Go on: the same command again.",
            file=sys.stderr,
        )
        raise
    return counts


def _summary(counts: Counter[str], out: Path) -> str:
    parts = [f"{counts['Predicted']} predicted"]
    if counts["tiled"]:
        parts[0] += f", {counts['tiled']} of them in tiles"
    if counts["Skipped"]:
        parts.append(f"{counts['Skipped']} skipped, whose files were there already")
    if counts["Refused"]:
        parts.append(f"{counts['Refused']} that could not be used, named above")
    return f"Images: {'; '.join(parts)}. See {out}"
