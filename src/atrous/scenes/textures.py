"""Grain, clouds and the camera's noise: all that is done to every pixel of a scene."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from atrous.scenes.canvas import GROUND, LEAVES, WALL, Camera, Canvas, Colour, dim, mix

Floats = npt.NDArray[np.float32]

_TILE = 512
_GRAIN = {GROUND: 0.085, WALL: 0.055, LEAVES: 0.22}


def sky(canvas: Canvas, light: Light, rng: Random) -> None:
    """Paints the whole canvas with sky; clouds as far as the light has them."""
    height, width = canvas.colours.height, canvas.colours.width
    horizon = max(1.0, canvas.camera.horizon * height / canvas.height)
    rise = np.clip(np.arange(height, dtype=np.float32) / horizon, 0, 1)[:, None, None]
    top, low = (np.array(colour, dtype=np.float32) for colour in (light.top, light.low))
    rows = top + (low - top) * rise**1.5
    if light.clouds:
        cover = _clouds(height, width, horizon, rng) * light.clouds
        white = 0.35 * low + 0.65 * 250
        rows = rows + cover[:, :, None] * (white - rows)
    else:
        rows = np.repeat(rows, width, axis=1)
    canvas.colours.paste(Image.fromarray(rows.astype(np.uint8)))


def finished(canvas: Canvas, light: Light, rng: Random) -> Image.Image:
    """The picture with grain, colour cast, lens blur, vignette and sensor noise."""
    picture = canvas.picture().filter(ImageFilter.GaussianBlur(rng.uniform(0.25, 0.7)))
    pixels = np.asarray(picture, dtype=np.float32)
    pixels = pixels * (1 + _grain(canvas, rng))[:, :, None]
    pixels *= np.array(light.cast, dtype=np.float32) * np.float32(rng.uniform(0.85, 1.12))
    pixels *= _vignette(canvas.height, canvas.width, rng.uniform(0.0, 0.3))[:, :, None]
    noise = np.random.default_rng(rng.getrandbits(64))
    strength = np.float32(rng.uniform(1.5, 6.0))
    pixels += noise.standard_normal(pixels.shape, dtype=np.float32) * strength
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _grain(canvas: Canvas, rng: Random) -> Floats:
    """Relative brightness per pixel; the ground's grain lies in perspective."""
    materials = np.asarray(canvas.materials)
    tile = _noise()
    height, width = materials.shape
    y, x = rng.randrange(_TILE), rng.randrange(_TILE)
    flat = np.roll(tile, (y, x), (0, 1))
    flat = np.tile(flat, (-(-height // _TILE), -(-width // _TILE)))[:height, :width]
    grain = np.zeros(materials.shape, dtype=np.float32)
    for material in (WALL, LEAVES):
        grain += np.where(materials == material, flat * np.float32(_GRAIN[material]), 0)
    return _add_ground(grain, materials, canvas.camera, tile)


def _add_ground(
    grain: Floats, materials: npt.NDArray[np.uint8], camera: Camera, tile: Floats
) -> Floats:
    rows, columns = np.nonzero(materials == GROUND)
    z = camera.focal * camera.eye / np.maximum(1.0, rows + 0.5 - camera.horizon)
    x = (columns - camera.centre) * z / camera.focal
    sampled = tile[(z * 24).astype(int) % _TILE, (x * 24).astype(int) % _TILE]
    fading = 1 / (1 + z / 25)
    grain[rows, columns] += (sampled * fading * _GRAIN[GROUND]).astype(np.float32)
    return grain


def _clouds(height: int, width: int, horizon: float, rng: Random) -> Floats:
    """Cover in [0, 1] of a cloud layer seen from below, thin towards the horizon."""
    rows = np.arange(height, dtype=np.float32)
    far = 1 / (1.15 - np.clip(rows / horizon, 0, 1))
    columns = (np.arange(width) - width / 2) / width
    y = (far * 60 + rng.randrange(_TILE)).astype(int) % _TILE
    x = (columns[None, :] * far[:, None] * 130 + rng.randrange(_TILE)).astype(int) % _TILE
    cover = _broad_noise()[y[:, None], x] * 0.9 + rng.uniform(-0.3, 0.3)
    thick: Floats = np.clip(cover, 0, 1).astype(np.float32)
    return thick


def _vignette(height: int, width: int, strength: float) -> Floats:
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    return (1 - np.float32(strength) * (x * x + y * y) / 2).astype(np.float32)


@cache
def _noise() -> Floats:
    """A seamless tile of grain, mean 0, deviation 1: mostly fine with some broad patches."""
    return _octaves((1, 2, 4, 16, 64), (1.0, 0.8, 0.6, 0.7, 0.8), seed=1)


@cache
def _broad_noise() -> Floats:
    return _octaves((8, 16, 32, 64, 128), (0.15, 0.3, 0.6, 1.0, 1.2), seed=2)


def _octaves(cells: tuple[int, ...], weights: tuple[float, ...], seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    total = np.zeros((_TILE, _TILE), dtype=np.float32)
    for cell, weight in zip(cells, weights, strict=True):
        side = _TILE // cell
        coarse = np.pad(rng.standard_normal((side, side), dtype=np.float32), 2, mode="wrap")
        size = (side + 4) * cell
        smooth = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
        whole = np.asarray(smooth)[2 * cell : 2 * cell + _TILE, 2 * cell : 2 * cell + _TILE]
        total += np.float32(weight) * whole / whole.std()
    even: Floats = ((total - total.mean()) / total.std()).astype(np.float32)
    return even


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
