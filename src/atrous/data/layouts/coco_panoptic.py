"""COCO panoptic (Kirillov et al. 2019) as semantic segmentation: 80 things and 53 merged stuff.

A pixel's R + 256 G + 65536 B is the id of a segment, whose category the JSON file tells; segment 0
is void and ignored. Crowds count as their category, as in the official conversion
(panoptic2semantic_segmentation.py of cocodataset/panopticapi).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.core.records import parse
from atrous.data.encoding import SegmentEncoding, segments_of
from atrous.data.inspection import below
from atrous.data.layouts.layout import (
    Layout,
    LayoutContent,
    Needed,
    SplitFiles,
    all_of,
    benchmark,
    ending,
    only,
    published,
    published_rows,
    require,
)

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


def test_images(images: Path) -> tuple[Path, ...]:
    """The images whose labels are not published."""
    return all_of(ending(images / "test2017", ".jpg"))


STUFF_FROM = 92
STUFF = tuple(published("coco_stuff").split())

PANOPTIC = published_rows("coco_panoptic")


NAME = "COCO panoptic"
VALUES = "the segment ids that the JSON file lists for this image, and 0 for void"

Segments = Mapping[str, bytes]
"""Each image's segments, as SegmentEncoding keeps them, by the image's name."""

_CLASS = {row.id: k for k, row in enumerate(PANOPTIC)}
_ARCHIVE = "panoptic_annotations_trainval2017.zip from https://cocodataset.org/#download"
_PNGS = (
    "panoptic_train2017.zip, which lies in panoptic_annotations_trainval2017.zip from "
    "https://cocodataset.org/#download,"
)

LOOKS_FOR = """COCO panoptic (the folder of the images, or its folder annotations):
    train2017/NAME.jpg   val2017/NAME.jpg     or both in images/
    annotations/panoptic_train2017.json   panoptic_val2017.json
    annotations/panoptic_train2017/NAME.png   panoptic_val2017/NAME.png
    (or the last two without annotations/)"""


def find(root: Path) -> Path | None:
    """The folder of the JSON files; where these are missing, the one of the PNGs."""
    signs = [f"panoptic_{name}{end}" for end in (".json", "") for name in SPLITS.values()]
    places = [(place, sign) for sign in signs for place in (root / "annotations", root)]
    return next((place for place, sign in places if (place / sign).exists()), None)


def read(root: Path) -> LayoutContent:
    base = root.parent if root.name == "annotations" else root
    up = "../" if base != root else ""
    pngs = ("panoptic_train2017", f"{up}panoptic_train2017")
    require(NAME, root, (Needed(("panoptic_train2017.json",), _ARCHIVE), Needed(pngs, _PNGS)))
    images = require_images(NAME, base)
    present = [split for split in SPLITS if _json(root, split).is_file()]
    tracked = track(present, "reading panoptic annotations", len(present))
    segments = {split: _read_segments(_json(root, split)) for split in tracked}
    files = {split: _files(root, base, images, split, found) for split, found in segments.items()}
    known = {name: each for found in segments.values() for name, each in found.items()}

    def encoding(name: str) -> SegmentEncoding:
        return SegmentEncoding(VALUES, known[name])

    return benchmark(NAME, root, PANOPTIC, files, encoding, test_images(images))


def _json(root: Path, split: str) -> Path:
    return root / f"panoptic_{SPLITS[split]}.json"


def _files(root: Path, base: Path, images: Path, split: str, segments: Segments) -> SplitFiles:
    name = SPLITS[split]
    places = [place / f"panoptic_{name}" for place in (root, base)]
    masks = next((place for place in places if place.is_dir()), places[0])
    return SplitFiles(
        ending(images / name, ".jpg"),
        only(ending(masks, ".png"), segments),
        f"{images / name}/{{}}.jpg",
        f"{below(root, masks)}/{{}}.png with segments in panoptic_{name}.json",
    )


def _read_segments(path: Path) -> Segments:
    """Raises AtrousError if the file is no panoptic JSON."""
    stat = path.stat()
    try:
        return _parse(path, stat.st_size, stat.st_mtime_ns)
    except (ValueError, KeyError, TypeError) as error:
        raise AtrousError(
            f"{path} is no panoptic JSON file ({type(error).__name__}: {error}). To mend: unpack "
            f"{_ARCHIVE} again."
        ) from None


@lru_cache(maxsize=4)
def _parse(path: Path, _size: int, _modified: int) -> Segments:
    annotations: list[dict[str, Any]] = parse(path.read_bytes())["annotations"]
    return {
        Path(annotation["file_name"]).stem: segments_of(
            {
                int(segment["id"]): _CLASS[segment["category_id"]]
                for segment in annotation["segments_info"]
                if segment["category_id"] in _CLASS
            }
        )
        for annotation in annotations
    }


LAYOUT = Layout(NAME, LOOKS_FOR, find, read)
