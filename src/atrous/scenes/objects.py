"""Things in the street, many of which are told apart far from where most of their pixels are.

A box with wheels below is a vehicle, on posts a sign, on the ground a building; a shaft is a pole
under a lamp or a plate, a tree under a crown.
"""

from __future__ import annotations

from dataclasses import dataclass

from atrous.scenes.canvas import (
    BUILDING,
    NEAR,
    PERSON,
    POLE,
    SIGN,
    SMOOTH,
    VEGETATION,
    VEHICLE,
    WALL,
    Colour,
    Face,
    Label,
    Span,
    dim,
    mix,
)
from atrous.scenes.life import draw_crown, draw_person
from atrous.scenes.plan import Scenery, by_doubling

_PAINTS: tuple[Colour, ...] = (
    (190, 40, 40), (40, 70, 130), (235, 235, 232), (30, 32, 36), (150, 154, 160), (60, 100, 80),
    (210, 170, 60), (120, 60, 50),
)  # fmt: skip
_DARK: Colour = (26, 26, 30)
_PLATES: tuple[Colour, ...] = ((200, 30, 34), (30, 80, 170), (240, 200, 40), (236, 236, 236))


@dataclass(frozen=True)
class Skin:
    """The look of a box, the same whether it drives, hangs or stands."""

    paint: Colour
    band: Colour
    picture: str


def draw_walker(stage: Scenery, x: float, z: float) -> None:
    rng = stage.rng
    size = rng.choice((1.1, 1.3, 1.6, 1.7, 1.75, 1.8, 1.85))
    _ground_shadow(stage, (x - 0.25, x + 0.25), z, 0.3)
    draw_person(stage, Face(x, z), (0, 0), size, PERSON)


def draw_shaft(stage: Scenery, x: float, z: float) -> None:
    """A shaft whose upper end decides: tree, lamp or traffic sign."""
    rng, canvas = stage.rng, stage.canvas
    kind = rng.choices(("tree", "lamp", "plate"), (5, 4, 3))[0]
    half, foot = by_doubling(rng, 0.06, 0.3), Face(x, z)
    bark = mix((84, 74, 66), (110, 112, 112), rng.random())
    height = {"tree": 3.2, "lamp": 4.5, "plate": 2.4}[kind] * rng.uniform(1.0, 1.5)
    height = min(height, canvas.camera.height(0.1 * canvas.camera.horizon, z))
    label = VEGETATION if kind == "tree" else POLE
    _ground_shadow(stage, (x - half, x + half), z, 0.5)
    canvas.box(foot, (-half, half), (0, height), stage.seen(bark, z), label, WALL)
    dark = stage.seen(bark, z, 0.7)
    side = (half * 0.3, half) if stage.light.sun < 0 else (-half, -half * 0.3)
    canvas.box(foot, side, (0, height), dark)
    if kind == "tree":
        radius = rng.uniform(1.2, 2.6)
        draw_crown(stage, (x, height + radius * 0.7, z), radius)
    elif kind == "lamp":
        _lamp(stage, foot, height, bark)
    else:
        _plate(stage, foot, height)


def draw_car(stage: Scenery, x: float, z: float, broadside: bool) -> None:
    """A car whose left rear corner is at (x, z); `broadside` shows its side."""
    rng, canvas = stage.rng, stage.canvas
    paint = dim(rng.choice((*_PAINTS, stage.stone)), rng.uniform(0.8, 1.1))
    length, width, height = rng.uniform(3.8, 4.8), 1.8, rng.uniform(1.4, 1.7)
    if broadside:
        _ground_shadow(stage, (x, x + length), z, 1.2)
        _car_side(stage, Face(x, z), length, height, paint, VEHICLE)
        return
    _ground_shadow(stage, (x - 0.1, x + width + 0.1), z, length)
    side = x + width if x + width < 0 else x
    if x > 0 or x + width < 0:
        gain = stage.light.left if x > 0 else stage.light.right
        _car_side(stage, Face(side, z, along=True), length, height, dim(paint, gain), VEHICLE)
        inner = side + (0.3 if x > 0 else -0.3)
        post = [(side, 0.9, z), (inner, height, z), (side, height, z + 0.17 * length),
                (side, 0.9, z + 0.05 * length)]  # fmt: skip
        spots = [canvas.camera.spot(point) for point in post]
        canvas.polygon(spots, stage.seen(paint, z, gain * 0.85), VEHICLE, SMOOTH)
    rear, seen = Face(x, z), stage.seen
    canvas.box(rear, (0, width), (0.25, 0.9), seen(paint, z), VEHICLE, SMOOTH)
    cabin = [(0.05, 0.9), (width - 0.05, 0.9), (width - 0.3, height), (0.3, height)]
    canvas.shape(rear, cabin, seen(paint, z, 0.9), VEHICLE, SMOOTH)
    glass = mix(_DARK, stage.light.top, 0.35)
    pane = [(0.2, 0.95), (width - 0.2, 0.95), (width - 0.38, height - 0.1), (0.38, height - 0.1)]
    canvas.shape(rear, pane, seen(glass, z))
    _rear_details(stage, rear, width)


