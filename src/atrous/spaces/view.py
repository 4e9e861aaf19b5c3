"""Shows the architectures of a family: in words, drawn, counted in a report, costed in a terminal.

`View` is what a family says of itself. Nothing here needs torch until a backbone is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

from atrous.core.architecture import Architecture, Cost, Genotype
from atrous.core.errors import AtrousError
from atrous.core.requests import Asked as Asked
from atrous.data.canvas import Size
from atrous.relax.collapse import Snapshot
from atrous.spaces.space import IMAGE as IMAGE_STRIDE
from atrous.spaces.space import Shape, Space, deepest

IMAGE = (1025, 2049)
"""An image of Cityscapes, with the pixel more that canvases have."""
MAP = (65, 129)
"""The feature map of such an image at stride 16."""
CHANNELS, FILTERS, STRIDE, RGB = 320, 256, 16, 3
STRIDES = (4, 8, 16)
"""The strides of maps where no backbone is named."""

READING = (
    "Read upwards: two boxes side by side are what is done to two maps, whose results are added (a "
    "cross) or concatenated (two lines). Wires that cross without a dot do not meet."
)
Reads = Callable[[Collection[int]], tuple[int, ...]]
"""Of the strides of some maps those that a space reads."""
Pieces = Callable[[Genotype, Mapping[int, Shape], int], Mapping[str, Cost]]
"""The costs by name of what an architecture is made of, on maps by stride, so many filters wide."""
Observed = tuple[str, str]
"""A choice: what was chosen among, and what was chosen."""
Branch = tuple[str, str]
"""Something that a projection reads: in words, and the colour of its kind."""


@dataclass(frozen=True)
class Drawing:
    """An SVG element, or some below one another, the widest `width` pixels at its natural size."""

    svg: str
    width: int


@dataclass(frozen=True)
class FeatureMap:
    """The map of `size` (H, W) positions that a head reads; `backbone` is the cost of what made it,
    if one was named.

    `stride` is the map's, `finer` are maps of smaller strides (channels, height, width) that are
    read besides.
    """

    channels: int
    size: Size
    backbone: Cost | None = None
    stride: int = STRIDE
    finer: Mapping[int, Shape] = field(default_factory=dict)

    @property
    def maps(self) -> dict[int, Shape]:
        """All maps by stride."""
        return {**self.finer, self.stride: (self.channels, *self.size)}


@dataclass(frozen=True)
class Description:
    """An architecture with the cost of its parts.

    `sketch` draws it in plain text. `parts` are the lines of a table called `title`, in groups; a
    part without multiply-adds has 0. `facts` are the same in the types of JSON.
    """

    sketch: str
    title: str
    parts: tuple[tuple[tuple[str, Cost], ...], ...]
    facts: Mapping[str, Any]
    note: str = ""


def no_drawing(architecture: Architecture) -> Drawing | None:  # noqa: ARG001
    """Returns `None`, where a drawing would say no more than words."""
    return None


@dataclass(frozen=True)
class View:
    """How architectures are shown that are made alike.

    `noun` is what one is called, `reading` how its drawing is read. `words` spells one in a line of
    ASCII, `describe` counts what its parts cost. `observed` gives every choice that one makes;
    `order` says which names a group has, in order, and those that are found beside them come after.
    `shared` says whose share the counts of choices are. `branches` are what a projection reads, in
    the order of `Metrics.branch_norms`; `None` where there is no projection.
    """

    noun: str
    reading: str
    shared: str
    words: Callable[[Architecture], str]
    observed: Callable[[Architecture], list[Observed]]
    order: Mapping[str, tuple[str, ...]]
    describe: Callable[[Architecture, Asked], Description]
    draw: Callable[[Architecture], Drawing | None] = no_drawing
    branches: Callable[[Architecture], list[Branch]] | None = None


def plain_view(space: Space) -> View:
    """The view of a space whose family has none: by decisions."""
    return View(
        noun="architecture",
        reading=READING if space.shapes else "",
        shared="architectures",
        words=partial(_words, space),
        observed=partial(_observed, space),
        order={},
        describe=partial(described, space),
        draw=partial(_drawn, space) if space.shapes else no_drawing,
    )


def feature_map(asked: Asked, reads: Reads = deepest, read: Reads | None = None) -> FeatureMap:
    """The maps that a space `reads`, as asked for, or those of the named backbone, of which that
    counts which the maps that are `read` depend on. Raises `AtrousError`."""
    stride, image = asked.output_stride or STRIDE, asked.size or IMAGE
    if asked.backbone is None:
        channels, (height, width) = asked.channels or CHANNELS, asked.size or MAP
        found = {
            s: (channels, (height - 1) * stride // s + 1, (width - 1) * stride // s + 1)
            for s in STRIDES
            if s <= stride
        }
        backbone = None
    else:
        from atrous.data.canvas import feature_size
        from atrous.networks.backbones import backbone_cost, outline

        network = outline(asked.backbone, stride)
        found = {s: (c, *feature_size(image, s)) for s, c in network.channels.items()}
        network.cut((read or reads)(found))
        backbone = backbone_cost(network, image)
    *finer, deep = reads(found)
    channels, height, width = found[deep]
    return FeatureMap(channels, (height, width), backbone, deep, {s: found[s] for s in finer})


def refuse_backbone(architecture: Architecture, asked: Asked) -> None:
    """Raises `AtrousError` if a feature map is asked for, where the architecture reads images."""
    given = {
        "--backbone": asked.backbone,
        "--channels": asked.channels,
        "--output-stride": asked.output_stride,
    }
    named = [option for option, value in given.items() if value is not None]
    if named:
        raise AtrousError(
            f"Expected no {' and no '.join(named)}: {architecture.space} is a space of whole "
            "networks, which read images. --size is the image's, --filters is F."
        )


def _drawn(space: Space, architecture: Architecture) -> Drawing | None:
    if space.shapes is None:
        return None
    shapes = space.shapes(architecture.genotype)
    return Drawing(shapes.svg(_words(space, architecture)), round(shapes.width))


def _words(space: Space, architecture: Architecture) -> str:
    lines = space.text(architecture.genotype).splitlines()
    return "; ".join(line.strip() for line in lines if line.strip())


def _observed(space: Space, architecture: Architecture) -> list[Observed]:
    """Every decision with the number of its choice."""
    return [
        (space.decision(position).capitalize(), str(choice))
        for position, choice in enumerate(architecture.genotype)
    ]


def described(
    space: Space, architecture: Architecture, asked: Asked, pieces: Pieces | None = None
) -> Description:
    """The architecture in plain text, and its cost as the space counts it, after that of its
    `pieces`. Raises `AtrousError`."""
    if space.encoder:
        refuse_backbone(architecture, asked)
        reads = FeatureMap(RGB, asked.size or IMAGE, stride=IMAGE_STRIDE)
    else:
        read = partial(space.read_by, architecture.genotype)
        reads = feature_map(asked, space.reads, read)
    filters = asked.filters or FILTERS
    cost = space.cost(architecture.genotype, reads.maps, filters)
    found = pieces(architecture.genotype, reads.maps, filters) if pieces else {}
    parts = [*found.items(), ("architecture", cost)]
    if backbone := reads.backbone:
        parts += [("backbone", backbone), ("backbone and architecture", backbone + cost)]
    facts: dict[str, Any] = {
        "architecture": str(architecture),
        "channels": reads.channels,
        "filters": filters,
        "size": list(reads.size),
        "cost": asdict(cost),
        "backbone": asdict(backbone) if backbone else None,
    }
    if reads.finer:
        facts["finer"] = {str(s): list(shape) for s, shape in reads.finer.items()}
    sizes = " and ".join(f"{height} x {width}" for _, height, width in reads.maps.values())
    title = f"on {sizes} positions, {filters} filters"
    return Description(space.text(architecture.genotype), title, (tuple(parts),), facts)


Dash = str | tuple[int, tuple[float, float]]
"""A line's dashes as matplotlib has them."""
SOLID: Dash = "-"
DASHED: Dash = (0, (5, 2))
DOTTED: Dash = (0, (1, 1.5))
Place = tuple[int, int]


