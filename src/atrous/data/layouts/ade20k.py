"""ADE20K as the MIT scene parsing benchmark (Zhou et al. 2017): 150 classes, 0 is 'other'.

The value `v` of an annotation, 1 to 150, is class `v - 1`; 0 ('other objects') is ignored, as in
the benchmark's own evaluation. The labels of its test images are not published.
"""

from __future__ import annotations

from pathlib import Path

from atrous.data.encoding import IGNORE, UNKNOWN, ValueEncoding
from atrous.data.layouts import layout

NAME = "ADE20K"
FOLDER = "ADEChallengeData2016"
ROWS = layout.published_rows("ade20k")
"""The first names of the benchmark's objectInfo150.txt, in the colours of its color150."""
ENCODING = ValueEncoding(
    "0 for 'other', and 1 to 150",
    layout.lookup({0: IGNORE} | {row.id: k for k, row in enumerate(ROWS)}, UNKNOWN, UNKNOWN),
)

_SPLITS = {"train": "training", "val": "validation"}
_ARCHIVE = "ADEChallengeData2016.zip from http://sceneparsing.csail.mit.edu"
_PARTS = (
    layout.Needed(("images/training",), _ARCHIVE),
    layout.Needed(("annotations/training",), _ARCHIVE),
)

LOOKS_FOR = """ADE20K (this folder, named ADEChallengeData2016, or the one that holds it):
    images/training/ADE_train_00000001.jpg        images/validation/ADE_val_00000001.jpg
    annotations/training/ADE_train_00000001.png   annotations/validation/ADE_val_00000001.png"""


def find(root: Path) -> Path | None:
    signs = [f"{kind}/{name}" for kind in ("images", "annotations") for name in _SPLITS.values()]
    # A data set of one's own may call a folder images/validation beside its images/train.
    places = [base for base in (root, root / FOLDER) if not layout.is_any(base, "images/train")]
    return next((base for base in places if layout.is_any(base, *signs)), None)


def read(root: Path) -> layout.LayoutContent:
    layout.require(NAME, root, _PARTS)
    files = {
        split: layout.SplitFiles(
            layout.ending(root / "images" / name, ".jpg"),
            layout.ending(root / "annotations" / name, ".png"),
            f"images/{name}/{{}}.jpg",
            f"annotations/{name}/{{}}.png",
        )
        for split, name in _SPLITS.items()
    }
    return layout.benchmark(NAME, root, ROWS, files, ENCODING)


LAYOUT = layout.Layout(NAME, LOOKS_FOR, find, read)
