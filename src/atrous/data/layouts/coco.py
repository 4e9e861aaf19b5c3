"""The images and categories of COCO 2017, which COCO-Stuff and COCO panoptic label.

`PANOPTIC` are the 80 things and 53 merged stuff categories of panoptic_coco_categories.json
(cocodataset/panopticapi; Kirillov et al. 2019). `STUFF` are the 91 stuff categories, ids 92 to 182,
of labels.txt (nightrome/cocostuff; Caesar et al. 2018).
"""

from __future__ import annotations

from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.data.layouts.layout import ending, published, published_rows

SPLITS = {"train": "train2017", "val": "val2017"}


def holds(folder: Path, suffix: str) -> bool:
    """Whether a file of this suffix lies in one of the two splits' folders of `folder`."""
    return any(any((folder / name).glob(f"*{suffix}")) for name in SPLITS.values())


def find_images(root: Path) -> Path | None:
    """The folder that holds the splits' images: `root` or the folder `images` in it."""
    return next((base for base in (root, root / "images") if holds(base, ".jpg")), None)


def require_images(layout: str, root: Path) -> Path:
    """`find_images`, where AtrousError says what is missing."""
    images = find_images(root)
    if images is None:
        raise AtrousError(
            f"{root} looks like {layout}, but has no images train2017/*.jpg. To mend: download "
            "train2017.zip and val2017.zip from https://cocodataset.org/#download and unpack them "
            f"so that {root / 'train2017'} exists."
        )
    return images


def unlabelled(images: Path) -> dict[str, tuple[Path, ...]]:
    """The test images, whose labels are not published."""
    found = ending(images / "test2017", ".jpg")
    return {"test": tuple(path for paths in found.values() for path in paths)} if found else {}


STUFF_FROM = 92
STUFF = tuple(published("coco_stuff").split())

PANOPTIC = published_rows("coco_panoptic")