@dataclass(frozen=True)
class Line:
    """A value for each snapshot, drawn over the steps."""

    name: str
    colour: str
    dash: Dash
    values: Sequence[float]


@dataclass(frozen=True)
class Chart:
    """Lines in one frame.

    `name` is unique on the page; `title` says what is seen, for those who do not see it; `label` is
    that of the values, `words` a sentence below; `ending` formats a line's last value.
    """

    name: str
    title: str
    label: str
    lines: Sequence[Line]
    words: str
    ending: str = " {:.3f}"


@dataclass(frozen=True)
class Grid:
    """Probabilities by (row, column), rows from the top, columns `wide` pixels each.

    `chosen` are those that were decoded, and `parted` the rows above which a line parts groups;
    `name`, `title` and `words` are as for a `Chart`.
    """

    name: str
    title: str
    words: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: Mapping[Place, float]
    chosen: AbstractSet[Place]
    parted: Sequence[int]
    wide: float


@dataclass(frozen=True)
class RelaxationView:
    """How a search by gradients is shown.

    `line` says in a few words, on the terminal, what a snapshot would decode; `facts` are names and
    values on a page. `draw` gives an SVG element of where a snapshot stands, and `reading` tells,
    in HTML, how that is read, and whether decoding is neutral. `charts` show how the search came
    there, `grids` what a snapshot leans to.
    """

    line: Callable[[Snapshot], str]
    facts: Callable[[Snapshot], Sequence[tuple[str, str]]]
    draw: Callable[[Snapshot], str]
    reading: Callable[[bool], str]
    charts: Callable[[Sequence[Snapshot]], Sequence[Chart]]
    grids: Callable[[Snapshot], Sequence[Grid]]
