"""Data sets of one's own: images/SPLIT, masks/SPLIT, classes.txt; matched by name alone.

Where images/ and masks/ hold files and no splits, the names are divided: by `split.txt`, or by
shares. What an image's name decides stays from run to run, and on every machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.core.files import save_text
from atrous.data.dataset import Dataset, rank
from atrous.data.encoding import IDENTITY
from atrous.data.layouts import layout

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp"})

CLASSES = "classes.txt"
"""The file of the class names."""
_BESIDE = frozenset({".txt", ".md", ".json", ".xml", ".csv", ".yaml", ".yml", ".html", ".log"})
"""Files that people keep beside images, and that nobody takes for one."""

EXPECTED = """\
    classes.txt                  one class name a line, in the order of the ids 0, 1, 2, ...
    images/train/NAME.jpg        or .png .bmp .tif .webp
    images/val/   images/test/   the same (may be left out)
    masks/train/NAME.png         8-bit class ids of the image of the same NAME, 255 = ignore
    masks/val/    masks/test/    the same
  or without train/, val/ and test/ (see --split): images/NAME.jpg and masks/NAME.png"""

_REQUIRED = ("images/train", "masks/train")
SPLIT, SHARES = "split.txt", "0.8,0.1,0.1"
"""The file that says how a folder without splits is divided, and how it is without such a file."""


def find(root: Path) -> Path | None:
    present = (*_REQUIRED, CLASSES)
    known = any((root / part).exists() for part in present) or is_flat(root)
    return root if known else None


def is_flat(root: Path) -> bool:
    """Whether images/ and masks/ hold files themselves, and no folder of a split."""
    folders = [root / kind for kind in ("images", "masks")]
    if not all(folder.is_dir() for folder in folders):
        return False
    if any((folder / split).exists() for folder in folders for split in layout.SPLITS):
        return False
    return any(path.suffix.lower() in SUFFIXES for path in folders[0].iterdir())


def read(root: Path) -> layout.LayoutContent:
    """Only names with exactly one image and one mask become samples.

    Images of a test split that has no folder of masks are unlabelled.
    """
    if is_flat(root):
        return _read_flat(root)
    missing = [part for part in _REQUIRED if not (root / part).is_dir()]
    if missing:
        raise AtrousError(
            f"{root} is not laid out as a data set: it has no {' and no '.join(missing)}.\n"
            f"Expected:\n  {root}/\n{EXPECTED}\n"
            "To mend: move your files into this layout (links will do). "
            "`atrous scenes DIR` writes a small example of it."
        )
    classes = read_classes(root)
    files = {split: _list_split(root, split) for split in layout.SPLITS}
    beside = (*files["train"].unread, *_beside(root))
    files["train"] = replace(files["train"], unread=beside)
    unlabelled = {}
    if files["test"].images and not (root / "masks" / "test").is_dir():
        unlabelled = {"test": layout.all_of(files["test"].images)}
        files["test"] = replace(files["test"], images={})
    splits = {split: found.samples(IDENTITY) for split, found in files.items()}
    return layout.assemble(Dataset(root, classes, splits, unlabelled=unlabelled), files)


def _read_flat(root: Path) -> layout.LayoutContent:
    """Reads a folder without splits, its names divided."""
    classes, path = read_classes(root), root / SPLIT
    text = " ".join(layout.read_lines(path)) if path.is_file() else SHARES
    seen = [layout.look_below(root / kind) for kind in ("images", "masks")]
    images, masks = (named(root / k, s) for k, s in zip(("images", "masks"), seen, strict=True))
    parts = divided(sorted({*images, *masks}), text)
    left = [reason for found in seen for reason in unread(found)]
    files = {
        split: layout.SplitFiles(
            layout.only(images, names),
            layout.only(masks, names),
            *("images/{}.*", "masks/{}.*", ()),
            left if split == "train" else (),
        )
        for split, names in parts.items()
    }
    splits = {split: found.samples(IDENTITY) for split, found in files.items()}
    return layout.assemble(Dataset(root, classes, splits), files)


def divided(names: Sequence[str], text: str) -> dict[str, list[str]]:
    """Divides names into train, val and test: by shares, `0.8,0.1,0.1`, of the names in an order
    that their digests give; or by how they begin, `val=0006R0,test=Seq05`, the rest being train.

    Raises AtrousError for another text.
    """
    wanted = f"Expected shares of train, val and test that add up to 1, such as {SHARES}, or the "
    wanted += f"beginnings of names, such as val=0006R0,test=Seq05; got {text!r}."
    parts = [part.strip() for part in text.split(",")]
    if "=" in text:
        begins = [part.partition("=")[::2] for part in parts]
        if any(split not in layout.SPLITS or not prefix for split, prefix in begins):
            raise AtrousError(wanted)
        found: dict[str, list[str]] = {split: [] for split in layout.SPLITS}
        for name in names:
            found[next((s for s, begin in begins if name.startswith(begin)), "train")].append(name)
        return found
    try:
        shares = [float(part) for part in parts]
    except ValueError as error:
        raise AtrousError(wanted) from error
    if len(shares) not in (2, 3) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise AtrousError(wanted)
    ordered = sorted(names, key=rank)
    val, test = (max(1, round(s * len(names))) if s else 0 for s in (*shares[1:], 0.0)[:2])
    cut = max(0, len(names) - val - test)
    return {
        "train": sorted(ordered[:cut]),
        "val": sorted(ordered[cut : cut + val]),
        "test": sorted(ordered[cut + val :]),
    }


def keep_split(root: Path, text: str | None) -> None:
    """Keeps how a folder without splits is divided beside its images; raises AtrousError."""
    if text is None:
        return
    if not is_flat(root):
        raise AtrousError(
            f"--split divides a folder with images/NAME.jpg and masks/NAME.png; {root} is none, or "
            "has splits of its own. Leave --split out."
        )
    divided((), text)
    save_text(root / SPLIT, f"{text}\n")


LAYOUT = layout.Layout("folder", "A data set of your own:\n" + EXPECTED, find, read)


def read_classes(root: Path) -> tuple[str, ...]:
    """Class names in the order of their ids. Raises AtrousError if missing, empty or doubled."""
    path = root / CLASSES
    if not path.is_file():
        what = "is no file" if path.exists() else "does not exist"
        raise AtrousError(
            f"Expected the class names in {path}, which {what}. "
            "To mend: write one class name a line, in the order of the ids 0, 1, 2, ..."
        )
    names = layout.read_lines(path)
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


def _list_split(root: Path, split: str) -> layout.SplitFiles:
    at = [f"{kind}/{split}" for kind in ("images", "masks")]
    found = [layout.look_below(root / place) for place in at]
    images, masks = (named(root / place, seen) for place, seen in zip(at, found, strict=True))
    left = [reason for seen in found for reason in unread(seen)]
    return layout.SplitFiles(images, masks, f"{at[0]}/{{}}.*", f"{at[1]}/{{}}.*", (), left)


def _beside(root: Path) -> Iterator[tuple[Path, str]]:
    """The folders and images that lie beside the splits, such as images/validation."""
    for kind in ("images", "masks"):
        for path in sorted((root / kind).iterdir()):
            is_image = path.suffix.lower() in SUFFIXES and not path.is_dir()
            if (
                path.name not in layout.SPLITS
                and layout.is_seen(path)
                and (path.is_dir() or is_image)
            ):
                yield (
                    path,
                    f"is not read: {kind}/ holds the folders {', '.join(layout.SPLITS)} alone",
                )


def unread(seen: layout.Below) -> Iterator[tuple[Path, str]]:
    """Pipes and dead links, and the files that are no images by their names."""
    yield from seen.others
    for path in seen.files:
        if path.suffix.lower() not in SUFFIXES | _BESIDE:
            end = f"its name ends in {path.suffix}" if path.suffix else "its name has no ending"
            yield path, f"is not read: {end}, not in one of {', '.join(sorted(SUFFIXES))}"


def named(folder: Path, seen: layout.Below) -> layout.Named:
    """The images among the files seen below a folder, under their names: paths without suffix."""
    found: dict[str, list[Path]] = {}
    for path in seen.files:
        if path.suffix.lower() in SUFFIXES:
            name = layout.composed(path.relative_to(folder).with_suffix("").as_posix())
            found.setdefault(name, []).append(path)
    return {name: tuple(paths) for name, paths in found.items()}


def _refuse_doubles(path: Path, names: list[str]) -> None:
    doubles = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubles:
        raise AtrousError(
            f"{path} names {', '.join(map(repr, doubles))} more than once. "
            "To mend: give every class a name of its own."
        )
