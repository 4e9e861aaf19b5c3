"""The record of a layout on disk, and of the content that reading a folder in it gives."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from atrous.core.errors import AtrousError
from atrous.data.dataset import Dataset, Sample, Samples
from atrous.data.encoding import Colour, Encoding, voc_colour
from atrous.data.findings import Problem
from atrous.data.inspection import below

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class LayoutContent:
    """A data set, and what was seen to be wrong without opening an image.

    Where the train split has no sample, the first problem says why.
    """

    dataset: Dataset
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Layout:
    """A way in which data sets lie on disk.

    `looks_for` says what is looked for, as a tree. `find` gives the folder to read for a folder a
    user named (itself, or one in it), or None. `read` reads it, opens no image, and raises
    AtrousError where a part is missing.
    """

    name: str
    looks_for: str
    find: Callable[[Path], Path | None]
    read: Callable[[Path], LayoutContent]


@dataclass(frozen=True)
class Needed:
    """A folder or file a layout needs: any one of `paths`, which are relative; comes from `source`.

    `source` reads on from 'download': the archive and where it is to be had.
    """

    paths: tuple[str, ...]
    source: str


def require(layout: str, root: Path, parts: Sequence[Needed]) -> None:
    """Raises AtrousError, with all that is missing, unless every part is there."""
    missing = [p for p in parts if not any((root / path).exists() for path in p.paths)]
    if missing:
        names = " and no ".join(" or ".join(part.paths) for part in missing)
        mends = "; ".join(
            f"download {part.source} and unpack it so that {root / part.paths[0]} exists"
            for part in missing
        )
        raise AtrousError(f"{root} looks like {layout}, but has no {names}. To mend: {mends}.")


def is_any(root: Path, *paths: str) -> bool:
    """Whether one of the folders is there."""
    return any((root / path).is_dir() for path in paths)


def read_lines(path: Path) -> list[str]:
    """The lines without blanks around them; blank lines at the end are dropped."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise AtrousError(
            f"{path} is not UTF-8 text ({error}). To mend: save it as UTF-8."
        ) from None
    # One ends a line, and nothing else does: not U+2028 nor U+0085, at which Python splits too.
    lines = composed(text).rstrip().split("\n")
    return [_SEPARATORS.sub(" ", line).strip() for line in lines] if text.strip() else []


_SEPARATORS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Characters that end a line for some programs, or steer a terminal: blanks within a name."""


def composed(text: str) -> str:
    """A name in Unicode's composed form (NFC): systems store one name in several forms."""
    return unicodedata.normalize("NFC", text)


_JUNK = frozenset(
    {
        "@eadir",
        "@recycle",
        "@recently-snapshot",
        "@tmp",
        "#recycle",
        "#snapshot",
        "__macosx",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
    }
)
"""Folders and files that systems put beside a user's, by their names in small letters."""


@dataclass(frozen=True)
class Below:
    """All that a person sees in and below a folder: `files`, sorted; `others` are no files, each
    with the reason why it is not read."""

    files: tuple[Path, ...]
    others: tuple[tuple[Path, str], ...] = ()


def is_seen(path: Path) -> bool:
    """Whether a file or folder is a user's: neither hidden nor left behind by a system."""
    return not path.name.startswith(".") and path.name.lower() not in _JUNK


def look_below(folder: Path) -> Below:
    """The files in and below a folder, through links; hidden ones and those of systems left out."""
    files: list[Path] = []
    others: list[tuple[Path, str]] = []
    _look(folder, (), files, others)
    return Below(tuple(sorted(files)), tuple(sorted(others)))


_DEAD = "is a link to nothing, or to a folder that it lies in: it is not followed"
_SPECIAL = "is not read: it is neither a file nor a folder, but a pipe, a socket or a device"


