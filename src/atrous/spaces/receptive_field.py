"""Whether a network can learn, on crops, what it uses on whole images."""

from __future__ import annotations

from torch import nn

from atrous.data.canvas import Size, feature_size, round_up
from atrous.networks.network import Network
from atrous.spaces.blueprint import Blueprint, blank_network


def untrained_rates(blueprint: Blueprint, crop: Size, image: Size) -> str | None:
    """What to know of atrous rates that see beyond a crop's feature map but not beyond an image's.

    Their outer weights see only padding in training, keep their first values, and act when whole
    images are scored. `None` if there are no such rates.
    """
    network = blank_network(blueprint)
    stride, canvas = network.backbone.output_stride, network.backbone.canvas
    map_size = feature_size(crop, stride)
    whole = feature_size((round_up(image[0], canvas), round_up(image[1], canvas)), stride)
    beyond = sorted(
        {
            rate
            for rates in _rates(network)
            for rate, inner, outer in zip(rates, map_size, whole, strict=True)
            if inner <= rate < outer
        }
    )
    if not beyond:
        return None
    listed = ", ".join(map(str, beyond))
    return (
        f"Atrous rates of {listed} reach beyond the {map_size[0]} x {map_size[1]} positions of a "
        f"{crop[0]}x{crop[1]} crop, but not beyond the {whole[0]} x {whole[1]} of an image: "
        "weights that were never trained will act on whole images. Take a larger --crop."
    )


def _rates(network: Network) -> list[tuple[int, int]]:
    """The dilations (vertical, horizontal) of the 3x3 convolutions after the backbone."""
    layers = [m for m in network.head.modules() if isinstance(m, nn.Conv2d)]
    return [(m.dilation[0], m.dilation[1]) for m in layers if max(m.kernel_size) > 1]
