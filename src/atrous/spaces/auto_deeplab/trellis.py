"""The resolutions a network passes, layer by layer (Liu et al. 2019, section 3.2).

After a stem that ends at stride 4, each layer works at stride 4, 8, 16 or 32: at that of the layer
before, at twice or at half of it. A level counts strides: 0 is stride 4, 3 is stride 32. A path is
the level of each layer, in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from math import hypot

from atrous.core.drawing import BLUE, GREY_TINT, MUTED, Shapes, css, text
from atrous.spaces.auto_deeplab.cell import RepeatedCell

STRIDES = (4, 8, 16, 32)
LEVELS = range(len(STRIDES))
LAYERS = 12

Path = tuple[int, ...]
"""The level of each layer."""


@dataclass(frozen=True)
class Arrow:
    """A way into `layer` (from 0) at level `target`, from the layer before at level `source`; the
    stem, at level 0, is before layer 0."""

    layer: int
    source: int
    target: int


@cache  # asked for at each decision of each candidate
def exits(level: int) -> range:
    """The levels that the layer after one at `level` can have, the finest first."""
    return range(max(level - 1, 0), min(level + 1, LEVELS[-1]) + 1)


def levels_at(layer: int) -> range:
    """The levels that can be reached in a layer (from 0)."""
    return range(min(layer + 1, LEVELS[-1]) + 1)


def arrows(layers: int) -> Iterator[Arrow]:
    """Every arrow of the trellis, layer by layer, then by source, then by target."""
    for layer in range(layers):
        for source in range(1) if layer == 0 else levels_at(layer - 1):
            for target in exits(source):
                yield Arrow(layer, source, target)


def is_path(levels: Path) -> bool:
    """Whether each level can follow the one before, the first that of the stem."""
    before = (0, *levels)
    return all(level in exits(last) for last, level in zip(before, levels, strict=False))


STEM_LEVEL, STEM_STRIDE = -1, 2
"""Where the stem's first convolutions are."""
MEAN = STD = (0.5, 0.5, 0.5)
"""Images in [0, 1] are normalised to [-1, 1]: no statistics of another data set enter."""


@dataclass(frozen=True)
class LayerPlan:
    """A layer of the trunk: it reads `x`, the layer before, and `y`, the one before that, and has
    `filters` channels a block at its own level, `move` coarser than that of x."""

    x_channels: int
    y_channels: int
    x_level: int
    y_level: int
    filters: int
    move: int

    @property
    def y_fits(self) -> bool:
        """Whether y has the size of x, once an up step has enlarged x."""
        return self.y_level == self.x_level + min(self.move, 0)


def layer_plans(path: Path, blocks: int, filters: int) -> Iterator[LayerPlan]:
    """The layers of a network of F `filters` along a path, the first after the stem."""
    _, second, third = stem_widths(filters)
    y, x = (STEM_LEVEL, second), (0, third)
    for level in path:
        width = filters << level
        yield LayerPlan(x[1], y[1], x[0], y[0], width, level - x[0])
        y, x = x, (level, blocks * width)


def trunk_channels(path: Path, blocks: int, filters: int) -> dict[int, int]:
    """The channels of the maps that a trunk gives, by stride: of stride 4, and of its end."""
    low = blocks * filters if 0 in path else stem_widths(filters)[2]
    return {STRIDES[0]: low, STRIDES[path[-1]]: blocks * (filters << path[-1])}


def stem_widths(filters: int) -> tuple[int, int, int]:
    """The channels of the stem's three convolutions: 64, 64, 128 as published."""
    return min(64, 4 * filters), min(64, 4 * filters), min(128, 8 * filters)


def width_of(filters: int) -> int:
    """The channels of ASPP and decoder: 256 as published."""
    return min(256, 16 * filters)


def low_width(filters: int) -> int:
    """To how many channels the decoder projects the map at stride 4: 48 as published."""
    return min(48, 3 * filters)


COLUMN, ROW, RADIUS, MARGIN = 56, 48, 9, 8
LABELS, HEAD = 62, 26
THIN, BOLD = 1.1, 3.0
WIDEST, FAINTEST = 7.0, 0.2

TEXT_COLUMN, TEXT_LABEL = 4, 10
ON_PATH, OFF_PATH, SAME, COARSER, FINER = "●·─╲╱"

Probabilities = Mapping[Arrow, float]


def draw_trellis(layers: int, probabilities: Probabilities | None, path: Path | None) -> str:
    """An SVG element with the trellis of so many layers; `probabilities` are those of all arrows,
    in [0, 1]."""
    return trellis(layers, probabilities, path).svg(trellis_words(path))


def trellis_words(path: Path | None) -> str:
    """The drawing in words: the stride of each layer."""
    if path is None:
        return "Trellis of strides, layer by layer"
    return f"Strides, layer by layer: {', '.join(str(STRIDES[level]) for level in path)}"


def trellis(layers: int, probabilities: Probabilities | None, path: Path | None) -> Shapes:
    """The same as shapes, to stand in a larger drawing."""
    ways = _ways(path)
    every = sorted(arrows(layers), key=lambda arrow: arrow in ways)
    parts = [
        *_labels(layers),
        *(_arrow(arrow, arrow in ways, probabilities) for arrow in every),
        *_nodes(layers, path),
    ]
    width = LABELS + COLUMN * layers + 2 * (RADIUS + MARGIN)
    height = HEAD + ROW * (len(STRIDES) - 1) + 2 * (RADIUS + MARGIN)
    return Shapes("".join(parts), width, height)


