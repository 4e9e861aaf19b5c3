"""Whether a data set can tell how good a model is: the same classes, and labels to compare with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.data.dataset import Dataset, Samples
from atrous.data.layouts import read_layout

SHOWN = 8
"""So many class names are listed in a message."""


def labelled_split(root: Path, split: str) -> tuple[Dataset, Samples]:
    """The data set in a folder, and the samples of one split.

    Raises AtrousError for a folder that is no data set, and for a split that there is not, or that
    has no labels.
    """
    reading = read_layout(root)
    dataset = reading.dataset
    samples = dataset.splits.get(split, ())
    if samples:
        return dataset, samples
    usable = ", ".join(f"--split {name}" for name, found in dataset.splits.items() if found)
    mend = f"To mend: {usable}." if usable else "To mend: see `atrous check`."
    if unlabelled := dataset.unlabelled.get(split):
        raise AtrousError(
            f"The {len(unlabelled)} images of {root}'s {split} split have no labels, so nothing "
            f"can be counted on them. {mend}"
        )
    if split in dataset.splits:
        raise AtrousError(
            f"The {split} split of {root} has no image with a mask. {mend} `atrous check {root}` "
            "tells what is missing."
        )
    raise AtrousError(f"{root} has no split {split!r}; it has {', '.join(dataset.splits)}. {mend}")


def require_same_classes(classes: Sequence[str], dataset: Dataset) -> None:
    """Raises AtrousError, naming the differences, unless the data set has the model's classes, in
    the model's order."""
    if tuple(classes) == dataset.classes:
        return
    begin = f"{dataset.root} does not have the classes of the model"
    missing = [name for name in classes if name not in dataset.classes]
    unknown = [name for name in dataset.classes if name not in classes]
    if missing or unknown:
        lists = [
            f"{len(names)} only {where}: {_listed(names)}"
            for where, names in (("in the model", missing), ("in the data", unknown))
            if names
        ]
        raise AtrousError(
            f"{begin} ({len(classes)} in the model, {len(dataset.classes)} in the data): "
            f"{'; '.join(lists)}. To mend: name the data set that the model was made for, give "
            "the data the model's classes, or train a model on this data."
        )
    pairs = enumerate(zip(classes, dataset.classes, strict=True))
    moved = [
        f"{k} is {ours} in the model, {theirs} in the data"
        for k, (ours, theirs) in pairs
        if ours != theirs
    ]
    raise AtrousError(
        f"{begin} in its order: class {_listed(moved, '; ')}. A mask's values would be taken for "
        "other classes. To mend: renumber the masks, and put the names in the model's order: "
        f"{', '.join(classes)}."
    )


def _listed(names: Iterable[str], between: str = ", ") -> str:
    names = list(names)
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return between.join(names[:SHOWN]) + more