def draw_box(stage: Scenery, x: float, z: float, kind: int, width: float) -> None:
    """A box of the given kind (VEHICLE, SIGN or BUILDING) whose front stands at (x, z)."""
    rng = stage.rng
    paint = rng.choice((stage.surface(0.08), stage.surface(0.08), dim(rng.choice(_PAINTS), 0.95)))
    picture = rng.choice(("none", "people", "people", "land", "band"))
    skin = Skin(paint, dim(rng.choice(_PAINTS), 0.9), picture)
    top = rng.uniform(2.9, 4.4)
    low = {VEHICLE: 0.4, SIGN: rng.uniform(0.8, 1.6), BUILDING: 0.0}[kind]
    depth = 0.25 if kind == SIGN else rng.uniform(2.5, 8) if width < 4 else 2.5
    _ground_shadow(stage, (x, x + width), z, min(depth, 2.5))
    if kind == SIGN:
        for u in (0.25, width - 0.4):
            post = stage.seen((92, 92, 92), z, 0.8)
            stage.canvas.box(Face(x, z), (u, u + 0.15), (0, low), post, POLE, SMOOTH)
    _box_side(stage, (x, width), z, (low, top, depth), skin, kind)
    front = Face(x, z)
    stage.canvas.box(front, (0, width), (low, top), stage.seen(skin.paint, z), kind, WALL)
    _picture(stage, front, width, top, skin)
    if kind == VEHICLE:
        _running_gear(stage, front, width)
    elif kind == BUILDING:
        stage.canvas.box(front, (0, width), (0, 0.25), stage.seen(skin.paint, z, 0.7))


def _box_side(
    stage: Scenery, place: Span, z: float, extent: tuple[float, float, float], skin: Skin, kind: int
) -> None:
    """The side that looks to the middle of the picture, where one does."""
    (x, width), (low, top, depth) = place, extent
    if x <= 0 <= x + width:
        return
    gain = stage.light.left if x > 0 else stage.light.right
    side = Face(x if x > 0 else x + width, z, along=True)
    colour = stage.seen(skin.paint, z, gain * 0.9)
    stage.canvas.box(side, (0, depth), (low, top), colour, kind, WALL)
    if skin.picture == "band" and depth > 1:
        stage.canvas.box(side, (0, depth), (1.7, 2.5), stage.seen(skin.band, z, gain * 0.9))
    if kind == VEHICLE:
        for u in (0.25 * depth, 0.8 * depth):
            tyre = stage.seen(_DARK, z)
            stage.canvas.round(side, (u, 0.42), (0.42, 0.42), tyre, VEHICLE)


def _picture(stage: Scenery, face: Face, width: float, top: float, skin: Skin) -> None:
    """Draws a print on the upper part of a box."""
    rng, canvas, z = stage.rng, stage.canvas, face.z
    if skin.picture == "band":
        canvas.box(face, (0, width), (1.7, 2.5), stage.seen(skin.band, z))
    elif skin.picture == "land":
        sky, green = stage.light.top, (86.0, 118.0, 58.0)
        canvas.box(face, (0.15, width - 0.15), (1.7, top - 0.2), stage.seen(sky, z))
        canvas.box(face, (0.15, width - 0.15), (1.7, 2.2), stage.seen(green, z))
    elif skin.picture == "people":
        size = top - 1.3
        count = max(1, int(width / size / 0.8))
        for k in range(count):
            u = width * (k + 0.5) / count + rng.uniform(-0.1, 0.1)
            draw_person(stage, face, (u, 1.2), size, None)


def _running_gear(stage: Scenery, face: Face, width: float) -> None:
    """All that makes a box a vehicle: wheels under a long one, bumper and lights at a rear."""
    canvas, seen, z = stage.canvas, stage.seen, face.z
    dark = seen(_DARK, z)
    canvas.box(face, (0.1, width - 0.1), (0.2, 0.42), dark, VEHICLE, SMOOTH)
    if width > 4:
        for u in (0.18, 0.72, 0.85) if width > 6 else (0.2, 0.8):
            canvas.round(face, (u * width, 0.46), (0.46, 0.46), dark, VEHICLE)
            canvas.round(face, (u * width, 0.46), (0.2, 0.2), seen((150, 150, 150), z))
        return
    for u in (0.15, width - 0.5):
        canvas.box(face, (u, u + 0.35), (0.0, 0.3), dark, VEHICLE, SMOOTH)
        lamp = (230, 50, 40) if stage.light.lit else (170, 40, 36)
        canvas.box(face, (u, u + 0.3), (0.5, 0.65), seen(lamp, z))
    canvas.box(face, (width / 2 - 0.26, width / 2 + 0.26), (0.45, 0.58), seen((230, 225, 200), z))


