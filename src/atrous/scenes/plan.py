"""The plan of a street: where its bands lie and where the camera stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log
from random import Random

from atrous.scenes.canvas import (
    GRASS,
    GROUND,
    NEAR,
    PAVEMENT,
    ROAD,
    Camera,
    Canvas,
    Colour,
    Span,
    dim,
)
from atrous.scenes.textures import Light

FAR = 90.0
"""Metres at which a street ends."""

SIDE = 60.0
"""Metres to either side up to which ground is drawn."""


@dataclass(frozen=True)
class StreetPlan:
    """Bands of ground as (class, from, to) in metres.

    The street runs away from the camera and the bands lie side by side in x, from left to right;
    or it runs `across` the view and they lie one behind the other in z. `walls` are the two
    building lines, `kerbs` the two sides of the road, or None in a pedestrian zone: there all is
    pavement, though it looks like road.
    """

    across: bool
    bands: tuple[tuple[int, float, float], ...]
    kerbs: Span | None
    walls: Span

    def of(self, label: int) -> list[Span]:
        return [(start, end) for kind, start, end in self.bands if kind == label and end > start]


@dataclass(frozen=True)
class Scenery:
    """Canvas, chance and light, which everything that draws needs.

    `stone` is the grey that ground, walls and sky share.
    """

    canvas: Canvas
    light: Light
    rng: Random
    stone: Colour

    def surface(self, spread: float = 0.05) -> Colour:
        """A colour near the scene's stone."""
        rng = self.rng
        gain = rng.uniform(1 - spread, 1 + spread)
        r, g, b = (value * gain * rng.uniform(0.985, 1.015) for value in self.stone)
        return (r, g, b)

    def seen(self, colour: Colour, z: float, gain: float = 1.0) -> Colour:
        """A colour under this light, `z` metres away."""
        return self.light.at(dim(colour, gain), z)


def draw_camera(rng: Random, width: int, height: int, across: bool) -> Camera:
    centre = width * (0.5 + (0.0 if across else rng.uniform(-0.3, 0.3)))
    horizon = height * rng.uniform(0.32, 0.56)
    return Camera(centre, horizon, width * rng.uniform(0.7, 1.1), rng.uniform(1.5, 2.6))


def draw_plan(rng: Random, across: bool) -> StreetPlan:
    """A plan by chance. The camera, at x = 0 and z = 0, may stand on road or pavement."""
    plan = _across(rng) if across else _along(rng)
    if rng.random() > 0.25:
        return plan
    bands = tuple((PAVEMENT if band[0] == ROAD else band[0], *band[1:]) for band in plan.bands)
    return StreetPlan(across, bands, None, plan.walls)


def draw_ground(stage: Scenery, plan: StreetPlan) -> None:
    """Paints bands, kerbs and markings; road and pavement are often of one stone."""
    spread = stage.rng.choice((0.02, 0.02, 0.15))
    colours = {ROAD: stage.surface(spread), PAVEMENT: stage.surface(spread), GRASS: _green(stage)}
    canvas = stage.canvas
    for low, high in _slices():
        base = stage.seen(colours[PAVEMENT], (low * high) ** 0.5)
        canvas.ground((-SIDE, SIDE), (low, high), base, PAVEMENT, GROUND)
        for label, start, end in plan.bands:
            x, z = _span(plan, start, end, (low, high))
            if z[1] > z[0]:
                canvas.ground(x, z, stage.seen(colours[label], max(NEAR, z[0])), label, GROUND)
    if stage.rng.random() < 0.3:
        _draw_joints(stage, plan)
    if plan.kerbs is not None:
        _draw_kerbs(stage, plan, plan.kerbs)
        _draw_markings(stage, plan, plan.kerbs)
    _draw_house_shadow(stage, plan)


def by_doubling(rng: Random, near: float, far: float) -> float:
    """A number by chance, equally often in each doubling."""
    return exp(rng.uniform(log(near), log(far)))


def _along(rng: Random) -> StreetPlan:
    narrow = rng.random() < 0.2
    left, right = (rng.uniform(*((0.4, 0.8) if narrow else (1.8, 5.5))) for _ in range(2))
    road = rng.uniform(5.5, 11)
    verges = [rng.choice((0.0, rng.uniform(1, 6))) for _ in range(2)]
    total = verges[0] + left + road + right + verges[1]
    start = -rng.uniform(verges[0] + 1.0, total - verges[1] - 1.0)
    edges = [start]
    for width in (verges[0], left, road, right, verges[1]):
        edges.append(edges[-1] + width)
    labels = (GRASS, PAVEMENT, ROAD, PAVEMENT, GRASS)
    bands = tuple(zip(labels, edges[:-1], edges[1:], strict=True))
    return StreetPlan(False, bands, (edges[2], edges[3]), (edges[0], edges[-1]))


def _across(rng: Random) -> StreetPlan:
    kerb = rng.uniform(4, 12) if rng.random() < 0.6 else NEAR
    other = max(kerb, 5.0) + rng.uniform(5, 11)
    pavement = other + rng.uniform(1.5, 5)
    wall = pavement + rng.choice((0.0, rng.uniform(1, 8)))
    bands = (
        (PAVEMENT, NEAR, kerb),
        (ROAD, kerb, other),
        (PAVEMENT, other, pavement),
        (GRASS, pavement, wall),
    )
    return StreetPlan(True, bands, (kerb, other), (NEAR, wall))


