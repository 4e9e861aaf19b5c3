"""The model card, README.md, as the Hugging Face hub reads it.

It is written once, with the model, from the template card.md. Afterwards only its measured numbers
are renewed, so that what a person adds to it stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from huggingface_hub import CardData, EvalResult, ModelCardData
from huggingface_hub.repocard import ModelCard

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.core.words import told
from atrous.model.evaluation.record import SCORES, Evaluation
from atrous.model.record import ModelRecord
from atrous.spaces import find_space
from atrous.spaces.blueprint import Blueprint

CARD, TEMPLATE = "README.md", Path(__file__).with_name("card.md")
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
VERDICT = "<!-- verdict: begin -->", "<!-- verdict: end -->"
TASK = "image-segmentation"
METRICS = {"miou": "mean_iou", "pixel_accuracy": "accuracy"}
"""The hub's identifier of the scores that its front matter lists."""
LICENCE = "other"
"""Stands in the licence field until somebody who may decide fills it in."""
TRAINING = {
    "images": "images",
    "steps": "steps",
    "batch": "images a step",
    "crop": "crop",
    "rate": "base learning rate",
    "seed": "seed",
    "backbone_weights": "backbone's first weights",
    "selection_miou": "mIoU on the images it was selected on, in percent",
}
"""The fields of the training record that the card tells, in its words."""


def write_card(name: str, record: ModelRecord, parameters: int) -> str:
    """Writes the whole card, without measured numbers. `name` is the folder's; so many `parameters`
    are counted."""
    training, blueprint = record.training, record.blueprint
    data = training.get("data")
    metadata = ModelCardData(
        license=str(training.get("licence") or LICENCE),
        library_name="atrous",
        pipeline_tag=TASK,
        tags=["semantic-segmentation", "neural-architecture-search", "pytorch", "atrous"],
        datasets=[_identifier(str(data))] if data else None,
    )
    colours = ("#{:02x}{:02x}{:02x}".format(*colour) for colour in blueprint.colours)
    text = _template().render(
        vars(record),
        transform=record.preprocessing,
        name=name,
        parameters=parameters,
        headline=headline(blueprint, training),
        data=escaped(Path(str(data)).name) if data else "",
        classes=list(zip(blueprint.classes, colours, strict=True)),
        crop=_extent(training.get("crop")),
        drawing=drawing(blueprint.architecture),
        facts=_facts(training),
        measured=f"{BEGIN}\n{measured(blueprint.classes, ())}\n{END}",
        verdict="\n".join(VERDICT),
    )
    return f"---\n{metadata.to_yaml()}\n---\n\n{text}"


def renew_card(text: str, name: str, classes: Sequence[str], known: Sequence[Evaluation]) -> str:
    """Returns the card with these measured numbers; everything else in it stays.

    `name` is what the model is called if the card does not say. Raises AtrousError when the front
    matter is not one.
    """
    try:
        card = ModelCard(text, ignore_metadata_errors=True)
    except Exception as error:  # the YAML parser has types of its own
        raise AtrousError(
            f"The front matter of {CARD}, between its first two lines of ---, is no YAML "
            f"({' '.join(str(error).split())[:200]}). Mend it, or delete the file, and evaluate "
            "again: what was measured is kept."
        ) from error
    _set_results(card.data, card.data.get("model_name") or name, known)
    card.text = _renewed(card.text, (BEGIN, END), measured(classes, known))
    return str(card)


def judged_card(text: str, verdict: str) -> str:
    """Returns the card with the verdict on the run that it came from; everything else stays."""
    return _renewed(text, VERDICT, f"## Was the search worth it?\n\n{escaped(verdict)}")


def _renewed(text: str, marks: tuple[str, str], section: str) -> str:
    """Returns a text with another section between its marks, if it has those."""
    begin, end = marks
    pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{section}\n{end}", text)


def headline(blueprint: Blueprint, training: Mapping[str, Any]) -> str:
    """Names the model by its architecture and the data it was trained on."""
    name = str(training.get("name") or blueprint.architecture)
    return f"{name} on {Path(str(training['data'])).name}" if training.get("data") else name


def measured(classes: Sequence[str], evaluations: Sequence[Evaluation]) -> str:
    """Returns the section of measured numbers; shares in [0, 1]."""
    if not evaluations:
        return "## Measured\n\nNot measured yet."
    head = ("data", "split", "images", "predicted at", *SCORES.values())
    rows = [
        (e.data, e.split, f"{e.images:,}", e.inference, *map(_share, e.scores)) for e in evaluations
    ]
    columns = [evaluation.title for evaluation in evaluations]
    shares = [tuple(evaluation.class_iou.values()) for evaluation in evaluations]
    by_class = [(name, *(_share(s[k]) for s in shares)) for k, name in enumerate(classes)]
    return (
        f"## Measured\n\nIn percent.\n\n{markdown(head, rows)}\nIoU of each class:\n\n"
        f"{markdown(('class', *columns), by_class)}\nThe pixel counts behind these numbers are in "
        "`evaluation.json`."
    )


def drawing(architecture: Architecture) -> str:
    """Draws the architecture in plain text."""
    return find_space(architecture.space).text(architecture.genotype)


def markdown(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Returns a Markdown table whose first column is words and whose others are numbers."""
    head = list(columns)
    rule = ["---", *["---:"] * (len(head) - 1)]
    lines = [map(escaped, head), rule, *(map(escaped, row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def escaped(text: str) -> str:
    """Escapes a text for one cell of a table."""
    plain = " ".join(str(text).split()).replace("\\", "\\\\")
    return plain.replace("|", "\\|").replace("<", "&lt;")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    environment.filters |= {"cell": escaped, "number": "{:,}".format, "json": json.dumps}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8"))


def _facts(training: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Lists what the card tells of the training record."""
    return [
        (words, _shown(key, training[key]))
        for key, words in TRAINING.items()
        if training.get(key) is not None
    ]


def _set_results(metadata: CardData, name: str, evaluations: Sequence[Evaluation]) -> None:
    metadata["metrics"] = sorted(set(METRICS.values()))
    metadata["model_name"] = name
    metadata["eval_results"] = [
        EvalResult(
            task_type=TASK,
            task_name="semantic segmentation",
            dataset_type=_identifier(record.data),
            dataset_name=record.data,
            dataset_split=record.split,
            metric_type=METRICS[key],
            metric_name=f"{SCORES[key]}, {record.inference}",
            metric_value=getattr(record, key),
        )
        for record in evaluations
        for key in METRICS
    ]


def _identifier(data: str) -> str:
    """Spells a data set's name as the hub does; of a path, its last part."""
    return re.sub(r"[^\w.-]+", "-", Path(data).name, flags=re.ASCII).strip("-.") or "unnamed"


def _share(value: float | None) -> str:
    return "absent" if value is None else told(value, "miou")


def _shown(key: str, value: Any) -> str:
    if key == "crop":
        return _extent(value)
    return _share(value) if key == "selection_miou" else _value(value)


def _value(value: object) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _extent(crop: object) -> str:
    """Says a crop, height and width or one side of a square, in words; '' if there is none."""
    if isinstance(crop, int):
        crop = (crop, crop)
    if isinstance(crop, (list, tuple)) and len(crop) == 2:
        return f"{crop[0]} x {crop[1]} pixels"
    return ""
