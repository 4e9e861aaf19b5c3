"""The scales at which an image is looked at."""

from __future__ import annotations

import math
from collections.abc import Sequence

from atrous.core.errors import AtrousError

LOWEST, HIGHEST = 0.1, 4.0


def parse_scales(text: str) -> tuple[float, ...]:
    """`0.5,0.75,1` as numbers. Raises AtrousError."""
    try:
        scales = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise AtrousError(
            "--scales: expected numbers with commas between them, such as 0.75,1,1.25; got "
            f"{text!r}."
        ) from None
    require_scales(scales)
    return scales


def require_scales(scales: Sequence[float]) -> None:
    """Raises AtrousError for no scales, and for scales that no image is looked at."""
    sound = (math.isfinite(scale) and LOWEST <= scale <= HIGHEST for scale in scales)
    if not scales or not all(sound):
        raise AtrousError(
            f"--scales: expected numbers from {LOWEST:g} to {HIGHEST:g}, such as 0.75,1,1.25; got "
            f"{', '.join(f'{scale:g}' for scale in scales) or 'none'}."
        )


def scale_words(scales: Sequence[float]) -> str:
    """The scales in words."""
    if tuple(scales) == (1.0,):
        return "single scale"
    return f"scales {', '.join(f'{scale:g}' for scale in scales)}"
