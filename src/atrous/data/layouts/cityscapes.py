"""Cityscapes (Cordts et al. 2016): leftImg8bit and gtFine, 19 classes out of 34 label ids.

Ids, train ids, names and colours are those of labels.py in mcordts/cityscapesScripts. The labels of
the test split are not published: the label images of the download are dummies, and are left alone.
"""

from __future__ import annotations

from pathlib import Path

from atrous.data.encoding import IGNORE, UNKNOWN, ValueEncoding
from atrous.data.layouts import layout

NAME = "Cityscapes"
IMAGE, MASK = "_leftImg8bit.png", "_gtFine_labelIds.png"

ROWS = layout.parse(
    """
 7  128  64 128  road
 8  244  35 232  sidewalk
11   70  70  70  building
12  102 102 156  wall
13  190 153 153  fence
17  153 153 153  pole
19  250 170  30  traffic light
20  220 220   0  traffic sign
21  107 142  35  vegetation
22  152 251 152  terrain
23   70 130 180  sky
24  220  20  60  person
25  255   0   0  rider
26    0   0 142  car
27    0   0  70  truck
28    0  60 100  bus
31    0  80 100  train
32    0   0 230  motorcycle
33  119  11  32  bicycle
"""
)

_LABELS = 34
_IGNORED = dict.fromkeys(range(_LABELS), IGNORE)
_TRAINED = {row.id: k for k, row in enumerate(ROWS)}
ENCODING = ValueEncoding(
    "the label ids 0 to 33", layout.lookup(_IGNORED | _TRAINED, IGNORE, UNKNOWN)
)

_SITE = "https://www.cityscapes-dataset.com/downloads/"
_PARTS = (
    layout.Needed(("leftImg8bit/train",), f"leftImg8bit_trainvaltest.zip from {_SITE}"),
    layout.Needed(("gtFine/train",), f"gtFine_trainvaltest.zip from {_SITE}"),
)

LOOKS_FOR = """Cityscapes:
    leftImg8bit/SPLIT/CITY/CITY_000000_000019_leftImg8bit.png     SPLIT is train, val or test
    gtFine/SPLIT/CITY/CITY_000000_000019_gtFine_labelIds.png"""


def find(root: Path) -> Path | None:
    return root if layout.is_any(root, "leftImg8bit", "gtFine") else None


def read(root: Path) -> layout.LayoutContent:
    layout.require(NAME, root, _PARTS)
    files = {split: _files(root, split) for split in ("train", "val")}
    test = layout.ending(root / "leftImg8bit" / "test", IMAGE)
    return layout.benchmark(NAME, root, ROWS, files, ENCODING, layout.all_of(test))


def _files(root: Path, split: str) -> layout.SplitFiles:
    images = layout.ending(root / "leftImg8bit" / split, IMAGE)
    masks = layout.ending(root / "gtFine" / split, MASK)
    at = f"leftImg8bit/{split}/CITY/{{}}{IMAGE}", f"gtFine/{split}/CITY/{{}}{MASK}"
    return layout.SplitFiles(images, masks, *at)


LAYOUT = layout.Layout(NAME, LOOKS_FOR, find, read)
