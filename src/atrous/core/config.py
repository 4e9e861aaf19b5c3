"""What a user asks of a search."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Literal, TypeVar

T = TypeVar("T")

GRADIENT = "gradient"
"""The strategy that trains supernets; a request that names it has a relaxation."""


@dataclass(frozen=True)
class Relaxation:
    """How a differentiable search goes about; `None` is left to be derived.

    `seeds` supernets of width `filters` are trained one after another for `steps` steps of `batch`
    crops (height, width), each through `gate`; the `candidates` best architectures are decoded from
    each. `warm_up` is the share of steps before architectures are learnt. `neutral` decodes paths
    without the preference of outgoing probabilities for the finest and the coarsest stride.
    `precision` is that of the products; `checkpointing` saves memory for time; `hessian` watches
    the sharpness of the loss; `stop` ends a search that collapses.
    """

    gate: str = "softmax"
    steps: int | None = None
    filters: int = 8
    batch: int = 2
    crop: tuple[int, int] | None = None
    warm_up: float | None = None
    seeds: int = 1
    candidates: int = 1
    neutral: bool = False
    precision: Literal["float32", "bfloat16"] | None = None
    checkpointing: bool = False
    hessian: bool = False
    stop: bool = False


@dataclass(frozen=True)
class Request:
    """What the user asks for; `None` is left to be derived from data and machine.

    `data` is the folder of a data set, `weights` may be a file, and `baselines` are names or files.
    `seconds` is a time limit, or `None` for none; `crop` the canvas (height, width) in pixels;
    `filters` the width of a cell; `rate` the base learning rate. `relaxation` is that of the
    strategy `gradient`, and `None` with any other.
    """

    data: str
    select_on: str
    space: str
    strategy: str
    baselines: tuple[str, ...]
    trials: int
    seconds: float | None
    workers: int | None
    seed: int
    backbone: str
    weights: str
    output_stride: int
    crop: tuple[int, int] | None
    filters: int
    steps: int
    batch: int
    rate: float
    score: str
    device: str
    relaxation: Relaxation | None = None

    @classmethod
    def from_json(cls, content: Any) -> Request:
        """The record from its fields in JSON; raises `ValueError`.

        Requests written before there was a relaxation name none.
        """
        if not isinstance(content, dict):
            raise ValueError(f"expected the fields of a request, got {content!r}")
        relaxation = content.get("relaxation")
        found = filled(Relaxation, relaxation) if relaxation else None
        return filled(cls, {**content, "relaxation": found})


def filled(kind: type[T], content: dict[str, Any]) -> T:
    """A record from JSON, where tuples have become lists; raises `ValueError`."""
    expected = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    if expected != set(content):
        raise ValueError(f"fields {sorted(expected ^ set(content))} are missing or unknown")
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in content.items()})