def _look(
    folder: Path, above: tuple[Path, ...], files: list[Path], others: list[tuple[Path, str]]
) -> None:
    """Adds what lies in a folder; `above` are the true places of those that led to it."""
    if not folder.is_dir():
        return
    above = (*above, folder.resolve())
    for path in folder.iterdir():
        if not is_seen(path):
            continue
        if path.is_dir():
            true = path.resolve()
            if path.is_symlink() and any(true in (up, *up.parents) for up in above):
                others.append((path, _DEAD))
            else:
                _look(path, above, files, others)
        elif path.is_file():
            files.append(path)
        else:
            others.append((path, _SPECIAL if path.exists() else _DEAD))


def read_names(path: Path) -> list[str]:
    """The image names of a split's list, sorted, each once.

    A line is a name (`2007_000032`) or an image's and a mask's path (`/JPEGImages/2007_000032.jpg
    /SegmentationClassAug/2007_000032.png`), of which the name of the image is taken.
    """
    first = (line.split()[0] for line in read_lines(path) if line)  # Composed, as names are.
    return sorted({PurePosixPath(word).name.removesuffix(".jpg") for word in first})


class ClassRow(NamedTuple):
    """A class: the number that stands for it on disk, its colour and its name."""

    id: int
    colour: Colour
    name: str


def parse(text: str) -> tuple[ClassRow, ...]:
    """The rows of lines `ID RED GREEN BLUE NAME`, where the name may hold spaces."""
    rows = []
    for line in text.strip().splitlines():
        number, red, green, blue, name = line.split(maxsplit=4)
        rows.append(ClassRow(int(number), (int(red), int(green), int(blue)), name))
    return tuple(rows)


def published(name: str) -> str:
    """Returns a table of this package, NAME.txt beside this file."""
    return (Path(__file__).parent / f"{name}.txt").read_text(encoding="utf-8")


def published_rows(name: str) -> tuple[ClassRow, ...]:
    """Returns the classes of such a table."""
    return parse(published(name))


def lookup(ids: dict[int, int], ignored: int, unknown: int) -> bytes:
    """256 class ids by value: `ids`, 255 becomes `ignored`, all that is not named `unknown`."""
    table = bytearray([unknown] * 256)
    table[255] = ignored
    for value, label in ids.items():
        table[value] = label
    return bytes(table)


Named = Mapping[str, tuple[Path, ...]]
"""Files under the name that an image and its mask share."""

_AGAIN = "unpack the published archives again, all of them into this folder"


@dataclass(frozen=True)
class SplitFiles:
    """The image and mask files of one split; names may lack a partner or be used twice.

    `image_at` and `mask_at` say where the files of a name belong, with `{}` for the name. `listed`
    are the names of the split, where a file lists them; `unread` are files and links that a person
    sees there, and that are not read, each with the reason.
    """

    images: Named
    masks: Named
    image_at: str
    mask_at: str
    listed: Sequence[str] = ()
    unread: Sequence[tuple[Path, str]] = ()

    def pairs(self) -> list[tuple[str, Path, Path]]:
        """(name, image, mask) of every name that has exactly one of each, sorted by name."""
        return [
            (name, images[0], self.masks[name][0])
            for name, images in sorted(self.images.items())
            if len(images) == 1 and len(self.masks.get(name, ())) == 1
        ]

    def samples(self, encoding: Encoding | Callable[[str], Encoding]) -> Samples:
        """The pairs with the encoding of their masks, which may depend on the name."""
        return tuple(
            Sample(*pair, encoding(pair[0]) if callable(encoding) else encoding)
            for pair in self.pairs()
        )


def ending(folder: Path, end: str) -> Named:
    """The files in and below a folder whose names end so, under the part before."""
    found: dict[str, tuple[Path, ...]] = {}
    for path in look_below(folder).files:
        if not path.name.endswith(end):
            continue
        name = composed(path.name.removesuffix(end))
        found[name] = (*found.get(name, ()), path)
    return found


def only(files: Named, names: Iterable[str]) -> Named:
    """The files of these names."""
    return {name: files[name] for name in names if name in files}


