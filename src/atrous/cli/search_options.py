"""The options of a search, said once for all commands that begin one."""

from __future__ import annotations

from typing import Annotated

import typer

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
