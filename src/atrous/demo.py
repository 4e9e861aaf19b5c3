"""The main job on built-in scenes, small enough for a laptop and a cup of tea."""

from __future__ import annotations

import shutil
from pathlib import Path

from atrous.data.scenes.scene import write_scenes
from atrous.request import Request

IMAGES, SEED = 480, 0


CROP = (129, 193)
"""What networks are trained on end to end: half an image, so that a laptop gets somewhere."""


def demo_request(out: Path) -> Request:
    """Draws the scenes into `out` and gives what to run on them."""
    data = out / "scenes"
    if not data.exists():
        partial = out / "scenes.partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_scenes(partial, IMAGES, SEED)
        partial.rename(data)
    return Request(
        data=str(data),
        select_on="val",
        space="dpc",
        strategy="local",
        baselines=("dpc:aspp", "dpc:top1"),
        trials=100,
        seconds=420,
        workers=None,
        seed=SEED,
        backbone="tf_efficientnet_lite0",
        weights="builtin",
        output_stride=16,
        crop=None,
        filters=64,
        steps=400,
        batch=8,
        rate=0.1,
        score="miou",
        device="auto",
    )
