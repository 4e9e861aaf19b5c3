"""The model card, README.md, as the Hugging Face hub reads it.

It is written once, with the model. Afterwards only its measured numbers are renewed, so that what
a person adds to it stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import CardData, EvalResult, ModelCardData
from huggingface_hub.repocard import ModelCard

from atrous.core.errors import AtrousError
from atrous.data.transform import Transform
from atrous.model.card_text import body, measured
from atrous.model.evaluation.record import SCORES, Evaluation
from atrous.spaces.blueprint import Blueprint

CARD = "README.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
TASK = "image-segmentation"
METRICS = {"miou": "mean_iou", "pixel_accuracy": "accuracy"}
"""The hub's identifier of the scores that its front matter lists."""
LICENCE = "other"
"""Stands in the licence field until somebody who may decide fills it in."""


@dataclass(frozen=True)
class Subject:
    """A model as its card tells of it.

    `name` is the folder's, `parameters` are counted, `training` may lack any key.
    """

    name: str
    blueprint: Blueprint
    transform: Transform
    training: Mapping[str, Any]
    parameters: int


def write_card(subject: Subject) -> str:
    """Writes the whole card, without measured numbers."""
    before, after = body(
        subject.name, subject.blueprint, subject.transform, subject.training, subject.parameters
    )
    data = subject.training.get("data")
    metadata = ModelCardData(
        license=str(subject.training.get("licence") or LICENCE),
        library_name="atrous",
        pipeline_tag=TASK,
        tags=["semantic-segmentation", "neural-architecture-search", "pytorch", "atrous"],
        datasets=[_identifier(str(data))] if data else None,
    )
    numbers = measured(subject.blueprint.classes, ())
    text = f"{before}\n{BEGIN}\n{numbers}\n{END}\n\n{after}"
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
    section = f"{BEGIN}\n{measured(classes, known)}\n{END}"
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    card.text = pattern.sub(lambda _: section, card.text)
    return str(card)


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
