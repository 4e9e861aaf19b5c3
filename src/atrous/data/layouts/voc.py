"""PASCAL VOC 2012 segmentation (Everingham et al. 2012), with the augmented training set if there.

21 classes; the PNGs' palette indices are the class ids, 255 is the border between objects. The
augmented set (Hariharan et al. 2011) is the 10,582 names of train_aug.txt with masks in
SegmentationClassAug; val stays the official one. The labels of test are not published.
"""

from __future__ import annotations

from pathlib import Path

from atrous.data.encoding import IGNORE, UNKNOWN, ValueEncoding
from atrous.data.layouts import layout

NAME = "PASCAL VOC 2012"
CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
ENCODING = ValueEncoding(
    "the class ids 0 to 20, and 255 for the border",
    layout.lookup({k: k for k in range(len(CLASSES))}, IGNORE, UNKNOWN),
)

LISTS = "ImageSets/Segmentation"
AUGMENTED = "SegmentationClassAug"
AUGMENTED_LISTS = (f"{LISTS}/train_aug.txt", f"{LISTS}/trainaug.txt")

_ARCHIVE = "VOCtrainval_11-May-2012.tar from http://host.robots.ox.ac.uk/pascal/VOC/voc2012/"
_PARTS = tuple(
    layout.Needed((path,), _ARCHIVE)
    for path in ("JPEGImages", "SegmentationClass", f"{LISTS}/train.txt", f"{LISTS}/val.txt")
)
_AUGMENTED_PARTS = (
    layout.Needed((AUGMENTED,), "SegmentationClassAug.zip (the augmented masks as PNG)"),
    layout.Needed(
        AUGMENTED_LISTS, "train_aug.txt (the 10,582 names of the augmented training set)"
    ),
)

LOOKS_FOR = """PASCAL VOC 2012 (this folder, VOCdevkit, or the folder that holds VOCdevkit):
    JPEGImages/NAME.jpg
    SegmentationClass/NAME.png
    ImageSets/Segmentation/train.txt   val.txt
    SegmentationClassAug/NAME.png and ImageSets/Segmentation/train_aug.txt   (may be left out)"""


def find(root: Path) -> Path | None:
    for base in (root, root / "VOC2012", root / "VOCdevkit" / "VOC2012"):
        named = base.name == "VOC2012" and base.is_dir()
        if named or layout.is_any(base, "SegmentationClass", AUGMENTED, LISTS):
            return base
    return None


def read(root: Path) -> layout.LayoutContent:
    layout.require(NAME, root, _PARTS)
    lists = [path for path in AUGMENTED_LISTS if (root / path).is_file()]
    if lists or (root / AUGMENTED).is_dir():
        layout.require(NAME + " with the augmented training set", root, _AUGMENTED_PARTS)
    images, masks = (
        layout.ending(root / "JPEGImages", ".jpg"),
        layout.ending(root / "SegmentationClass", ".png"),
    )
    files = {"val": _files(root, f"{LISTS}/val.txt", images, masks, "SegmentationClass")}
    if lists:
        masks = {**masks, **layout.ending(root / AUGMENTED, ".png")}
    train, place = (lists[0], AUGMENTED) if lists else (f"{LISTS}/train.txt", "SegmentationClass")
    files = {"train": _files(root, train, images, masks, place), **files}
    return layout.benchmark(
        NAME, root, layout.numbered(CLASSES), files, ENCODING, _test(root, images)
    )


def _files(
    root: Path, names: str, images: layout.Named, masks: layout.Named, place: str
) -> layout.SplitFiles:
    listed = layout.read_names(root / names)
    at = "JPEGImages/{}.jpg", f"{place}/{{}}.png"
    return layout.SplitFiles(layout.only(images, listed), layout.only(masks, listed), *at, listed)


def _test(root: Path, images: layout.Named) -> tuple[Path, ...]:
    """The images whose labels are not published, where a list names them."""
    listed = root / LISTS / "test.txt"
    return layout.all_of(layout.only(images, layout.read_names(listed))) if listed.is_file() else ()


LAYOUT = layout.Layout(NAME, LOOKS_FOR, find, read)
