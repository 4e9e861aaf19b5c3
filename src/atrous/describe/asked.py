"""What is asked of a description, and what every description gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from rich.console import RenderableType

from atrous.core.architecture import Architecture
from atrous.core.cost import Cost
from atrous.core.errors import AtrousError
from atrous.data.canvas import Size

IMAGE = (1025, 2049)
"""An image of Cityscapes, with the pixel more that canvases have."""
FEATURES = (65, 129)
"""The feature map of such an image at stride 16."""
CHANNELS, FILTERS, STRIDE = 320, 256, 16


@dataclass(frozen=True)
class Asked:
    """What the user says; `None` is left to the description. `size` (H, W) is that of the feature
    map, or of the image where a backbone or a whole network reads one."""

    channels: int | None = None
    size: Size | None = None
    filters: int | None = None
    backbone: str | None = None
    output_stride: int | None = None


@dataclass(frozen=True)
class FeatureMap:
    """What a head reads: a map of `size` (H, W) positions; `backbone` is the cost of what made it,
    if one was named."""

    channels: int
    size: Size
    backbone: Cost | None = None


class Description(Protocol):
    """An architecture with its cost."""

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and words."""

    def render(self) -> RenderableType:
        """The same for the terminal."""


def feature_map(asked: Asked) -> FeatureMap:
    """What a head reads, as asked for, or that of the named backbone. Raises `AtrousError`."""
    if asked.backbone is None:
        return FeatureMap(asked.channels or CHANNELS, asked.size or FEATURES)
    from atrous.data.canvas import feature_size
    from atrous.networks.backbones import backbone_cost, outline

    stride, image = asked.output_stride or STRIDE, asked.size or IMAGE
    network = outline(asked.backbone, stride)
    size = feature_size(image, stride)
    return FeatureMap(network.channels[stride], size, backbone_cost(network, image))


def refuse_backbone(architecture: Architecture, asked: Asked) -> None:
    """Raises `AtrousError` if a feature map is asked for, where the architecture reads images."""
    given = {
        "--backbone": asked.backbone,
        "--channels": asked.channels,
        "--output-stride": asked.output_stride,
    }
    named = [option for option, value in given.items() if value is not None]
    if named:
        raise AtrousError(
            f"Expected no {' and no '.join(named)}: {architecture.space} is a space of whole "
            "networks, which read images. --size is the image's, --filters is F."
        )


def numbers(cost: Cost) -> tuple[str, str]:
    """Parameters and multiply-adds for a table."""
    return f"{cost.parameters:,}", f"{cost.multiply_adds:,}"
