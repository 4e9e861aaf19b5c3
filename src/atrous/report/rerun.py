"""The command that makes a run again."""

from __future__ import annotations

import shlex

from atrous.core.options import arguments, replaced
from atrous.search.run import Settings

OF_A_BACKBONE = ("backbone", "weights", "output_stride")


def command(settings: Settings) -> list[str]:
    """The command line in parts: the command with its data set, then an option with its value
    each, quoted for a shell. Number type, layout and threads are measured on each machine anew."""
    config = replaced(
        settings.config, workers=settings.workers, crop=settings.crop, device=settings.device
    )
    asked = arguments(config, () if config.encoder.backbone else OF_A_BACKBONE)
    parts = [flag if value is None else f"{flag} {shlex.quote(value)}" for flag, value in asked]
    return [f"atrous search {shlex.quote(config.data.path)}", *parts]
