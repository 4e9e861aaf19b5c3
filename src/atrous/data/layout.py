"""The folder layout of a data set: which files lie where, by name alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from atrous.errors import AtrousError

SPLITS = ("train", "val", "test")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})

EXPECTED = """\
    classes.txt                  one class name a line, in the order of the ids 0, 1, 2, ...
    images/train/NAME.jpg        or .png .bmp .tif .webp
    images/val/   images/test/   the same (may be left out)
    masks/train/NAME.png         8-bit class ids of the image of the same NAME, 255 = ignore
    masks/val/    masks/test/    the same"""

Named = dict[str, tuple[Path, ...]]
"""Files under their name: the path inside the split's folder without suffix, with `/`."""


@dataclass(frozen=True)
class SplitFiles:
    """The image and mask files of one split; names may lack a partner or be used twice."""

    images: Named
    masks: Named

    def pairs(self) -> list[tuple[str, Path, Path]]:
        """(name, image, mask) of every name that has exactly one of each, sorted by name."""
        return [
            (name, images[0], self.masks[name][0])
            for name, images in sorted(self.images.items())
            if len(images) == 1 and len(self.masks.get(name, ())) == 1
        ]


def list_split(root: Path, split: str) -> SplitFiles:
    return SplitFiles(_named(root / "images" / split), _named(root / "masks" / split))


def require_layout(root: Path) -> None:
    """Raises AtrousError, with the expected tree and what is there, unless `root` has it."""
    if not root.exists():
        raise AtrousError(
            f"There is no folder {root}. Check the spelling; "
            "`atrous scenes DIR` draws a data set to try things on."
        )
    if not root.is_dir():
        raise AtrousError(f"Expected a data set's folder, got the file {root}. {_tree(root)}")
    missing = [f for f in ("images/train", "masks/train") if not (root / f).is_dir()]
    if missing:
        raise AtrousError(
            f"{root} is not laid out as a data set: it has no {' and no '.join(missing)}.\n"
            f"{_tree(root)}\nFound: {_found(root)}.\n"
            "To mend: move your files into this layout (links will do). "
            "`atrous scenes DIR` writes a small example of it."
        )


def read_classes(root: Path) -> tuple[str, ...]:
    """Class names in the order of their ids. Raises AtrousError if missing, empty or doubled."""
    path = root / "classes.txt"
    if not path.is_file():
        raise AtrousError(
            f"Expected the class names in {path}, which does not exist. "
            "To mend: write one class name a line, in the order of the ids 0, 1, 2, ..."
        )
    names = _lines(path)
    if not names:
        raise AtrousError(f"{path} is empty. To mend: write one class name a line.")
    if "" in names:
        raise AtrousError(
            f"{path} has an empty line {names.index('') + 1}, where class {names.index('')} should "
            "be named. To mend: give it a name or delete the line; the line's place is the id."
        )
    _refuse_doubles(path, names)
    if len(names) > 255:
        raise AtrousError(f"{path} names {len(names)} classes; 8-bit masks hold at most 255.")
    return tuple(names)


def no_train_message(root: Path, files: SplitFiles) -> str:
    """Why no training sample came out of `files`, and how to mend it."""
    images, masks = len(files.images), len(files.masks)
    found = (
        f"{root / 'images' / 'train'} holds {images} images and {root / 'masks' / 'train'} "
        f"{masks} masks, but no image has a mask of its name"
    )
    examples = [next(iter(sorted(names)), None) for names in (files.images, files.masks)]
    if all(examples):
        found += f" (images are named like {examples[0]!r}, masks like {examples[1]!r})"
    return f"{found}. To mend: give each mask the name of its image, with the suffix .png."


def _named(folder: Path) -> Named:
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in inside.parts)
        if path.suffix.lower() in SUFFIXES and not hidden and path.is_file():
            found.setdefault(inside.with_suffix("").as_posix(), []).append(path)
    return {name: tuple(paths) for name, paths in found.items()}


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AtrousError(
            f"{path} is not UTF-8 text ({error}). To mend: save it as UTF-8."
        ) from None
    return [line.strip() for line in text.rstrip().splitlines()]


def _refuse_doubles(path: Path, names: list[str]) -> None:
    doubles = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubles:
        raise AtrousError(
            f"{path} names {', '.join(map(repr, doubles))} more than once. "
            "To mend: give every class a name of its own."
        )


def _tree(root: Path) -> str:
    return f"Expected:\n  {root}/\n{EXPECTED}"


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
