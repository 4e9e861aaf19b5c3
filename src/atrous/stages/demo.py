"""The main job on built-in scenes, small enough for a laptop and a cup of tea."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from atrous.core.config import WholeConfig
from atrous.core.options import replaced
from atrous.scenes.scene import write_scenes
from atrous.spaces import default_family
from atrous.stages.whole.whole import usual

IMAGES, SEED = 480, 0


BATCH = 4
"""Images a step end to end: few, so that a laptop gets somewhere in some minutes."""


def demo_config(out: Path) -> WholeConfig:
    """Draws the scenes into `out` and gives what to run on them."""
    data = out / "scenes"
    if not data.exists():
        partial = out / "scenes.partial"
        shutil.rmtree(partial, ignore_errors=True)
        write_scenes(partial, IMAGES, SEED)
        partial.rename(data)
    asked = replaced(
        usual(default_family().name),
        data=str(data),
        weights="builtin",
        budget=600.0,
        seed=SEED,
        batch=BATCH,
    )
    return replace(asked, stretch=True)
