"""The data set of a recipe: found, or where it is to be had."""

from __future__ import annotations

from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.data.dataset import Dataset
from atrous.data.layouts import LAYOUTS, read_dataset
from atrous.recipes.recipe import Need, Recipe


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
    """What to download, from where, and where to put it, in lines."""
    lines = []
    for download in need.downloads:
        place = root if download.place == "." else f"{root}/{download.place}"
        lines += [f"  {download.what}", f"    from {download.page}", f"    into {place}"]
    layout = next(layout for layout in LAYOUTS if layout.name == need.layout)
    head, *tree = layout.looks_for.splitlines()
    lines += ["Unpacked there, it looks so (docs/datasets.md):", f"  {head}", *tree]
    return "\n".join(lines)


def _found(root: Path) -> str:
    """What data set is there instead, as a sentence, or ''."""
    others = [layout.name for layout in LAYOUTS if layout.find(root) is not None]
    return f"It is laid out as {' and '.join(others)}. " if others else ""
