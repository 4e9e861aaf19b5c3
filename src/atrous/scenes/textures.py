"""Grain, clouds and the camera's noise: all that is done to every pixel of a scene."""

from __future__ import annotations

from functools import cache
from random import Random

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from atrous.scenes.canvas import GROUND, LEAVES, WALL, Camera, Canvas
from atrous.scenes.light import Light

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


def finish(canvas: Canvas, light: Light, rng: Random) -> Image.Image:
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