def all_of(files: Named) -> tuple[Path, ...]:
    """Every file, in the order of the names."""
    return tuple(path for paths in files.values() for path in paths)


def numbered(names: Iterable[str]) -> tuple[ClassRow, ...]:
    """Classes whose ids are their places, in the colours of the PASCAL VOC map."""
    return tuple(ClassRow(k, voc_colour(k), name) for k, name in enumerate(names))


def benchmark(
    name: str,
    root: Path,
    rows: Sequence[ClassRow],
    files: Mapping[str, SplitFiles],
    encoding: Encoding | Callable[[str], Encoding],
    unlabelled: tuple[Path, ...] = (),
) -> LayoutContent:
    """The reading of a published data set with the classes of `rows`.

    `encoding` is that of all masks, or tells that of a name; `unlabelled` are the test images,
    whose labels are not published.
    """
    splits = {split: files[split].samples(encoding) if split in files else () for split in SPLITS}
    classes, colours = tuple(row.name for row in rows), tuple(row.colour for row in rows)
    beside = {"test": unlabelled} if unlabelled else {}
    return assemble(Dataset(root, classes, splits, name, colours, beside), files)


def assemble(dataset: Dataset, files: Mapping[str, SplitFiles]) -> LayoutContent:
    """The reading of a data set, with the names in `files` that have no partner."""
    problems = [p for found in files.values() for p in _partners(dataset, found)]
    if not dataset.splits["train"]:
        problems = [_no_train(dataset, files["train"]), *problems]
    return LayoutContent(dataset, tuple(problems))


def _no_train(dataset: Dataset, files: SplitFiles) -> Problem:
    """Why no training sample came out of `files`, and how to mend it."""
    images, masks = len(files.images), len(files.masks)
    places = [at.rpartition("/")[0] for at in (files.image_at, files.mask_at)]
    finding = (
        f"{dataset.root / places[0]} holds {images} images and {dataset.root / places[1]} "
        f"{masks} masks of the train split, but no image has a mask of its name"
    )
    examples = [next(iter(sorted(names)), None) for names in (files.images, files.masks)]
    if all(examples):
        finding += f" (images are named like {examples[0]!r}, masks like {examples[1]!r})"
    mend = "give each mask the name of its image, with the suffix .png"
    return Problem("error", places[0], finding, _AGAIN if dataset.published else mend)


def _partners(dataset: Dataset, files: SplitFiles) -> Iterator[Problem]:
    """Names with an image or a mask only, names used by two files, names without any file, and
    files that are not read."""
    for path, why in files.unread:
        mend = "save it in another format or place, mend the link, or take it away"
        yield Problem("warning", below(dataset.root, path), why, mend)
    for name in files.listed:
        if name not in files.images and name not in files.masks:
            finding = f"is listed, but there is neither it nor {files.mask_at.format(name)}"
            yield Problem("warning", files.image_at.format(name), finding, _AGAIN)
    for kind, other, mine, theirs, at in (
        ("image", "mask", files.images, files.masks, files.mask_at),
        ("mask", "image", files.masks, files.images, files.image_at),
    ):
        for name, paths in mine.items():
            file = below(dataset.root, paths[0])
            if len(paths) > 1:
                finding = f"shares its name with {paths[1].name}; neither is used"
                if len({composed(str(path)) for path in paths}) < len(paths):
                    finding += " (the two are spelt in different forms of Unicode)"
                yield Problem("error", file, finding, f"give every {kind} a name of its own")
            elif name not in theirs:
                finding = f"has no {other} {at.format(name)}, so it is not used"
                hint = next((n for n in theirs if n.startswith(name) and n not in mine), None)
                finding += f" (is it {at.format(hint)}?)" if hint else ""
                mend = f"give each {kind} a {other} of the same name, or delete it"
                yield Problem("warning", file, finding, _AGAIN if dataset.published else mend)
