"""Houses along a street. Their walls may have the grey of the road or the blue of the sky."""

from __future__ import annotations

from dataclasses import dataclass

from atrous.scenes.canvas import (
    BUILDING,
    NEAR,
    SMOOTH,
    VEGETATION,
    WALL,
    Colour,
    Face,
    Span,
    dim,
    mix,
)
from atrous.scenes.life import draw_crown, draw_person, hedge
from atrous.scenes.plan import FAR, Scenery, StreetPlan

_PAINTS: tuple[Colour, ...] = (
    (176, 96, 72), (196, 152, 104), (214, 196, 160), (150, 110, 92), (128, 142, 156),
    (204, 172, 150),
)  # fmt: skip


@dataclass(frozen=True)
class House:
    """`length` along the street and `height` in metres. A `kind` is plain, blank or glass."""

    length: float
    height: float
    kind: str
    paint: Colour


def draw_houses(stage: Scenery, plan: StreetPlan) -> None:
    """Both rows of houses, or the one row across the view; gaps show trees and sky."""
    _draw_horizon(stage)
    if plan.across:
        _draw_row(stage, plan.walls[1])
        return
    if stage.rng.random() < 0.5:
        _front(stage, Face(-30, FAR), _house(stage, 60, (8, 24)), FAR)
    for wall, gain in ((plan.walls[0], stage.light.right), (plan.walls[1], stage.light.left)):
        _draw_side(stage, wall, gain)


def _draw_side(stage: Scenery, wall: float, gain: float) -> None:
    """Houses on one side of a street that runs away, the farthest first."""
    rng = stage.rng
    plots: list[Span] = []
    z = -rng.uniform(0, 10)
    while z < FAR:
        length = rng.uniform(7, 18)
        plots.append((z, length))
        z += length
    heights = rng.choice(((3.0, 7.0), (5.0, 14.0), (7.0, 24.0)))
    gaps = rng.choice((0.05, 0.2, 0.6))
    for start, length in reversed(plots):
        if start + length <= NEAR * 1.5:
            continue
        if rng.random() < gaps:
            _draw_gap(stage, wall, start, length)
            continue
        house = _house(stage, length, heights)
        if start > NEAR:
            outwards = -12.0 if wall < 0 else 0.0
            end = House(12.0, house.height, "blank", house.paint)
            _front(stage, Face(wall + outwards, start), end, start)
        _facade(stage, Face(wall, start, along=True), house, gain)


def _draw_row(stage: Scenery, z: float) -> None:
    rng = stage.rng
    heights = rng.choice(((3.0, 7.0), (5.0, 14.0), (7.0, 20.0)))
    gaps = rng.choice((0.05, 0.2, 0.6))
    x = -40.0 + rng.uniform(0, 10)
    while x < 40:
        length = rng.uniform(8, 22)
        if rng.random() < gaps:
            hedge(stage, Face(x, z), (0, length), rng.uniform(1.0, 2.5))
        else:
            _front(stage, Face(x, z), _house(stage, length, heights), z)
        x += length


def _draw_gap(stage: Scenery, wall: float, start: float, length: float) -> None:
    """A garden between two houses: trees behind a hedge."""
    rng, side = stage.rng, -1 if wall < 0 else 1
    for _ in range(3):
        z = max(3.0, start + rng.uniform(0.2, 0.9) * length)
        place = (wall + side * rng.uniform(2, 6), rng.uniform(3, 7), z)
        draw_crown(stage, place, rng.uniform(1.5, 3.5))
    hedge(stage, Face(wall, start, along=True), (0, length), rng.uniform(1.0, 2.2))


def _draw_horizon(stage: Scenery) -> None:
    """Woods or roofs at the end of what can be seen."""
    canvas, rng = stage.canvas, stage.rng
    woods = rng.random() < 0.6
    label, paint = (VEGETATION, (70.0, 96.0, 62.0)) if woods else (BUILDING, stage.surface())
    x = -260.0
    while x < 260:
        length, height = rng.uniform(10, 45), rng.uniform(4, 14)
        colour = stage.seen(dim(paint, rng.uniform(0.85, 1.1)), FAR * 2)
        canvas.box(Face(x, FAR * 2), (0, length), (0, height), colour, label, WALL)
        x += length * 0.9


def _house(stage: Scenery, length: float, heights: Span) -> House:
    rng, light = stage.rng, stage.light
    kind = rng.choices(("plain", "blank", "glass"), (6, 3, 2))[0]
    if kind == "glass":
        paint = mix(light.top, light.low, rng.uniform(0.1, 0.9))
    elif kind == "blank" or rng.random() < 0.45:
        paint = stage.surface(0.06)
    else:
        paint = dim(rng.choice(_PAINTS), rng.uniform(0.8, 1.1))
    return House(length, rng.uniform(*heights), kind, paint)


