"""Crowns and hedges, in the green of the grass."""

from __future__ import annotations

from math import cos, pi, sin, sqrt

from atrous.scenes.canvas import LEAVES, NEAR, Colour, Face, Point, dim
from atrous.scenes.classes import VEGETATION
from atrous.scenes.plan import Stage


def draw_crown(stage: Stage, centre: Point, radius: float) -> None:
    """A crown of leaves around a point, `radius` in metres: dark below, bright to the sun."""
    canvas, rng, light = stage.canvas, stage.rng, stage.light
    x, y = canvas.camera.spot(centre)
    size = radius * canvas.pixels_per_metre(centre[2])
    green = _green(stage)
    count = int(min(70, 14 + size * 0.9))
    blobs = []
    for _ in range(count):
        angle, reach = rng.uniform(0, 2 * pi), sqrt(rng.random()) * 0.8
        blobs.append((reach * cos(angle), reach * sin(angle), rng.uniform(0.18, 0.4)))
    blobs.sort(key=lambda blob: -blob[1])
    for u, v, r in blobs:
        bright = 0.85 - 0.3 * v + 0.22 * u * light.sun * (1 if light.shadow else 0)
        colour = stage.seen(dim(green, bright * rng.uniform(0.85, 1.12)), centre[2])
        canvas.disc(
            (x + u * size, y + v * size * 0.9),
            (r * size, r * size * 0.85),
            colour,
            VEGETATION,
            LEAVES,
        )


def hedge(stage: Stage, face: Face, u: tuple[float, float], height: float) -> None:
    """A clipped hedge on a face."""
    canvas, green = stage.canvas, _green(stage)
    start = max(u[0], NEAR - face.z) if face.along else u[0]
    parts = 6 if face.along else 1
    for k in reversed(range(parts)):
        low, high = (start + (u[1] - start) * j / parts for j in (k, k + 1))
        if high <= low:
            continue
        z = max(NEAR, face.z + low) if face.along else face.z
        colour = stage.seen(green, z, 0.85)
        canvas.box(face, (low, high), (0, height), colour, VEGETATION, LEAVES)
        top = stage.seen(green, z, 1.1)
        canvas.box(face, (low, high), (height * 0.93, height), top)


def _green(stage: Stage) -> Colour:
    rng = stage.rng
    return (rng.uniform(62, 112), rng.uniform(100, 136), rng.uniform(42, 68))
