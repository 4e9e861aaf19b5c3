"""Finding the images to predict: files and folders that a user names, or those of a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.data.dataset import Dataset
from atrous.data.encoding import Colour, voc_colours
from atrous.data.layouts import cityscapes, voc
from atrous.data.layouts.folder import SUFFIXES, named, unread
from atrous.data.layouts.layout import look_below
from atrous.data.pixels import Pixels, Tell, silent
from atrous.model.predict.outputs import InputImage, Writer

_LABEL_IDS = np.array([row.id for row in cityscapes.ROWS], dtype=np.uint8)


def find_images(named: Sequence[Path], out: Path, tell: Tell = silent) -> tuple[InputImage, ...]:
    """Finds the files named, whatever their suffix, and the images in and below the folders.

    Of a folder, files with one of `SUFFIXES` are images, through links; hidden ones excepted, those
    of systems, and files below `out`, which may lie within it. `tell` is given those that a person
    sees there and that are not read. A file named twice is taken once.

    Raises AtrousError for a path that does not exist, a folder without images, and two images
    whose results would have the same name.
    """
    found: dict[str, InputImage] = {}
    for path in named:
        for image in _images(path, out, tell):
            other = found.setdefault(image.name.casefold(), image)
            if other.path.resolve() != image.path.resolve():
                raise AtrousError(
                    f"{other.path} and {image.path} would both be written as {image.name}.png. "
                    "To mend: rename one, or give each an --out of its own."
                )
    return tuple(found.values())


def _images(path: Path, out: Path, tell: Tell) -> Iterator[InputImage]:
    if path.is_dir():
        below = tuple(_below(path, out.resolve(), tell))
        if not below:
            raise AtrousError(
                f"Expected images in {path}, but no file in it or below it ends in "
                f"{', '.join(sorted(SUFFIXES))}. Name the files themselves to read others."
            )
        yield from below
    elif path.is_file():
        yield InputImage(path.stem, path)
    else:
        what = "is a pipe, a socket or a device" if path.exists() else "does not exist"
        raise AtrousError(f"Expected an image or a folder of images, but {path} {what}.")


def _below(folder: Path, out: Path, tell: Tell) -> Iterator[InputImage]:
    seen = look_below(folder)
    for path, why in unread(seen):
        if out not in path.resolve().parents:
            tell(f"{path} {why}.")
    for name, paths in named(folder, seen).items():
        yield from (InputImage(name, path) for path in paths if out not in path.resolve().parents)


def label_ids(_image: Pixels, ids: Pixels, _colours: Sequence[Colour]) -> Image.Image:
    """Draws the 19 classes as Cityscapes' label ids, of which road is 7 and bicycle 33."""
    return Image.fromarray(_LABEL_IDS[ids])


def voc_palette(_image: Pixels, ids: Pixels, _colours: Sequence[Colour]) -> Image.Image:
    """Draws class ids in the whole VOC colour map, as the masks of SegmentationClass are."""
    picture = Image.fromarray(ids)
    picture.putpalette([channel for colour in voc_colours(256) for channel in colour])
    return picture


@dataclass(frozen=True)
class Submission:
    """The results that the server of a data set wants.

    `layout` is that of the data set whose images are submitted; an image file's name ends in
    `end`, before which is the name in `writer.place`; `pack` is how a user packs the result.
    """

    layout: str
    end: str
    writer: Writer
    pack: str


SUBMISSIONS = {
    # evalPixelLevelSemanticLabeling.py of cityscapesScripts looks in and below a folder for the
    # one file CITY_SEQUENCE_FRAME*.png.
    "cityscapes": Submission(
        cityscapes.NAME,
        cityscapes.IMAGE,
        Writer("cityscapes/{}_labelIds.png", label_ids),
        "zip -r -j cityscapes.zip {}/cityscapes",
    ),
    # comp6 is the competition for training with any data; comp5, VOC's own data alone, excludes
    # backbones trained on ImageNet.
    "voc": Submission(
        voc.NAME,
        ".jpg",
        Writer("results/VOC2012/Segmentation/comp6_test_cls/{}.png", voc_palette),
        "tar czf results.tgz -C {} results",
    ),
}


def find_submission(name: str) -> Submission:
    """Finds the submission to a server; raises AtrousError for one that is not known."""
    if name not in SUBMISSIONS:
        raise AtrousError(f"--submission: expected {' or '.join(SUBMISSIONS)}, got {name!r}.")
    return SUBMISSIONS[name]


def submitted_images(
    submission: Submission, dataset: Dataset, split: str, classes: Sequence[str]
) -> tuple[InputImage, ...]:
    """Lists the images of a split, labelled or not, that a model of these classes predicts.

    Raises AtrousError if the data set has another layout or other classes, or no such images.
    """
    if dataset.layout != submission.layout:
        raise AtrousError(
            f"Expected the folder of {submission.layout} for this --submission, but "
            f"{dataset.root} is laid out as {dataset.layout}."
        )
    if tuple(classes) != dataset.classes:
        raise AtrousError(
            f"Expected a model of the {len(dataset.classes)} classes of {dataset.layout}, "
            f"{dataset.classes[0]}, {dataset.classes[1]}, ..., in this order; this one has the "
            f"{len(classes)} classes {', '.join(classes)}."
        )
    labelled = tuple(sample.image for sample in dataset.splits.get(split, ()))
    paths = labelled or dataset.unlabelled.get(split, ())
    if not paths:
        raise AtrousError(f"{dataset.root} has no {split} images. {_where(dataset, split)}")
    return tuple(InputImage(path.name.removesuffix(submission.end), path) for path in paths)


def _where(dataset: Dataset, split: str) -> str:
    have = [name for name in ("train", "val", "test") if dataset.splits.get(name)]
    have += [name for name in dataset.unlabelled if name not in have]
    mend = "To mend: unpack the archive that holds them into the same folder"
    if dataset.layout == voc.NAME and split == "test":
        mend += f"; their names are listed in {voc.LISTS}/test.txt"
    return f"It has images of {', '.join(have)}. {mend}."