def _front(stage: Scenery, face: Face, house: House, z: float) -> None:
    """A wall that faces the camera, or the end wall of a house in a row."""
    gain = 0.5 * (stage.light.left + stage.light.right)
    _facade(stage, Face(face.x, max(z, NEAR)), house, gain)


def _facade(stage: Scenery, face: Face, house: House, gain: float) -> None:
    canvas, rng = stage.canvas, stage.rng
    glass = house.kind == "glass"
    material = SMOOTH if glass else WALL
    near, parts = max(NEAR, face.z), 5 if face.along else 1
    start = near - face.z if face.along else 0.0
    for k in reversed(range(parts)):
        u = [start + (house.length - start) * j / parts for j in (k, k + 1)]
        colour = _wall_colour(stage, face, house, u[0], gain)
        canvas.box(face, (u[0], u[1]), (0, house.height), colour, BUILDING, material)
    if house.kind == "blank":
        if rng.random() < 0.3 and near < 25:
            _mural(stage, face, house, gain)
    elif canvas.pixels_per_metre(near) > 5:
        (_mullions if glass else _windows)(stage, face, house, gain)


def _wall_colour(stage: Scenery, face: Face, house: House, u: float, gain: float) -> Colour:
    z = max(NEAR, face.z + u) if face.along else face.z
    return stage.seen(house.paint, z, 1.0 if house.kind == "glass" else gain)


def _mullions(stage: Scenery, face: Face, house: House, gain: float) -> None:
    """The few thin lines of a wall of glass that mirrors the sky."""
    step = stage.rng.uniform(3, 5)
    for k in range(1, int(house.height / step) + 1):
        z = max(NEAR, face.z)
        colour = stage.seen(dim(house.paint, 0.82), z, gain)
        stage.canvas.box(face, (0, house.length), (k * step, k * step + 0.1), colour)


def _windows(stage: Scenery, face: Face, house: House, gain: float) -> None:
    rng, canvas = stage.rng, stage.canvas
    floor, width, height = rng.uniform(2.9, 3.6), rng.uniform(0.9, 2.0), rng.uniform(1.2, 2.0)
    pitch = width + rng.uniform(0.8, 2.2)
    glass = mix((52, 60, 72), stage.light.low, rng.uniform(0.0, 0.5))
    shop = rng.random() < 0.4 and house.height > 5
    if shop:
        _shop(stage, face, house, gain)
    for row in range(1 if shop else 0, int((house.height - 0.6) / floor)):
        low = row * floor + 0.9
        for column in range(int((house.length - 0.5) / pitch)):
            u = 0.6 + column * pitch
            z = face.z + u if face.along else face.z
            if z < NEAR or canvas.pixels_per_metre(z) < 4:
                continue
            lit = stage.light.lit and rng.random() < 0.4
            pane = (255.0, 214.0, 140.0) if lit else dim(glass, rng.uniform(0.75, 1.15))
            frame = stage.seen(dim(house.paint, 1.18), z, gain)
            canvas.box(face, (u - 0.1, u + width + 0.1), (low - 0.12, low + height + 0.1), frame)
            canvas.box(face, (u, u + width), (low, low + height), stage.seen(pane, z))


def _shop(stage: Scenery, face: Face, house: House, gain: float) -> None:
    """Large panes on the ground floor with figures behind them, which belong to the house."""
    rng, canvas = stage.rng, stage.canvas
    pane = (236.0, 206.0, 150.0) if stage.light.lit else dim(stage.surface(0.1), 0.75)
    u = 0.5
    while u + 3 < house.length:
        z = face.z + u if face.along else face.z
        if z >= NEAR:
            canvas.box(face, (u, u + 2.6), (0.35, 2.6), stage.seen(pane, z, gain))
            if rng.random() < 0.6 and z < 30:
                draw_person(stage, face, (u + rng.uniform(0.8, 1.8), 0.4), 1.7, None)
        u += 3.2
    z = max(NEAR, face.z)
    sign = dim(rng.choice(_PAINTS), 0.8)
    canvas.box(face, (0.2, house.length - 0.2), (2.75, 3.2), stage.seen(sign, z, gain))


def _mural(stage: Scenery, face: Face, house: House, gain: float) -> None:
    """People painted on a blank wall."""
    size = min(house.height * 0.8, stage.rng.uniform(1.8, 5))
    for k in range(stage.rng.randint(1, 3)):
        u = 1.5 + size * 0.45 * k
        if u < house.length - 1 and (not face.along or face.z + u > 2 * NEAR):
            draw_person(stage, face, (u, 0.2), size, None, gain)