def _slices() -> Iterator[Span]:
    """Distances from far to near, so that the air's haze can grow with them."""
    edges = [FAR * 4, FAR, 45.0, 28.0, 18.0, 12.0, 8.0, 5.0, NEAR]
    yield from ((low, high) for high, low in pairwise(edges))


def _span(plan: StreetPlan, start: float, end: float, z: Span) -> tuple[Span, Span]:
    """The x and z range of a band's part between two distances."""
    if plan.across:
        return (-SIDE, SIDE), (max(start, z[0]), min(end, z[1]))
    return (start, end), z


def _draw_kerbs(stage: Scenery, plan: StreetPlan, kerbs: Span) -> None:
    """From the pavement to the road: a pale stone, a dark gutter, and a yellow line."""
    parts: tuple[tuple[float, float, Colour, int], ...] = (
        (-0.28, 0.0, dim(stage.stone, 1.35), PAVEMENT),
        (0.0, 0.16, dim(stage.stone, 0.55), ROAD),
        (0.3, 0.48, (214, 176, 58), ROAD),
    )
    for kerb, inwards in zip(kerbs, (1, -1), strict=True):
        if kerb <= NEAR and plan.across:
            continue
        for start, end, colour, label in parts:
            ends = sorted((kerb + start * inwards, kerb + end * inwards))
            for slice_ in _slices():
                x, z = _span(plan, ends[0], ends[1], slice_)
                if z[1] > z[0] and z[0] < 45:
                    seen = stage.seen(colour, max(z[0], NEAR))
                    stage.canvas.ground(x, z, seen, label, GROUND)


def _draw_markings(stage: Scenery, plan: StreetPlan, kerbs: Span) -> None:
    """Dashes between the lanes; now and then a crossing."""
    rng, white = stage.rng, (225.0, 225.0, 220.0)
    middle = sum(kerbs) / 2
    if rng.random() < 0.75:
        z = rng.uniform(NEAR, 6)
        step, length = rng.uniform(5, 8), rng.uniform(1.5, 3)
        reach = FAR * 0.6
        for k in range(int(2 * reach / step)):
            start = z + k * step - (reach if plan.across else 0)
            x, y = (middle - 0.08, middle + 0.08), (start, start + length)
            _mark(stage, *((y, x) if plan.across else (x, y)), white)
    if rng.random() < 0.3:
        start = rng.uniform(-6, 6) if plan.across else by_doubling(rng, 6, 30)
        for k in range(int((kerbs[1] - kerbs[0]) / 1.0)):
            stripe = (kerbs[0] + 0.4 + k, kerbs[0] + 0.9 + k)
            span = (start, start + 3.0)
            _mark(stage, *((span, stripe) if plan.across else (stripe, span)), white)


def _draw_house_shadow(stage: Scenery, plan: StreetPlan) -> None:
    """The shadow that the row of houses on the sun's side throws over the street."""
    light = stage.light
    if not light.shadow or plan.across:
        return
    wall = plan.walls[0] if light.sun < 0 else plan.walls[1]
    z = NEAR
    while z < FAR:
        length, width = stage.rng.uniform(7, 18), stage.rng.uniform(0.0, 6.0)
        ends = sorted((wall, wall - light.sun * width))
        spots = stage.canvas.ground_spots((ends[0], ends[1]), (z, z + length))
        stage.canvas.glaze(spots, (16, 18, 34), light.shadow * 0.8)
        z += length


def _mark(stage: Scenery, x: Span, z: Span, colour: Colour) -> None:
    if z[1] > NEAR and z[0] < FAR:
        spots = stage.canvas.ground_spots(x, z)
        stage.canvas.glaze(spots, stage.seen(colour, max(NEAR, z[0])), 0.8)


def _draw_joints(stage: Scenery, plan: StreetPlan) -> None:
    """Slab joints over road and pavement alike."""
    step, dark = stage.rng.uniform(0.6, 1.5), (20.0, 20.0, 24.0)
    start, end = (NEAR, plan.walls[1]) if plan.across else plan.walls
    for k in range(int(min(end - start, 20) / step)):
        place = start + k * step
        x = (-SIDE, SIDE) if plan.across else (place, place + 0.04)
        z = (place, place + 0.04) if plan.across else (NEAR, 25.0)
        stage.canvas.glaze(stage.canvas.ground_spots(x, z), dark, 0.3)
    reach = range(int(16 / step))
    for k in reach:
        place = (k - len(reach) / 2) * step if plan.across else NEAR + k * step
        x = (place, place + 0.04) if plan.across else plan.walls
        z = (NEAR, plan.walls[1]) if plan.across else (place, place + 0.04)
        stage.canvas.glaze(stage.canvas.ground_spots(x, z), dark, 0.3)


def _green(stage: Scenery) -> Colour:
    rng = stage.rng
    return (rng.uniform(70, 115), rng.uniform(105, 140), rng.uniform(45, 70))