def _ways(path: Path | None) -> frozenset[Arrow]:
    """The arrows along a path."""
    steps = enumerate(zip((0, *path), path, strict=False)) if path else ()
    return frozenset(Arrow(layer, source, target) for layer, (source, target) in steps)


def _x(layer: int) -> float:
    """The middle of a layer's column; the stem is layer -1."""
    return LABELS + MARGIN + RADIUS + COLUMN * (layer + 1)


def _y(level: int) -> float:
    return HEAD + MARGIN + RADIUS + ROW * level


def _labels(layers: int) -> Iterator[str]:
    for level, stride in enumerate(STRIDES):
        yield text(LABELS / 2, _y(level) + 4, f"stride {stride}", MUTED)
    yield text(_x(-1), HEAD - 8, "stem", MUTED)
    for layer in range(layers):
        yield text(_x(layer), HEAD - 8, str(layer), MUTED)


def _nodes(layers: int, path: Path | None) -> Iterator[str]:
    for layer in range(-1, layers):
        for level in range(1) if layer < 0 else levels_at(layer):
            passed = path is not None and level == (0, *path)[layer + 1]
            fill, edge = (BLUE, BLUE) if passed else (GREY_TINT, MUTED)
            yield (
                f'<circle cx="{_x(layer):g}" cy="{_y(level):g}" r="{RADIUS}" '
                f'style="fill: {css(fill)}; stroke: {css(edge)}; stroke-width: 1.2"/>'
            )


def _arrow(arrow: Arrow, on_path: bool, probabilities: Probabilities | None) -> str:
    """From the edge of a node to the edge of another; a probability is told when pointed at."""
    if probabilities is None:
        width, opacity, said = (BOLD if on_path else THIN), (1.0 if on_path else 0.55), ""
    else:
        share = probabilities[arrow]
        width = max(WIDEST * share, BOLD / 2 if on_path else 0.3)
        opacity = 1.0 if on_path else FAINTEST + (1 - FAINTEST) * share
        said = f"<title>{_words(arrow)}: {share:.3f}</title>"
    colour = css(BLUE if on_path else MUTED)
    return (
        f'<g style="stroke: {colour}; fill: {colour}; opacity: {opacity:.3g}">{said}'
        f"{_shaft(arrow, width)}</g>"
    )


def _words(arrow: Arrow) -> str:
    source, target = STRIDES[arrow.source], STRIDES[arrow.target]
    return f"layer {arrow.layer}, stride {source} to stride {target}"


def _shaft(arrow: Arrow, width: float) -> str:
    """A line with a tip at its end."""
    across, down = COLUMN, ROW * (arrow.target - arrow.source)
    length = hypot(across, down)
    right, below = across / length, down / length
    tip = 3.5 + width
    x, y = _x(arrow.layer) - right * RADIUS, _y(arrow.target) - below * RADIUS
    from_x, from_y = _x(arrow.layer - 1) + right * RADIUS, _y(arrow.source) + below * RADIUS
    base_x, base_y, half = x - right * tip, y - below * tip, 0.5 * tip
    corners = (
        f"{x:.1f},{y:.1f} {base_x - below * half:.1f},{base_y + right * half:.1f} "
        f"{base_x + below * half:.1f},{base_y - right * half:.1f}"
    )
    return (
        f'<line x1="{from_x:.1f}" y1="{from_y:.1f}" x2="{base_x:.1f}" y2="{base_y:.1f}" '
        f'style="stroke-width: {width:.2g}"/><polygon points="{corners}" style="stroke: none"/>'
    )


def network_text(path: Path, cell: RepeatedCell) -> str:
    """The trellis in plain text, then what each block computes."""
    blocks = [
        f"block {number}: {block.first} + {block.second}" for number, block in enumerate(cell)
    ]
    return "\n".join([trellis_text(path), "", *blocks, "all blocks -> concatenation"])


def trellis_text(path: Path) -> str:
    """Layers from left to right, strides from top to bottom: the path, and dots where others
    can pass."""
    rows = [[" "] * (TEXT_COLUMN * len(path) + 1) for _ in range(2 * len(STRIDES) - 1)]
    rows[0][0] = ON_PATH
    for layer, (source, target) in enumerate(zip((0, *path), path, strict=False)):
        start, end = TEXT_COLUMN * layer, TEXT_COLUMN * (layer + 1)
        for level in levels_at(layer):
            rows[2 * level][end] = ON_PATH if level == target else OFF_PATH
        if source == target:
            rows[2 * source][start + 1 : end] = SAME * (TEXT_COLUMN - 1)
        else:
            rows[source + target][start + TEXT_COLUMN // 2] = COARSER if target > source else FINER
    numbers = "".join(f"{layer:>{TEXT_COLUMN}}" for layer in range(len(path)))
    labels = [f"stride {STRIDES[n // 2]:>2}" if n % 2 == 0 else "" for n in range(len(rows))]
    lines = (f"{name:{TEXT_LABEL}}{''.join(row)}" for name, row in zip(labels, rows, strict=True))
    return "\n".join([f"{'stem':>{TEXT_LABEL + 1}}{numbers}", *(line.rstrip() for line in lines)])
