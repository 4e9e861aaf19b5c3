"""PASCAL-Person-Part (Chen et al. 2014; Xia et al. 2017): 7 classes on images of PASCAL VOC 2010.

Two ways of lying on disk are known: the archive of the DeepLab authors beside a VOCdevkit, with
lists in pascal_person_part_trainval_list; and the repacked one of human parsing projects, with
JPEGImages, train_id.txt and val_id.txt in the same folder. There is no official colour map: colours
are the first of the PASCAL VOC map, in which these masks are usually shown.
"""

from __future__ import annotations

from pathlib import Path

from atrous.data.encoding import IGNORE, UNKNOWN, ValueEncoding
from atrous.data.layouts import layout

NAME = "PASCAL-Person-Part"
CLASSES = ("background", "head", "torso", "upper arms", "lower arms", "upper legs", "lower legs")
ENCODING = ValueEncoding(
    "the class ids 0 to 6, and 255 for 'ignore'",
    layout.lookup({k: k for k in range(len(CLASSES))}, IGNORE, UNKNOWN),
)

FOLDER = "pascal_person_part"
MASKS = "pascal_person_part_gt"
_LIST_FOLDER = "pascal_person_part_trainval_list"
_LISTS = {
    split: tuple(f"{place}{split}{end}.txt" for place in (f"{_LIST_FOLDER}/", "") for end in ends)
    for split, ends in (("train", ("", "_id")), ("val", ("", "_id")))
}
_IMAGES = (
    "JPEGImages",
    "../JPEGImages",
    *(
        f"{up}{year}/JPEGImages"
        for year in ("VOC2010", "VOC2012")
        for up in ("../", "../VOCdevkit/")
    ),
)

_ARCHIVE = "pascal_person_part.zip from http://liangchiehchen.com/projects/DeepLab.html"
_VOC = "VOCtrainval_03-May-2010.tar from http://host.robots.ox.ac.uk/pascal/VOC/voc2010/"
_PARTS = (
    layout.Needed((MASKS,), _ARCHIVE),
    *(layout.Needed(lists, _ARCHIVE) for lists in _LISTS.values()),
    layout.Needed(_IMAGES, _VOC),
)

LOOKS_FOR = """PASCAL-Person-Part (this folder, named pascal_person_part, or the one that holds it):
    pascal_person_part_gt/NAME.png
    pascal_person_part_trainval_list/train.txt   val.txt     or train_id.txt   val_id.txt
    JPEGImages/NAME.jpg     or beside it: ../JPEGImages, ../VOCdevkit/VOC2010/JPEGImages"""


def find(root: Path) -> Path | None:
    if layout.is_any(root, MASKS, _LIST_FOLDER):
        return root
    return root / FOLDER if layout.is_any(root / FOLDER, MASKS, _LIST_FOLDER) else None


def read(root: Path) -> layout.LayoutContent:
    layout.require(NAME, root, _PARTS)
    folder = _first(root, _IMAGES)
    images, masks = layout.ending(root / folder, ".jpg"), layout.ending(root / MASKS, ".png")
    files = {}
    for split, lists in _LISTS.items():
        names = layout.read_names(root / _first(root, lists))
        at = f"{folder}/{{}}.jpg", f"{MASKS}/{{}}.png"
        files[split] = layout.SplitFiles(
            layout.only(images, names), layout.only(masks, names), *at, names
        )
    return layout.benchmark(NAME, root, layout.numbered(CLASSES), files, ENCODING)


def _first(root: Path, paths: tuple[str, ...]) -> str:
    return next(path for path in paths if (root / path).exists())


LAYOUT = layout.Layout(NAME, LOOKS_FOR, find, read)