def _car_side(
    stage: Scenery, face: Face, length: float, height: float, paint: Colour, label: Label
) -> None:
    canvas, z = stage.canvas, max(NEAR, face.z)
    body = [(0, 0.3), (length, 0.3), (length, 0.7), (length * 0.97, 0.82), (length * 0.75, 0.92),
            (0.05, 0.95), (0, 0.8)]  # fmt: skip
    canvas.shape(face, body, stage.seen(paint, z), label, SMOOTH)
    roof = [
        (0.05 * length, 0.9),
        (0.78 * length, 0.9),
        (0.6 * length, height),
        (0.17 * length, height),
    ]
    canvas.shape(face, roof, stage.seen(paint, z, 0.95), label, SMOOTH)
    glass = stage.seen(mix(_DARK, stage.light.top, 0.3), z)
    for low, high, up in ((0.12, 0.38, 0.2), (0.41, 0.7, 0.41)):
        end = high if up == 0.2 else high - 0.11
        pane = [(low * length, 0.95), (high * length, 0.95), (end * length, height - 0.1),
                (up * length, height - 0.1)]  # fmt: skip
        canvas.shape(face, pane, glass)
    for u in (0.19, 0.8):
        dark, hub = stage.seen(_DARK, z), stage.seen((160, 160, 164), z)
        canvas.round(face, (u * length, 0.32), (0.33, 0.33), dark, label)
        canvas.round(face, (u * length, 0.32), (0.17, 0.17), hub)


def _rear_details(stage: Scenery, rear: Face, width: float) -> None:
    canvas, seen, z = stage.canvas, stage.seen, rear.z
    lamp = (250, 60, 40) if stage.light.lit else (180, 36, 32)
    for u in (0.06, width - 0.36):
        canvas.box(rear, (u, u + 0.3), (0.65, 0.82), seen(lamp, z))
        canvas.box(rear, (u, u + 0.24), (0.0, 0.3), seen(_DARK, z), VEHICLE, SMOOTH)
    canvas.box(rear, (width / 2 - 0.26, width / 2 + 0.26), (0.5, 0.62), seen((228, 224, 205), z))
    canvas.box(rear, (0.04, width - 0.04), (0.24, 0.36), seen(_DARK, z, 1.3))


def _lamp(stage: Scenery, foot: Face, height: float, metal: Colour) -> None:
    canvas, z, side = stage.canvas, foot.z, stage.rng.choice((-1, 1))
    arm = sorted((0.0, side * 1.3))
    canvas.box(foot, (arm[0], arm[1]), (height - 0.1, height), stage.seen(metal, z), POLE, SMOOTH)
    glow = (255, 236, 180) if stage.light.lit else (225, 225, 220)
    head = sorted((side * 0.8, side * 1.5))
    canvas.box(foot, (head[0], head[1]), (height - 0.24, height - 0.06), stage.seen(glow, z), POLE)


def _plate(stage: Scenery, foot: Face, height: float) -> None:
    rng, canvas, z = stage.rng, stage.canvas, foot.z
    colour, size = rng.choice(_PLATES), rng.uniform(0.35, 0.6)
    if rng.random() < 0.5:
        canvas.round(foot, (0, height), (size, size), stage.seen(colour, z), SIGN)
        canvas.round(foot, (0, height), (size * 0.7, size * 0.7), stage.seen((240, 240, 240), z))
    else:
        wide = size * rng.choice((1.0, 1.8))
        canvas.box(
            foot, (-wide, wide), (height - size, height + size), stage.seen(colour, z), SIGN, SMOOTH
        )
        white = stage.seen((240, 240, 240), z)
        canvas.box(
            foot, (-wide * 0.7, wide * 0.7), (height - size * 0.2, height + size * 0.2), white
        )


def _ground_shadow(stage: Scenery, x: Span, z: float, depth: float) -> None:
    """A soft dark patch on the ground below a thing, longer on the side away from the sun."""
    light = stage.light
    slant = -light.sun * 2.0 if light.shadow else 0.0
    ends = sorted((x[0], x[1], x[0] + slant, x[1] + slant))
    spots = stage.canvas.ground_spots(x, (z, z + depth))
    stage.canvas.glaze(spots, (10, 10, 16), 0.45)
    if light.shadow:
        spots = stage.canvas.ground_spots((ends[0], ends[-1]), (z, z + depth * 0.6))
        stage.canvas.glaze(spots, (16, 18, 34), light.shadow)
