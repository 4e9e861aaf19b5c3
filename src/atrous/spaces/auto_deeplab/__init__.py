"""The family of Auto-DeepLab: a path through four resolutions, and a cell repeated along it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from atrous.spaces.auto_deeplab.relaxation.view import SEARCH_VIEW
from atrous.spaces.auto_deeplab.space import PLAIN, auto_deeplab
from atrous.spaces.auto_deeplab.view import VIEW
from atrous.spaces.family import Defaults, Family

if TYPE_CHECKING:
    from atrous.relax.relaxation import Relaxation


def relaxation(space: str) -> Relaxation:
    """Returns the relaxation of the space of this name; imports torch."""
    from atrous.spaces.auto_deeplab.relaxation.space import relaxation_of

    return relaxation_of(space)


AUTO_DEEPLAB = Family(
    name="auto_deeplab",
    make=auto_deeplab,
    sizes=r"auto_deeplab-([1-9]\d?)(?:x([1-9]))?",
    example="auto_deeplab-8 (8 layers), auto_deeplab-8x3 (and cells of 3 blocks)",
    relaxation=relaxation,
    search_view=SEARCH_VIEW,
    # From scratch: Liu et al. 2019, section 4.3, has the rate.
    defaults=Defaults(
        backbone=None,
        weights="none",
        output_stride=None,
        filters=8,
        steps=1000,
        rate=0.05,
        baselines=(f"{{space}}:{PLAIN}",),
    ),
    view=VIEW,
)
