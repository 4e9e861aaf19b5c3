"""The family of Auto-DeepLab: a path through four resolutions, and a cell repeated along it."""

from __future__ import annotations

from atrous.spaces.auto_deeplab.space import auto_deeplab
from atrous.spaces.auto_deeplab.view import VIEW
from atrous.spaces.family import Defaults, Family

AUTO_DEEPLAB = Family(
    name="auto_deeplab",
    make=auto_deeplab,
    sizes=r"auto_deeplab-([1-9]\d?)(?:x([1-9]))?",
    example="auto_deeplab-8 (8 layers), auto_deeplab-8x3 (and cells of 3 blocks)",
    # From scratch: Liu et al. 2019, section 4.3, has the rate.
    defaults=Defaults(
        backbone=None, weights="none", output_stride=None, filters=8, steps=1000, rate=0.05
    ),
    view=VIEW,
)
