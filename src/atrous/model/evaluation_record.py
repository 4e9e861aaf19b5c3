"""What was measured on a trained network, as plain records: the content of evaluation.json.

A record has the keys of `KEYS`: the data set's name and split, how many images, at which scales
and whether also mirrored, then shares in [0, 1], the IoU of each class (in order, with or without
names; null where neither label nor prediction has it), and the K x K pixel counts, label by
prediction. Further keys are kept.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

Evaluation = dict[str, Any]

KEYS: dict[str, type | tuple[type, ...]] = {
    "data": str,
    "split": str,
    "images": int,
    "scales": (list, tuple),
    "flip": bool,
    "miou": (float, int),
    "mean_accuracy": (float, int),
    "pixel_accuracy": (float, int),
    "weighted_iou": (float, int),
    "class_iou": (list, tuple, dict),
    "confusion": (list, tuple),
}
SCORES = {
    "miou": "mIoU",
    "mean_accuracy": "mean accuracy",
    "pixel_accuracy": "pixel accuracy",
    "weighted_iou": "frequency-weighted IoU",
}
_SECTION = re.compile(r"^<!-- evaluation: (.*) -->\n", re.MULTILINE)


def checked(record: Any, classes: int) -> Evaluation:
    """The record, if it is one of a network with this many classes; raises ValueError."""
    if not isinstance(record, dict):
        raise ValueError(f"an evaluation is {type(record).__name__}, not an object")
    for key, kind in KEYS.items():
        if key not in record:
            raise ValueError(f"an evaluation has no {key!r}")
        if not isinstance(record[key], kind):
            raise ValueError(f"an evaluation's {key!r} is {record[key]!r}")
    shares = class_iou(record)
    rows = (shares, record["confusion"], *record["confusion"])
    if any(not isinstance(row, (list, tuple)) or len(row) != classes for row in rows):
        raise ValueError(f"an evaluation's class_iou and confusion are not of {classes} classes")
    present = (iou for iou in shares if iou is not None)
    numbers = (*present, *record["scales"], *(record[score] for score in SCORES))
    if any(not isinstance(x, (float, int)) or not math.isfinite(x) for x in numbers):
        raise ValueError("an evaluation's scales and scores are not all finite numbers")
    return record


def class_iou(record: Evaluation) -> list[float | None]:
    """The IoU of class 0, 1, 2, ..."""
    shares = record["class_iou"]
    return list(shares.values() if isinstance(shares, dict) else shares)


def merged(evaluations: Sequence[Evaluation], record: Evaluation) -> tuple[Evaluation, ...]:
    """All evaluations, where `record` takes the place of one of the same thing."""
    titles = [title(known) for known in evaluations]
    if title(record) not in titles:
        return (*evaluations, record)
    place = titles.index(title(record))
    return (*evaluations[:place], record, *evaluations[place + 1 :])


def title(record: Evaluation) -> str:
    """What was measured, in words; equal for evaluations of the same thing."""
    return f"{record['data']}, {record['split']}, {inference(record)}"


def inference(record: Evaluation) -> str:
    """How predictions were made: `scale 1`, `scales 0.5, 1, 1.5 and mirrored`."""
    scales = ", ".join(f"{scale:g}" for scale in record["scales"])
    words = f"scales {scales}" if len(record["scales"]) > 1 else f"scale {scales}"
    return f"{words} and mirrored" if record["flip"] else words


def merged_page(page: str, record: Evaluation, markdown: str) -> str:
    """evaluation.md with `markdown` as the section of this evaluation; the others stay."""
    begin, *parts = _SECTION.split(page)
    sections = dict(zip(parts[::2], parts[1::2], strict=True))
    sections[_key(record)] = f"\n{markdown.strip()}\n\n"
    return begin + "".join(f"<!-- evaluation: {key} -->\n{text}" for key, text in sections.items())


def _key(record: Evaluation) -> str:
    """The title on one line, with nothing in it that would end a comment."""
    return re.sub(r"\s+", " ", title(record)).replace("--", "- -")
