"""The options of a differentiable search."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

GateOption = Annotated[
    str | None,
    typer.Option(help="How a supernet chooses: softmax, gdas or fbnet [softmax]."),
]
SearchSteps = Annotated[
    int | None,
    typer.Option(help="Steps of a supernet [40 passes over half of the training images]."),
]
SearchFilters = Annotated[int, typer.Option(help="Width F of a supernet.")]
SearchBatch = Annotated[int, typer.Option(help="Crops a step of a supernet.")]
SearchCrop = Annotated[
    str | None, typer.Option(help="HxW of its crops [the largest image, 321 at most].")
]
WarmUp = Annotated[
    float | None,
    typer.Option(help="Share of its steps before the architecture is learnt [0.5; 0; 0.11]."),
]
Seeds = Annotated[int, typer.Option(help="Supernets, one after another.")]
Candidates = Annotated[int, typer.Option(help="Architectures decoded from each.")]
Neutral = Annotated[
    bool,
    typer.Option(
        "--neutral", help="Decode paths without preference for the finest and coarsest stride."
    ),
]
SearchPrecision = Annotated[
    Literal["float32", "bfloat16"] | None,
    typer.Option(help="Of a supernet's products [bfloat16 on a GPU, else float32]."),
]
Checkpointing = Annotated[
    bool, typer.Option("--checkpointing", help="Compute activations again to save memory.")
]
Hessian = Annotated[
    bool, typer.Option("--hessian", help="Watch the sharpness of the loss, a sign of collapse.")
]
Stop = Annotated[
    bool, typer.Option("--stop-on-collapse", help="End a supernet at the first warning.")
]
PlanOption = Annotated[
    bool, typer.Option("--plan", help="Tell the memory that a supernet needs, and do nothing.")
]
