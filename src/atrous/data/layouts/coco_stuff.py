"""COCO-Stuff (Caesar et al. 2018): 80 things and 91 stuff classes in one PNG per image.

The value `v` of a PNG stands for category `v + 1`, 255 for 'unlabeled', which is ignored. Of the
182 categories, 11 things have no pixel anywhere and are no class. Colours are those of COCO
panoptic for the 116 categories it keeps; COCO-Stuff itself publishes no table, so the others take
the colour of their id in the PASCAL VOC map.
"""

from __future__ import annotations

from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.data.encoding import IGNORE, UNKNOWN, ValueEncoding, voc_colour
from atrous.data.layouts import coco_panoptic, layout
from atrous.data.layouts.coco_panoptic import (
    PANOPTIC,
    SPLITS,
    STUFF,
    STUFF_FROM,
    find_images,
    holds,
    require_images,
    test_images,
)

NAME = "COCO-Stuff"
FOLDERS = ("stuffthingmaps_trainval2017", "stuffthingmaps", "annotations")

_COLOURS = {row.id: row.colour for row in PANOPTIC}
_THINGS = tuple(row for row in PANOPTIC if row.id < STUFF_FROM)
_STUFF = tuple(
    layout.ClassRow(number, _COLOURS.get(number, voc_colour(number)), name)
    for number, name in enumerate(STUFF, STUFF_FROM)
)
ROWS = (*_THINGS, *_STUFF)
ENCODING = ValueEncoding(
    "0 to 181 without the 11 unused things, and 255 for 'unlabeled'",
    layout.lookup({row.id - 1: k for k, row in enumerate(ROWS)}, IGNORE, UNKNOWN),
)

LOOKS_FOR = """COCO-Stuff (the folder of the images, or the one of the PNGs):
    train2017/NAME.jpg   val2017/NAME.jpg     or both in images/
    stuffthingmaps_trainval2017/train2017/NAME.png   val2017/NAME.png
    (or stuffthingmaps/, annotations/)"""


def find(root: Path) -> Path | None:
    """The folder of the PNGs; where there are images only, their folder."""
    masks = _masks(root)
    if masks is None and find_images(root) and coco_panoptic.find(root) is None:
        return root
    return masks


def read(root: Path) -> layout.LayoutContent:
    if not holds(root, ".png"):
        raise AtrousError(
            f"{root} holds images of COCO, but no masks. To mend: download "
            "stuffthingmaps_trainval2017.zip from https://github.com/nightrome/cocostuff and "
            f"unpack it so that {root / FOLDERS[0] / 'train2017'} exists; or, for panoptic "
            "classes, panoptic_annotations_trainval2017.zip from "
            f"https://cocodataset.org/#download so that {root / 'annotations'} exists."
        )
    images = require_images(NAME, root.parent)
    files = {
        split: layout.SplitFiles(
            layout.ending(images / name, ".jpg"),
            _published(root / name),
            f"{images / name}/{{}}.jpg",
            f"{name}/{{}}.png",
        )
        for split, name in SPLITS.items()
    }
    return layout.benchmark(NAME, root, ROWS, files, ENCODING, test_images(images))


def _masks(root: Path) -> Path | None:
    places = (*(root / name for name in FOLDERS), root)
    return next((place for place in places if holds(place, ".png")), None)


def _published(folder: Path) -> dict[str, tuple[Path, ...]]:
    """The PNGs without the converted copies that other programs put beside them."""
    found = layout.ending(folder, ".png")
    return {name: paths for name, paths in found.items() if "_labelTrainIds" not in name}


LAYOUT = layout.Layout(NAME, LOOKS_FOR, find, read)
