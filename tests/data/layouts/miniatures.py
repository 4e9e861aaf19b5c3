"""Published data sets in miniature: the true layout, names and encodings, a few pixels each.

Each writer makes two training and two validation images without a fault, in which every class
occurs, and returns the folder a user would name.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from atrous.data.layouts.coco_panoptic import PANOPTIC
from tests.data import folder

HEIGHT, WIDTH = 12, 16

VOC_PALETTE_START = (0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0, 0, 0, 128, 128, 0, 128)


def values(*present: int) -> npt.NDArray[np.uint8]:
    """A mask of HEIGHT x WIDTH pixels, row by row the values, of which the last one fills up."""
    pixels = np.full(HEIGHT * WIDTH, present[-1], dtype=np.uint8)
    pixels[: len(present)] = present
    return pixels.reshape(HEIGHT, WIDTH)


def save_image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    folder.picture(seed, HEIGHT, WIDTH).save(path, quality=90)


def save_grey(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def save_palette(path: Path, pixels: npt.NDArray[np.uint8]) -> None:
    """A palette PNG with the first colours of VOC's map and its border colour at 255."""
    picture = Image.fromarray(pixels)
    rest = (7,) * (255 * 3 - len(VOC_PALETTE_START))
    picture.putpalette([*VOC_PALETTE_START, *rest, 224, 224, 192])
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)
    with Image.open(path) as saved:
        assert saved.mode == "P"


def cityscapes(root: Path) -> Path:
    """With a test split whose label images are dummies, as in the download."""
    cities = {"train": "aachen", "val": "munster", "test": "berlin"}
    for part, (split, city) in enumerate(cities.items()):
        for k in range(2):
            name = f"{city}_00000{k}_000019"
            labels = values(*range(34)) if split != "test" else values(1, 2, 3, 0)
            place = root / "gtFine" / split / city
            save_image(
                root / "leftImg8bit" / split / city / f"{name}_leftImg8bit.png", 10 * part + k
            )
            save_grey(place / f"{name}_gtFine_labelIds.png", labels)
            Image.new("RGBA", (WIDTH, HEIGHT)).save(place / f"{name}_gtFine_color.png")
            Image.new("I;16", (WIDTH, HEIGHT)).save(place / f"{name}_gtFine_instanceIds.png")
            (place / f"{name}_gtFine_polygons.json").write_text("{}")
    return root


def voc(root: Path) -> Path:
    """Palette masks with a border of 255, lists of names, and images that are in no list."""
    base = root / "VOCdevkit" / "VOC2012"
    lists = base / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    splits = {"train": ("2007_000032", "2007_000039"), "val": ("2007_000033", "2007_000042")}
    for part, (split, names) in enumerate(splits.items()):
        for k, name in enumerate(names):
            save_image(base / "JPEGImages" / f"{name}.jpg", 10 * part + k)
            save_palette(base / "SegmentationClass" / f"{name}.png", values(255, *range(21)))
        (lists / f"{split}.txt").write_text("\n".join(names) + "\n")
    (lists / "trainval.txt").write_text("\n".join(sorted(sum(splits.values(), ()))) + "\n")
    save_image(base / "JPEGImages" / "2007_000027.jpg", 77)
    return root


def person_part(root: Path) -> Path:
    """The archive of the DeepLab authors beside a VOCdevkit; lists of paths."""
    base, images = root / "pascal_person_part", root / "VOCdevkit" / "VOC2010" / "JPEGImages"
    lists = base / "pascal_person_part_trainval_list"
    lists.mkdir(parents=True)
    splits = {"train": ("2008_000008", "2008_000034"), "val": ("2008_000003", "2008_000026")}
    for part, (split, names) in enumerate(splits.items()):
        lines = []
        for k, name in enumerate(names):
            save_image(images / f"{name}.jpg", 10 * part + k)
            save_grey(base / "pascal_person_part_gt" / f"{name}.png", values(*range(7)))
            lines.append(f"/JPEGImages/{name}.jpg /pascal_person_part_gt/{name}.png\n")
        (lists / f"{split}.txt").write_text("".join(lines))
    return root


def ade20k(root: Path) -> Path:
    base = root / "ADEChallengeData2016"
    for part, (split, short) in enumerate((("training", "train"), ("validation", "val"))):
        for k in range(2):
            name = f"ADE_{short}_0000000{k + 1}"
            save_image(base / "images" / split / f"{name}.jpg", 10 * part + k)
            save_grey(base / "annotations" / split / f"{name}.png", values(*range(151)))
    (base / "objectInfo150.txt").write_text("Idx\tRatio\tTrain\tVal\tName\n1\t0.1\t1\t1\twall\n")
    return root


UNUSED_STUFF = (11, 25, 28, 29, 44, 65, 67, 68, 70, 82, 90)
"""Values of COCO's categories without a pixel: street sign, hat, shoe, ... less one."""


def coco_stuff(root: Path) -> Path:
    used = [v for v in range(182) if v not in UNUSED_STUFF]
    for part, split in enumerate(("train2017", "val2017")):
        for k in range(2):
            name = f"{10 * part + k + 9:012d}"
            save_image(root / split / f"{name}.jpg", 10 * part + k)
            mask = root / "stuffthingmaps_trainval2017" / split / f"{name}.png"
            save_grey(mask, values(255, *used))
    return root


def coco_panoptic(root: Path) -> Path:
    """PNGs of RGB segment ids beyond 65535, and JSON files that tell each segment's category."""
    categories = [{"id": row.id, "name": row.name, "isthing": int(row.id < 92)} for row in PANOPTIC]
    for part, split in enumerate(("train2017", "val2017")):
        annotations: list[dict[str, Any]] = []
        for k in range(2):
            name = f"{10 * part + k + 9:012d}"
            save_image(root / split / f"{name}.jpg", 10 * part + k)
            ids = [7_000_000 + 1000 * part + 3 * k + 257 * n for n in range(len(PANOPTIC))]
            save_segments(root / f"annotations/panoptic_{split}/{name}.png", [0, *ids])
            annotations.append(
                {
                    "image_id": int(name),
                    "file_name": f"{name}.png",
                    "segments_info": [
                        {"id": number, "category_id": row.id, "iscrowd": 0, "area": 1}
                        for number, row in zip(ids, PANOPTIC, strict=True)
                    ],
                }
            )
        content = {"categories": categories, "annotations": annotations, "images": []}
        (root / f"annotations/panoptic_{split}.json").write_text(json.dumps(content))
    return root


def save_segments(path: Path, ids: list[int]) -> None:
    """A PNG whose colours are these segment ids, red being the lowest byte."""
    numbers = np.full(HEIGHT * WIDTH, ids[-1], dtype=np.int64)
    numbers[: len(ids)] = ids
    channels = [(numbers >> shift & 255).reshape(HEIGHT, WIDTH) for shift in (0, 8, 16)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8)).save(path)


MINIATURES: Mapping[str, Callable[[Path], Path]] = {
    "folder": lambda root: folder.write(root, train=2, val=2, test=2),
    "Cityscapes": cityscapes,
    "PASCAL VOC 2012": voc,
    "PASCAL-Person-Part": person_part,
    "ADE20K": ade20k,
    "COCO-Stuff": coco_stuff,
    "COCO panoptic": coco_panoptic,
}
