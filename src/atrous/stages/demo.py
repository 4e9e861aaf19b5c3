"""The main job on built-in scenes, small enough for a laptop and a cup of tea."""

from __future__ import annotations

import shutil
from pathlib import Path

from atrous.core.config import Request
from atrous.scenes.scene import write_scenes
from atrous.stages.whole.wish import Wish

IMAGES, SEED = 480, 0


BATCH = 4
"""Images a step end to end: few, so that a laptop gets somewhere in some minutes."""


def demo_wish(out: Path) -> Wish:
    """Draws the scenes into `out` and gives what to run on them."""
    data = out / "scenes"
    if not data.exists():
        partial = out / "scenes.partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_scenes(partial, IMAGES, SEED)
        partial.rename(data)
    request = Request(
        data=str(data),
        select_on="val",
        space="dpc",
        strategy="local",
        baselines=("dpc:aspp", "dpc:top1"),
        trials=100,
        seconds=600,
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
    return Wish(request, BATCH, None, stretch=True)
