"""The built-in scenes: streets drawn by chance, in which a patch often needs its surroundings.

Road, pavement, blank walls and an overcast sky share one grey, and where no kerb is to be seen all
ground is pavement; a box is a vehicle, a sign or a
building by what is under it; a shaft is a pole or a tree by what is on top of it; grass and hedges
share one green; people in posters and shop windows are not people.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

from PIL import Image

from atrous.core.console import track
from atrous.core.errors import AtrousError
from atrous.core.files import write_whole, writing
from atrous.data.dataset import IGNORE, Dataset, Progress
from atrous.data.layouts import read_dataset
from atrous.data.layouts.layout import SPLITS
from atrous.scenes.buildings import draw_houses
from atrous.scenes.canvas import BUILDING, CLASSES, PAVEMENT, SIGN, SMOOTH, VEHICLE, Canvas, Span
from atrous.scenes.objects import draw_box, draw_car, draw_shaft, draw_walker
from atrous.scenes.plan import Scenery, StreetPlan, by_doubling, draw_camera, draw_ground, draw_plan
from atrous.scenes.textures import draw_light, finished, sky

SIZE = (256, 384)
"""Height and width in pixels, unless told otherwise."""

_SHARES = {"val": 0.15, "test": 0.15}
_Thing = tuple[float, Callable[[], None]]


def write_scenes(
    root: Path, images: int, seed: int, size: tuple[int, int] = SIZE, progress: Progress = track
) -> Dataset:
    """Draws `images` scenes into a new folder, 70 % train, 15 % val, 15 % test; at least 1 each.

    Image `i` of a split depends on `seed`, the split, `i` and `size` (height, width) alone.
    Raises AtrousError for fewer than 3 images, a size below 32 pixels, and a folder in use or that
    cannot be written.
    """
    _refuse(root, images, size)
    counts = split_counts(images)
    jobs = [(split, i) for split in SPLITS for i in range(counts[split])]
    with writing(f"scenes to {root}", "Make room, or name a folder that can be written."):
        for split in SPLITS:
            for kind in ("images", "masks"):
                (root / kind / split).mkdir(parents=True, exist_ok=True)
        for split, i in progress(jobs, "drawing scenes", len(jobs)):
            image, mask = draw_scene(f"{seed}/{split}/{i}", size)
            name = f"{split}_{i:05d}"
            image.save(root / "images" / split / f"{name}.jpg", quality=95, subsampling=0)
            mask.save(root / "masks" / split / f"{name}.png", compress_level=6)
        # Last, so that what an interruption leaves is no data set.
        write_whole(root / "classes.txt", "\n".join(CLASSES) + "\n")
    return read_dataset(root)


def split_counts(images: int) -> dict[str, int]:
    """How many of `images` go to each split."""
    counts = {split: max(1, round(images * share)) for split, share in _SHARES.items()}
    return {"train": images - sum(counts.values()), **counts}


def draw_scene(key: str, size: tuple[int, int] = SIZE) -> tuple[Image.Image, Image.Image]:
    """The RGB picture and the mask of class ids that belong to a key; size is (height, width)."""
    rng, (height, width) = Random(key), size
    across = rng.random() < 0.35
    stone = _stone(rng)
    light = draw_light(rng, stone)
    canvas = Canvas(width, height, draw_camera(rng, width, height, across))
    stage, plan = Scenery(canvas, light, rng, stone), draw_plan(rng, across)
    sky(canvas, light, rng)
    draw_ground(stage, plan)
    draw_houses(stage, plan)
    for _, draw in sorted(_things(stage, plan), key=lambda thing: -thing[0]):
        draw()
    if rng.random() < 0.2:
        _bonnet(stage)
    return finished(canvas, light, rng), canvas.labels


def _things(stage: Scenery, plan: StreetPlan) -> list[_Thing]:
    """All that stands in the street, each with its distance."""
    rng = stage.rng
    things = [_on_pavement(stage, plan) for _ in range(rng.randint(5, 14))]
    road, most = plan.kerbs or rng.choice(plan.of(PAVEMENT)), 5 if plan.kerbs else 2
    things += [_on_road(stage, plan, road) for _ in range(rng.randint(most // 3, most))]
    return things


def _on_pavement(stage: Scenery, plan: StreetPlan) -> _Thing:
    rng = stage.rng
    band = rng.choice(plan.of(PAVEMENT))
    x, z = _place(stage, plan, band)
    boxes = 2 if band[1] - band[0] > 1.0 else 0
    kind = rng.choices(("walker", "shaft", "kiosk", "board"), (4, 4, boxes, boxes))[0]
    if kind == "walker":
        return z, lambda: draw_walker(stage, x, z)
    if kind == "shaft":
        return z, lambda: draw_shaft(stage, x, z)
    z = max(z, _clear(stage))
    width = rng.uniform(4.5, 8) if plan.across else rng.uniform(1.8, 3.2)
    label = BUILDING if kind == "kiosk" else SIGN
    return z, lambda: draw_box(stage, x - width / 2, z, label, width)


def _on_road(stage: Scenery, plan: StreetPlan, road: Span) -> _Thing:
    rng = stage.rng
    x, z = _place(stage, plan, road)
    z = max(z, _clear(stage))
    if rng.random() < 0.12:
        return z, lambda: draw_walker(stage, x, z)
    if rng.random() < 0.4:
        return z, lambda: draw_car(stage, x - 0.9, z, broadside=plan.across)
    width = rng.uniform(4.5, 9) if plan.across else rng.uniform(2.1, 2.6)
    return z, lambda: draw_box(stage, x - width / 2, z, VEHICLE, width)


def _place(stage: Scenery, plan: StreetPlan, band: Span) -> Span:
    """A spot (x, z) by chance in a band of ground."""
    rng, camera = stage.rng, stage.canvas.camera
    if not plan.across:
        return rng.uniform(*band), by_doubling(rng, 4.0, 36)
    z = rng.uniform(max(3.0, band[0]), max(3.2, band[1]))
    reach = 0.55 * stage.canvas.width * z / camera.focal
    return rng.uniform(-reach, reach), z


def _clear(stage: Scenery) -> float:
    """The least distance at which a thing's foot is well inside the picture."""
    return stage.canvas.camera.depth(stage.canvas.height * stage.rng.uniform(0.8, 0.97))


def _bonnet(stage: Scenery) -> None:
    """The camera's own car at the lower edge, which is nobody's business: ignored."""
    canvas, rng = stage.canvas, stage.rng
    width, height = canvas.width, canvas.height
    rise = height * rng.uniform(0.05, 0.12)
    middle, half = width * rng.uniform(0.35, 0.65), width * rng.uniform(0.4, 0.6)
    paint = stage.seen(rng.choice(((30, 32, 38), (150, 152, 158), (120, 30, 30))), 1.0)
    canvas.disc((middle, height + rise), (half, rise * 2), paint, IGNORE, SMOOTH)


def _stone(rng: Random) -> tuple[float, float, float]:
    grey, warm = rng.uniform(105, 175), rng.uniform(-8, 8)
    return (grey + warm, grey, grey - warm)


def _refuse(root: Path, images: int, size: tuple[int, int]) -> None:
    if images < 3:
        raise AtrousError(
            f"Expected at least 3 images, one each for train, val and test; got {images}."
        )
    if min(size) < 32:
        raise AtrousError(f"Expected a height and width of at least 32 pixels, got {size}.")
    if root.is_file() or (root.is_dir() and any(root.iterdir())):
        raise AtrousError(
            f"{root} is already in use. To mend: name a new folder, or empty this one first."
        )
