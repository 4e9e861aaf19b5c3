"""A trained network and all that is known about it, written to a folder and read from it.

model.safetensors   the tensors
model.json          what the network is, how it was trained, the seal of the tensors
README.md           the model card
evaluation.json     the evaluations, if there are any
evaluation.md       the same in words
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atrous.core.errors import AtrousError
from atrous.core.files import locate, replacing, settle, write_whole, writing
from atrous.core.records import spelt, to_json
from atrous.data.transform import Transform
from atrous.model.card import CARD, headline, judged_card, renew_card, write_card
from atrous.model.evaluation.record import (
    Evaluation,
    merged,
    merged_page,
    read_evaluations,
    require_classes,
)
from atrous.model.facts import how_trained
from atrous.model.record import (
    FORMAT,
    ModelRecord,
    Seal,
    installed,
    read_record,
    read_tensors,
    require_finite_tensors,
    unlike_software,
    write_tensors,
)
from atrous.networks.backbones import Backbone
from atrous.networks.layers import parameter_count
from atrous.networks.network import Network
from atrous.networks.weights import digest
from atrous.spaces.blueprint import Blueprint, blank_network, build_network

WEIGHTS, RECORD = "model.safetensors", "model.json"
EVALUATIONS, PAGE = "evaluation.json", "evaluation.md"
FILES = (WEIGHTS, RECORD, CARD, EVALUATIONS, PAGE)
EXPORTS = "model.*"
"""Files of these names are made of the weights: new weights make them stale."""


@dataclass(frozen=True)
class Papers:
    """The texts about a network: its model card ('' for one that is still to be written), its
    evaluations, and the same as a page."""

    card: str = ""
    evaluations: tuple[Evaluation, ...] = ()
    page: str = ""


@dataclass(frozen=True)
class Contents:
    """A network, in evaluation mode when it was read, and what is known about it."""

    network: Network
    blueprint: Blueprint
    transform: Transform
    training: Mapping[str, Any]
    papers: Papers = field(default_factory=Papers)


def write_folder(contents: Contents, folder: Path) -> None:
    """Writes all files, or after an error none; an older model's files are replaced.

    Raises AtrousError when the folder cannot be written, holds files of these names that are no
    model's, or a tensor is not finite.
    """
    folder = folder.expanduser()
    require_finite_tensors(contents.network.state_dict(), "Cannot save the model")
    try:
        how_trained(to_json(dict(contents.training)))
    except ValueError as error:
        raise AtrousError(f"Cannot save the model: its training record has {error}.") from error
    _require_free(folder)
    mend = "Free some space, make the folder writable or name another one; an older model in it"
    with writing(f"a model to {folder}", f"{mend} is as it was."):
        exports = (path.name for path in folder.glob(EXPORTS) if path.is_file())
        with replacing(folder, {PAGE, EVALUATIONS, *exports}) as new:
            _write_all(contents, new, folder)


def read_folder(folder: Path) -> Contents:
    """Reads what `write_folder` wrote, the network in evaluation mode; raises AtrousError."""
    folder = folder.expanduser()
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise AtrousError(f"Expected a model's folder at {folder}, which {what}.")
    path = locate(folder, RECORD)
    record = read_record(path)
    papers = read_papers(folder, len(record.blueprint.classes))
    weights = locate(folder, WEIGHTS)
    record.weights.check(weights)
    network = _build(record, path)
    read_tensors(network, weights, unlike_software(record.software))
    if isinstance(network.backbone, Backbone):
        network.backbone.weights_digest = digest(network.backbone.network)
    return Contents(network, record.blueprint, record.preprocessing, record.training, papers)


def with_model(folder: Path) -> Path:
    """Returns the folder of a model: a folder, or where it has none, that one level off: the model
    of a training, or what a file of a model lies in."""
    folder = folder.expanduser()
    for near in (folder, folder / "model", folder.parent):
        is_near = near != folder.parent or folder.is_file()
        if is_near and locate(near, RECORD).is_file():
            return near
    return folder


def read_papers(folder: Path, classes: int) -> Papers:
    """Reads the texts about the model in a folder; raises AtrousError."""
    path = locate(folder, EVALUATIONS)
    mend = f"Copy {folder} again, or delete {EVALUATIONS} and evaluate the model again."
    evaluations = read_evaluations(path, classes, mend)
    try:
        card, page = (_text(locate(folder, name)) for name in (CARD, PAGE))
    except (OSError, ValueError) as error:
        raise AtrousError(f"The texts beside {path} are damaged: {error}. {mend}") from error
    return Papers(card, evaluations, page)


def add_evaluation(folder: Path, evaluation: Evaluation, markdown: str) -> None:
    """Keeps what was measured on the model in a folder.

    It joins evaluation.json, in place of one of the same data, split, scales and mirroring;
    `markdown` becomes its section of evaluation.md; the model card gets its numbers. Raises
    AtrousError when the folder holds no model or cannot be written, or its classes are others.
    """
    folder = Path(folder).expanduser()
    about = read_record(locate(folder, RECORD))
    classes = about.blueprint.classes
    papers = read_papers(folder, len(classes))
    require_classes(evaluation, len(classes), f"to add to {folder}", "Evaluate this model itself.")
    known = merged(papers.evaluations, evaluation)
    mend = "Make the folder writable and free some space."
    with writing(f"an evaluation to {folder}", mend):
        settle(folder)
        write_whole(folder / EVALUATIONS, spelt(known))
        write_whole(folder / PAGE, merged_page(papers.page, evaluation, markdown))
        name = headline(about.blueprint, about.training)
        card = papers.card or first_card(about, folder)
        write_whole(folder / CARD, renew_card(card, name, classes, known))


def add_verdict(folder: Path, verdict: str) -> None:
    """Keeps in the model card what the run that the model came from found; raises AtrousError."""
    folder = Path(folder).expanduser()
    card = read_papers(folder, len(read_record(locate(folder, RECORD)).blueprint.classes)).card
    with writing(f"a verdict to {folder / CARD}", "Make the folder writable."):
        write_whole(folder / CARD, judged_card(card, verdict))


def first_card(record: ModelRecord, folder: Path, known: Sequence[Evaluation] = ()) -> str:
    """Writes a new model card for the model in a folder."""
    parameters = parameter_count(blank_network(record.blueprint))
    card = write_card(folder.resolve().name, record, parameters)
    if not known:
        return card
    name = headline(record.blueprint, record.training)
    return renew_card(card, name, record.blueprint.classes, known)


def _write_all(contents: Contents, new: Path, folder: Path) -> None:
    papers = contents.papers
    write_tensors(contents.network, new / WEIGHTS)
    record = ModelRecord(
        contents.blueprint,
        contents.transform,
        dict(contents.training),
        installed(),
        Seal.of(new / WEIGHTS),
    )
    card = papers.card or first_card(record, folder, papers.evaluations)
    texts = {RECORD: spelt(record, FORMAT), CARD: card}
    if papers.evaluations:
        texts |= {EVALUATIONS: spelt(papers.evaluations), PAGE: papers.page}
    for file, text in texts.items():
        (new / file).write_text(text, encoding="utf-8", errors="backslashreplace", newline="\n")


def _build(record: ModelRecord, path: Path) -> Network:
    """Builds the network with random weights; raises AtrousError."""
    try:
        return build_network(record.blueprint)
    except (AtrousError, RuntimeError, ValueError, ZeroDivisionError) as error:
        raise AtrousError(
            f"{path} describes a network that cannot be built here: {error}"
            f"{unlike_software(record.software)}"
        ) from error


def _require_free(folder: Path) -> None:
    """Refuses to overwrite somebody's README.md: files of these names must be a model's."""
    if folder.exists() and not folder.is_dir():
        raise AtrousError(f"Expected a folder for the model at {folder}, which is a file.")
    taken = [name for name in FILES if locate(folder, name).exists()]
    if taken and not {RECORD, WEIGHTS} <= set(taken):
        raise AtrousError(
            f"Expected a new folder, an empty one or a model's at {folder}, which holds "
            f"{' and '.join(taken)} but no model. Name another folder, or move them away."
        )


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
