"""How architectures are shown, one file per family of spaces. `FAMILIES` is the registry, by the
name of a space before the dash; what is not in it is shown by its decisions."""

from __future__ import annotations

from collections.abc import Mapping

from atrous.report.families.auto_deeplab import AUTO_DEEPLAB
from atrous.report.families.dpc import DPC
from atrous.report.families.plain import PLAIN
from atrous.spaces.view import View

FAMILIES: Mapping[str, View] = {"dpc": DPC, "auto_deeplab": AUTO_DEEPLAB}


def family_of(space: str) -> View:
    """How the architectures of the space of this name are shown."""
    return FAMILIES.get(space.partition("-")[0], PLAIN)
