"""The main job on built-in scenes, small enough for a laptop and a cup of tea."""

from __future__ import annotations

import shutil
from pathlib import Path

from atrous.core.options import replaced
from atrous.scenes.scene import write_scenes
from atrous.stages.search import usual
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
    config = replaced(
        usual("dpc"), data=str(data), weights="builtin", trials=100, time=600.0, seed=SEED
    )
    return Wish(config, BATCH, None, stretch=True)
