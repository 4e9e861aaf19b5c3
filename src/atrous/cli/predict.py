"""A trained model applied to images."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atrous.core.console import note, say, shell
from atrous.core.errors import AtrousError

if TYPE_CHECKING:
    from atrous.model.model import Model
    from atrous.model.predict.images import Submission
    from atrous.model.predict.outputs import InputImage
    from atrous.model.predict.prediction import Outcome

UNITS = {"mib": 2**20, "gib": 2**30, "mb": 10**6, "gb": 10**9}


def predict(
    model: Annotated[Path, typer.Argument(help="The folder of a model.")],
    images: Annotated[
        list[Path], typer.Argument(help="Images, and folders of images with all below them.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write to.")],
    scales: Annotated[
        str, typer.Option(help="Sizes at which each image is looked at, such as 0.75,1,1.25.")
    ] = "1",
    flip: Annotated[
        bool, typer.Option("--flip", help="Look at each image mirrored as well.")
    ] = False,
    memory: Annotated[
        str,
        typer.Option(
            help="What one image may take, the model not counted; larger images are computed in "
            "overlapping tiles. On a GPU: of its memory."
        ),
    ] = "4GiB",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    write: Annotated[
        str,
        typer.Option(
            help="ids (8-bit PNG of class numbers), colours (the same as a palette PNG), "
            "overlay (JPEG)."
        ),
    ] = "ids,colours,overlay",
    submission: Annotated[
        str | None,
        typer.Option(help="cityscapes or voc: the files its server wants; IMAGES is the data set."),
    ] = None,
    split: Annotated[str, typer.Option(help="With --submission: the images.")] = "test",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write anew what is there already.")
    ] = False,
) -> None:
    """Predicts the class of every pixel; stopped, the same command goes on."""
    from atrous.core.console import track, untracked
    from atrous.data.pixels import read_image, read_upright
    from atrous.model.evaluation.record import parse_scales
    from atrous.model.model import load_model
    from atrous.model.predict.images import find_images, find_submission
    from atrous.model.predict.outputs import Outputs, Provenance, find_writers, open_outputs
    from atrous.model.predict.prediction import PredictionMethod, predict_images
    from atrous.networks.compute import pick_device

    method = PredictionMethod(parse_scales(scales), flip, pick_device(device), parse_memory(memory))
    server = find_submission(submission) if submission else None
    writers = (server.writer,) if server else find_writers(write)
    found = () if server else find_images(images, out, _first(TOLD))
    loaded = load_model(model)
    if server:
        found = _submitted(server, images, split, loaded)
    outputs = Outputs(out, writers, loaded.colours)
    provenance = Provenance(_identity(loaded), method.scales, flip)
    open_outputs(outputs, found, provenance, overwrite)
    one = len(found) == 1
    read = partial(read_image if server else read_upright, tell=_first(TOLD))
    outcomes = predict_images(loaded, found, outputs, method, read, track if one else untracked)
    counts = _follow((untracked if one else track)(outcomes, "predicting", len(found)), out)
    say(_summary(counts, out))
    if counts["Refused"]:
        raise typer.Exit(1)
    if server:
        say(f"Pack it for the server: {server.pack.replace('{}', shell(out))}")


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


def parse_memory(text: str) -> int:
    """`2GiB` or `500 MB` in bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]+)", text.strip().lower())
    if not match or match[2] not in UNITS or not float(match[1]):
        raise AtrousError(f"--memory: expected an amount such as 2GiB or 500MiB, got {text!r}.")
    return int(float(match[1]) * UNITS[match[2]])


def _submitted(
    server: Submission, images: list[Path], split: str, model: Model
) -> tuple[InputImage, ...]:
    from atrous.data.layouts import read_dataset
    from atrous.model.predict.images import submitted_images

    if len(images) != 1:
        raise AtrousError(
            f"With --submission, expected one folder, that of the {server.layout} data set, got "
            f"{len(images)} paths."
        )
    return submitted_images(server, read_dataset(images[0]), split, model.classes)


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
