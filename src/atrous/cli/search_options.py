"""The options of a search, said once for all commands that begin one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from atrous.spaces.space import Space

SpaceOption = Annotated[str, typer.Option(help="A space; atrous spaces lists them.")]
SelectOn = Annotated[
    str,
    typer.Option(
        help="What scores are taken on: val, or a part of train held out by a "
        "fraction (0.2) or by file-name prefix (0006R0)."
    ),
]
BackboneOption = Annotated[
    str | None, typer.Option(help="A timm model, for cells [tf_efficientnet_lite0].")
]
WeightsOption = Annotated[
    str | None, typer.Option(help="Of it: auto (timm's hub), builtin, none, or a file [auto].")
]
OutputStride = Annotated[int | None, typer.Option(help="Of it: 8 or 16 [16].")]
FiltersOption = Annotated[
    int | None,
    typer.Option(
        help="Width of the cell; the papers' are 256 for dpc, 20 to 48 for auto_deeplab [64; 8]."
    ),
]
StepsOption = Annotated[
    int | None, typer.Option(help="Training steps of a trial [400; 1000 for whole networks].")
]
Workers = Annotated[
    int | None, typer.Option(help="Trials at a time [the fastest split, measured].")
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
ResumeOption = Annotated[
    bool,
    typer.Option("--resume", help="Go on with the run named instead of DATA, or the last."),
]


@dataclass(frozen=True)
class Defaults:
    """What a search takes where the user says nothing."""

    backbone: str
    weights: str
    output_stride: int
    filters: int
    steps: int
    rate: float
    baselines: tuple[str, ...]


HEADS = Defaults("tf_efficientnet_lite0", "auto", 16, 64, 400, 0.1, ("dpc:aspp", "dpc:top1"))
NETWORKS = Defaults("", "none", 0, 8, 1000, 0.05, ())
"""For spaces of whole networks, trained from scratch (Liu et al. 2019, section 4.3: rate 0.05)."""


def defaults_of(space: Space) -> Defaults:
    """Those of a space."""
    return NETWORKS if space.trunk else HEADS
