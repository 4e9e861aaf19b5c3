"""Colours for classes."""

from __future__ import annotations

import colorsys

Colour = tuple[int, int, int]
"""Red, green, blue, each 0 to 255."""

_OKABE_ITO: tuple[Colour, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (240, 228, 66),
    (64, 64, 64),
)
_LIGHTNESS = (0.35, 0.6, 0.8)
_GOLDEN = 0.61803398875


def distinct(count: int) -> tuple[Colour, ...]:
    """`count` colours, the same ones every time; more colours do not change the first ones.

    The first eight can be told apart by colour-blind readers (Okabe and Ito 2008, with a dark grey
    for black); the further ones differ in lightness as well as in hue.
    """
    further = (_further(k) for k in range(max(0, count - len(_OKABE_ITO))))
    return (*_OKABE_ITO[:count], *further)


def voc_colours(count: int) -> tuple[Colour, ...]:
    """The first `count` colours of the PASCAL VOC colour map; 0 is black."""
    return tuple(voc_colour(k) for k in range(count))


def voc_colour(index: int) -> Colour:
    """A colour of the PASCAL VOC colour map (VOCdevkit, VOClabelcolormap.m), index 0 to 255.

    The index's bits 0, 1, 2 are the topmost bits of red, green and blue, bits 3, 4, 5 the next.
    """
    channels = [0, 0, 0]
    for bit in range(8):
        channels[bit % 3] |= (index >> bit & 1) << (7 - bit // 3)
    return channels[0], channels[1], channels[2]


def _further(index: int) -> Colour:
    hue, lightness = (index * _GOLDEN) % 1, _LIGHTNESS[index % len(_LIGHTNESS)]
    red, green, blue = colorsys.hls_to_rgb(hue, lightness, 0.7)
    return round(255 * red), round(255 * green), round(255 * blue)
