"""How data sets lie on disk: one file per layout. `LAYOUTS` is the registry."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.data.dataset import Dataset
from atrous.data.layouts import (
    ade20k,
    cityscapes,
    coco_panoptic,
    coco_stuff,
    folder,
    person_part,
    voc,
)
from atrous.data.layouts.layout import Layout, LayoutContent, is_seen

LAYOUTS: tuple[Layout, ...] = (
    folder.LAYOUT,
    cityscapes.LAYOUT,
    voc.LAYOUT,
    person_part.LAYOUT,
    ade20k.LAYOUT,
    coco_stuff.LAYOUT,
    coco_panoptic.LAYOUT,
)


def read_dataset(root: Path) -> Dataset:
    """The data set in a folder, in whichever of `LAYOUTS` it lies; opens no image.

    Raises AtrousError if the folder has none of the layouts, or several; if a part is missing, such
    as the masks; if class names cannot be used; and if no training sample is found.
    """
    reading = read_layout(root)
    if not reading.dataset.splits["train"]:
        why = reading.problems[0]
        raise AtrousError(f"{why.finding}. To mend: {why.mend}.")
    return reading.dataset


def require_folder(root: Path) -> None:
    """Raises AtrousError if there is no such folder."""
    if not root.exists():
        raise AtrousError(
            f"There is no folder {root}. Check the spelling; "
            "`atrous scenes DIR` draws a data set to try things on."
        )
    if not root.is_dir():
        raise AtrousError(f"Expected a data set's folder, got the file {root}.\n{_known()}")


def read_layout(root: Path) -> LayoutContent:
    """`read_dataset` for `check`: files without partner are listed, and train may be empty."""
    require_folder(root)
    try:
        return _read_layout(root)
    except OSError as error:
        raise AtrousError(
            f"Cannot read {error.filename or root} ({error.strerror}). To mend: make all of {root} "
            "readable, or take away what is not."
        ) from error


def _read_layout(root: Path) -> LayoutContent:
    found = _layouts(root) or _near(root)
    if not found:
        raise AtrousError(
            f"{root} is not laid out as a data set that is known here.\n{_known()}\n"
            f"Found: {_found(root)}.\n"
            "To mend: name the folder that holds one of these, or move your files into the first "
            "of them (links will do). `atrous scenes DIR` writes a small example of it."
        )
    found = [(layout, at) for layout, at in found if at == root] or found
    if len(found) > 1:
        named = ", ".join(f"{at} for {layout.name}" for layout, at in found)
        raise AtrousError(f"{root} holds several data sets. To mend: name one of them: {named}.")
    layout, at = found[0]
    return layout.read(at)


def _layouts(root: Path) -> list[tuple[Layout, Path]]:
    return [(layout, at) for layout in LAYOUTS if (at := layout.find(root)) is not None]


def _near(root: Path) -> list[tuple[Layout, Path]]:
    """The data sets one level off: in the folders within, or around images/ or masks/."""
    if root.name in ("images", "masks"):
        return _layouts(root.parent)
    within = (path for path in sorted(root.iterdir()) if path.is_dir() and is_seen(path))
    return [found for path in within for found in _layouts(path)]


def _known() -> str:
    return "Expected one of:\n" + "\n".join(f"  {layout.looks_for}" for layout in LAYOUTS)


def _found(root: Path) -> str:
    """A line about what lies directly in `root`."""
    entries = sorted(path for path in root.iterdir() if not path.name.startswith("."))
    folders = [f"{path.name}/" for path in entries if path.is_dir()]
    kinds = Counter(path.suffix.lower() or "no suffix" for path in entries if path.is_file())
    files = [f"{count} x {kind}" for kind, count in kinds.most_common(6)]
    parts = []
    if folders:
        more = f" and {len(folders) - 8} more" if len(folders) > 8 else ""
        parts.append(f"the folders {', '.join(folders[:8])}{more}")
    if files:
        parts.append(f"the files {', '.join(files)}")
    return "; ".join(parts) or "nothing, the folder is empty"
