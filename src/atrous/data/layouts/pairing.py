"""Images and masks of a split, matched by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from atrous.data.checks.findings import Problem
from atrous.data.checks.inspection import below
from atrous.data.dataset import Dataset, Sample, Samples
from atrous.data.encoding import Encoding
from atrous.data.layouts.layout import LayoutContent

Named = Mapping[str, tuple[Path, ...]]
"""Files under the name that an image and its mask share."""

_AGAIN = "unpack the published archives again, all of them into this folder"


@dataclass(frozen=True)
class SplitFiles:
    """The image and mask files of one split; names may lack a partner or be used twice.

    `image_at` and `mask_at` say where the files of a name belong, with `{}` for the name. `listed`
    are the names of the split, where a file lists them.
    """

    images: Named
    masks: Named
    image_at: str
    mask_at: str
    listed: Sequence[str] = ()

    def pairs(self) -> list[tuple[str, Path, Path]]:
        """(name, image, mask) of every name that has exactly one of each, sorted by name."""
        return [
            (name, images[0], self.masks[name][0])
            for name, images in sorted(self.images.items())
            if len(images) == 1 and len(self.masks.get(name, ())) == 1
        ]

    def samples(self, encoding: Encoding) -> Samples:
        return tuple(Sample(*pair, encoding) for pair in self.pairs())


def ending(folder: Path, end: str) -> Named:
    """The files in and below a folder whose names end so, under the part before."""
    paths = sorted(path for path in folder.rglob(f"*{end}") if not path.name.startswith("."))
    found: dict[str, tuple[Path, ...]] = {}
    for path in paths:
        name = path.name.removesuffix(end)
        found[name] = (*found.get(name, ()), path)
    return found


def only(files: Named, names: Iterable[str]) -> Named:
    """The files of these names."""
    return {name: files[name] for name in names if name in files}


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
    """Names with an image or a mask only, names used by two files, names without any file."""
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
                yield Problem("error", file, finding, f"give every {kind} a name of its own")
            elif name not in theirs:
                finding = f"has no {other} {at.format(name)}, so it is not used"
                hint = next((n for n in theirs if n.startswith(name) and n not in mine), None)
                finding += f" (is it {at.format(hint)}?)" if hint else ""
                mend = f"give each {kind} a {other} of the same name, or delete it"
                yield Problem("warning", file, finding, _AGAIN if dataset.published else mend)
