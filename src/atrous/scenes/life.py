"""Figures: people on the ground, and the same figures in posters and shop windows."""

from __future__ import annotations

from math import cos, pi, sin, sqrt

from atrous.scenes.canvas import LEAVES, NEAR, VEGETATION, Colour, Face, Label, Point, Span, dim
from atrous.scenes.plan import Scenery

_CLOTHES: tuple[Colour, ...] = (
    (40, 44, 60), (150, 40, 44), (60, 90, 140), (200, 190, 170), (60, 110, 80), (190, 150, 60),
    (110, 70, 110), (90, 90, 94), (220, 120, 80),
)  # fmt: skip
_SKINS: tuple[Colour, ...] = ((232, 190, 160), (198, 150, 116), (140, 98, 70), (92, 64, 48))
_HAIR: tuple[Colour, ...] = ((40, 30, 26), (96, 66, 40), (180, 150, 96), (130, 130, 130))


def draw_person(
    stage: Scenery, face: Face, foot: Span, size: float, label: Label, gain: float = 1.0
) -> None:
    """A figure `size` metres tall whose feet stand at `foot` = (u, v) on a face."""
    rng, canvas = stage.rng, stage.canvas
    z = max(1.0, face.point(*foot)[2])
    coat, legs = rng.choice(_CLOTHES), dim(rng.choice(_CLOTHES), 0.7)
    skin, hair = rng.choice(_SKINS), rng.choice(_HAIR)
    stride, swing = rng.uniform(0.03, 0.13), rng.uniform(-0.06, 0.06)

    def put(outline: list[Span], colour: Colour, light: float = 1.0) -> None:
        spots = [(foot[0] + u * size, foot[1] + v * size) for u, v in outline]
        canvas.shape(face, spots, stage.seen(colour, z, gain * light), label, 0)

    put([(-0.02, 0.5), (0.06, 0.5), (stride + 0.03, 0.0), (stride - 0.03, 0.0)], legs, 0.85)
    put([(-0.08, 0.5), (0.04, 0.5), (-stride + 0.03, 0.0), (-stride - 0.04, 0.0)], legs)
    if rng.random() < 0.3:
        put([(-0.09, 0.5), (0.09, 0.5), (0.13, 0.25), (-0.13, 0.25)], coat, 0.9)
    put([(-0.11, 0.81), (-0.06, 0.81), (-0.1 + swing, 0.45), (-0.14 + swing, 0.45)], coat, 0.8)
    put([(-0.1, 0.82), (0.1, 0.82), (0.085, 0.46), (-0.085, 0.46)], coat)
    put([(0.06, 0.81), (0.11, 0.81), (0.14 - swing, 0.45), (0.1 - swing, 0.45)], coat, 0.8)
    canvas.round(
        face, (foot[0], foot[1] + 0.915 * size), (0.06 * size, 0.085 * size),
        stage.seen(hair, z, gain), label,
    )  # fmt: skip
    canvas.round(
        face, (foot[0] + 0.008 * size, foot[1] + 0.895 * size), (0.045 * size, 0.062 * size),
        stage.seen(skin, z, gain), None,
    )  # fmt: skip


def draw_crown(stage: Scenery, centre: Point, radius: float) -> None:
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


def hedge(stage: Scenery, face: Face, u: Span, height: float) -> None:
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


def _green(stage: Scenery) -> Colour:
    rng = stage.rng
    return (rng.uniform(62, 112), rng.uniform(100, 136), rng.uniform(42, 68))
