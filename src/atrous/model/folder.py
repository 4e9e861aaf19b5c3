"""A trained model's folder: saved, loaded, and what was measured added."""

from __future__ import annotations

from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.core.files import locate, settle, write_whole
from atrous.model import contents
from atrous.model.card import CARD, renew_card
from atrous.model.card_text import headline
from atrous.model.contents import EVALUATIONS, PAGE, RECORD, read_papers
from atrous.model.evaluation_record import Evaluation, checked, merged, merged_page
from atrous.model.model import Model
from atrous.model.record import read_record, to_text


def load(folder_or_repository: str | Path) -> Model:
    """A trained model, ready to use: from its folder, or `user/name` from the Hugging Face hub.

        model = atrous.load("runs/best/model")
        with torch.no_grad():
            labels = model(model.transform(PIL.Image.open("photo.jpg"))[None])[0].argmax(0)

    `labels` [H, W] holds numbers of `model.classes`. Raises AtrousError.
    """
    return Model.from_pretrained(folder_or_repository)


def save_model(model: Model, folder: Path) -> None:
    """Writes a model to a folder of its own, replacing an older model there, or, after an error,
    leaving it as it was. Other files in the folder stay.

    Raises AtrousError when the folder cannot be written, holds files of the same names that are no
    model's, or a weight is not finite.
    """
    contents.write(model.contents, Path(folder))


def load_model(folder: Path) -> Model:
    """The model in a folder, in evaluation mode; raises AtrousError for any damage."""
    return Model.of(contents.read(Path(folder)))


def add_evaluation(folder: Path, record: Evaluation, markdown: str) -> None:
    """Keeps what was measured on the model in a folder.

    The record joins evaluation.json, in place of one of the same data, split, scales and
    mirroring; `markdown` becomes its section of evaluation.md; the model card gets its numbers.
    Raises AtrousError when the folder holds no model or cannot be written, or the record lacks
    one of `evaluation.KEYS`.
    """
    folder = Path(folder).expanduser()
    about = read_record(locate(folder, RECORD))
    classes = about.blueprint.classes
    papers = read_papers(folder, len(classes))
    try:
        known = merged(papers.evaluations, checked(record, len(classes)))
    except ValueError as error:
        raise AtrousError(f"Cannot add an evaluation to {folder}: {error}.") from error
    try:
        settle(folder)
        write_whole(folder / EVALUATIONS, to_text(known))
        write_whole(folder / PAGE, merged_page(papers.page, record, markdown))
        name = headline(about.blueprint, about.training)
        card = papers.card or contents.first_card(about, folder)
        write_whole(folder / CARD, renew_card(card, name, classes, known))
    except OSError as error:
        raise AtrousError(
            f"Expected to add an evaluation to {folder}, but {error}. Make the folder writable and "
            "free some space."
        ) from error
