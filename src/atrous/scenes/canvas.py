"""A picture, its labels and its materials, drawn together through one camera."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, sin

from PIL import Image, ImageDraw

CLASSES = (
    "sky",
    "building",
    "road",
    "pavement",
    "grass",
    "vegetation",
    "vehicle",
    "person",
    "pole",
    "sign",
)
SKY, BUILDING, ROAD, PAVEMENT, GRASS, VEGETATION, VEHICLE, PERSON, POLE, SIGN = range(10)
"""Classes of the scenes; the id of a class is its place."""


Colour = tuple[float, float, float]
"""Red, green, blue in 0 to 255."""

Spot = tuple[float, float]
"""(x, y) in pixels from the upper left corner."""

Point = tuple[float, float, float]
"""(x to the right, y up from the ground, z away from the camera) in metres."""

Span = tuple[float, float]
"""From where to where, or how far along either axis, in metres."""

Label = int | None
"""The class that pixels are given, or their material; `None` leaves what was there."""

SMOOTH, GROUND, WALL, LEAVES = range(4)
"""Materials: which grain is laid over a pixel."""

NEAR = 1.0
"""Metres in front of the camera at which things are cut off."""

_FINE = 2


@dataclass(frozen=True)
class Camera:
    """A camera that looks along z from `eye` metres above the ground.

    `centre` and `horizon` are the vanishing point's x and y, `focal` the focal length, in pixels.
    """

    centre: float
    horizon: float
    focal: float
    eye: float

    def spot(self, point: Point) -> Spot:
        x, y, z = point
        return (self.centre + self.focal * x / z, self.horizon + self.focal * (self.eye - y) / z)

    def depth(self, row: float) -> float:
        """Distance in metres of the ground seen in a pixel row below the horizon."""
        return self.focal * self.eye / max(1e-6, row - self.horizon)

    def height(self, row: float, z: float) -> float:
        """Metres above the ground of what is seen in a pixel row at distance z."""
        return self.eye + (self.horizon - row) * z / self.focal


@dataclass(frozen=True)
class Face:
    """An upright plane through (x, 0, z): `u` metres along its foot, `v` metres up.

    It is seen flat (`along` False, u runs to the right) or runs away from the camera along z.
    """

    x: float
    z: float
    along: bool = False

    def point(self, u: float, v: float) -> Point:
        if self.along:
            return (self.x, v, max(NEAR, self.z + u))
        return (self.x + u, v, max(NEAR, self.z))


class Canvas:
    """Colours at twice the size (for smooth edges), labels and materials at the final size."""

    def __init__(self, width: int, height: int, camera: Camera) -> None:
        self.width, self.height, self.camera = width, height, camera
        self.colours = Image.new("RGB", (width * _FINE, height * _FINE))
        self.labels = Image.new("L", (width, height))
        self.materials = Image.new("L", (width, height), SMOOTH)
        self._brush = ImageDraw.Draw(self.colours)
        self._glaze = ImageDraw.Draw(self.colours, "RGBA")
        self._label_brush = ImageDraw.Draw(self.labels)
        self._material_brush = ImageDraw.Draw(self.materials)

    def polygon(
        self, spots: Sequence[Spot], colour: Colour, label: Label = None, material: Label = None
    ) -> None:
        """Fills a polygon; without `label` or `material`, what was there stays."""
        self._brush.polygon([(x * _FINE, y * _FINE) for x, y in spots], _ink(colour))
        if label is not None:
            self._label_brush.polygon(list(spots), label)
        if material is not None:
            self._material_brush.polygon(list(spots), material)

    def glaze(self, spots: Sequence[Spot], colour: Colour, opacity: float) -> None:
        """Lays a see-through colour over a polygon; labels stay."""
        fine = [(x * _FINE, y * _FINE) for x, y in spots]
        self._glaze.polygon(fine, (*_ink(colour), int(255 * opacity)))

    def disc(
        self, centre: Spot, radii: Span, colour: Colour, label: Label = None, material: Label = None
    ) -> None:
        """Fills an ellipse with the given half width and half height in pixels."""
        (x, y), (rx, ry) = centre, radii
        box = (x - rx, y - ry, x + rx, y + ry)
        self._brush.ellipse([side * _FINE for side in box], _ink(colour))
        if label is not None:
            self._label_brush.ellipse(box, label)
        if material is not None:
            self._material_brush.ellipse(box, material)

    def shape(
        self,
        face: Face,
        outline: Sequence[Span],
        colour: Colour,
        label: Label = None,
        material: Label = None,
    ) -> None:
        """Fills a polygon given in (u, v) metres on a face."""
        spots = [self.camera.spot(face.point(u, v)) for u, v in outline]
        self.polygon(spots, colour, label, material)

    def box(
        self,
        face: Face,
        u: Span,
        v: Span,
        colour: Colour,
        label: Label = None,
        material: Label = None,
    ) -> None:
        """Fills a rectangle on a face."""
        outline = [(u[0], v[0]), (u[1], v[0]), (u[1], v[1]), (u[0], v[1])]
        self.shape(face, outline, colour, label, material)

    def round(
        self, face: Face, centre: Span, radius: Span, colour: Colour, label: Label = None
    ) -> None:
        """Fills an ellipse on a face, half axes in metres."""
        outline = [(centre[0] + radius[0] * c, centre[1] + radius[1] * s) for c, s in _CIRCLE]
        self.shape(face, outline, colour, label)

    def ground(
        self, x: Span, z: Span, colour: Colour, label: Label = None, material: Label = None
    ) -> None:
        """Fills a rectangle of the ground between two x and two z."""
        self.polygon(self.ground_spots(x, z), colour, label, material)

    def ground_spots(self, x: Span, z: Span) -> list[Spot]:
        near, far = max(NEAR, z[0]), max(NEAR, z[1])
        corners = [(x[0], near), (x[1], near), (x[1], far), (x[0], far)]
        return [self.camera.spot((u, 0.0, w)) for u, w in corners]

    def pixels_per_metre(self, z: float) -> float:
        return self.camera.focal / max(NEAR, z)

    def picture(self) -> Image.Image:
        """The colours at the final size."""
        return self.colours.reduce(_FINE)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`one`, with the given share of `other`."""
    r, g, b = (p + (q - p) * share for p, q in zip(one, other, strict=True))
    return (r, g, b)


def dim(colour: Colour, gain: float) -> Colour:
    return (colour[0] * gain, colour[1] * gain, colour[2] * gain)


def _ink(colour: Colour) -> tuple[int, int, int]:
    r, g, b = (min(255, max(0, int(value))) for value in colour)
    return (r, g, b)


_CIRCLE = [(cos(2 * pi * k / 16), sin(2 * pi * k / 16)) for k in range(16)]
