"""The hour and the weather of a scene."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from atrous.scenes.canvas import Colour, dim, mix


@dataclass(frozen=True)
class Light:
    """`top` and `low` are the sky's colours overhead and at the horizon.

    `left` and `right` are the brightness of what faces left and right, `shadow` the opacity of
    cast shadows (0 none), `sun` is -1 or 1, the side the light comes from. Things fade into `low`
    over `haze` metres. `lit` says whether windows and lamps glow, `cast` multiplies the colours.
    """

    top: Colour
    low: Colour
    left: float
    right: float
    shadow: float
    sun: int
    haze: float
    clouds: float
    lit: bool
    cast: Colour

    def at(self, colour: Colour, z: float) -> Colour:
        """A colour seen through `z` metres of air."""
        return mix(colour, self.low, min(0.85, z / (z + self.haze)))


def draw_light(rng: Random, stone: Colour) -> Light:
    """A light by chance; an overcast sky takes the colour of the scene's `stone`."""
    kind = rng.choices(("clear", "overcast", "dusk", "morning"), (4, 4, 2, 2))[0]
    sun = rng.choice((-1, 1))
    contrast = rng.uniform(0.55, 0.8)
    faces = (contrast, 1.05) if sun > 0 else (1.05, contrast)
    haze = rng.uniform(120, 600)
    grey = dim(stone, rng.uniform(0.97, 1.12))
    if kind == "overcast":
        pale = mix(grey, (235, 238, 242), rng.uniform(0.0, 0.5))
        cast = _cast(rng, (0.97, 0.99, 1.02))
        return Light(grey, pale, 0.92, 0.92, 0.0, sun, haze / 2, rng.random() * 0.4, False, cast)
    if kind == "dusk":
        top = mix((70, 88, 140), (120, 100, 140), rng.random())
        low = mix((240, 170, 120), (225, 140, 130), rng.random())
        cast = _cast(rng, (0.86, 0.74, 0.72))
        return Light(top, low, 0.85, 0.85, 0.25, sun, haze, rng.uniform(0.2, 0.8), True, cast)
    if kind == "morning":
        low = (250, 226, 190)
        cast = _cast(rng, (1.1, 1.0, 0.86))
        return Light((150, 180, 215), low, *faces, 0.4, sun, haze / 3, 0.5, False, cast)
    top = mix((70, 130, 205), (120, 170, 225), rng.random())
    cast = _cast(rng, (1.03, 1.0, 0.97))
    return Light(
        top, (205, 222, 238), *faces, rng.uniform(0.35, 0.55), sun, haze, rng.random(), False, cast
    )


def _cast(rng: Random, gains: Colour) -> Colour:
    r, g, b = (gain * rng.uniform(0.94, 1.06) for gain in gains)
    return (r, g, b)
