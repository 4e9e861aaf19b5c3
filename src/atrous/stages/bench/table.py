"""A table of trained architectures: measurements alone, in a folder of two files.

about.json      how they were trained and scored, and on what
rows.jsonl      an architecture a line

The true score of an architecture is its mean over seeds on images that chose nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from atrous.core.architecture import ArchitectureText
from atrous.core.errors import AtrousError
from atrous.core.records import (
    Amount,
    Count,
    Finite,
    Positive,
    read,
    read_lines,
    write,
    write_lines,
)
from atrous.core.statistics import Correlation, correlate
from atrous.spaces import find_space
from atrous.spaces.space import Shape, Space

ABOUT, ROWS, FORMAT = "about.json", "rows.jsonl", 1
WHAT, MEND = "a table of architectures", "Make it again with atrous bench build."
SHIPPED = Path(__file__).parent / "camvid"
"""The table that comes with the program: decoders on CamVid."""
FEWEST = 8
"""Of fewer architectures, nothing can be fitted."""


@dataclass(frozen=True)
class AboutTable:
    """How a table was made: `maps` are [channels, height, width] by stride that architectures of
    the `space` read, `rungs` the steps at which they were scored, `value` the name of the score,
    `images` how many there are of training, of selection, and of each split of the true score."""

    space: str
    maps: dict[int, Shape]
    filters: Positive
    batch: Positive
    seeds: tuple[Count, ...]
    rungs: tuple[Positive, ...]
    value: str
    images: dict[str, Count]
    backbone: str
    drawn_by: Count
    classes: Count
    machine: str
    versions: dict[str, str]


@dataclass(frozen=True)
class Tabled:
    """An architecture with its costs and scores. `latency` is that of the whole network for an
    image in milliseconds, `seconds` those of a training with its scores; `selection` are scores
    [seeds, rungs], `unseen` [seeds] by split, `untrained` scores [seeds] by name."""

    architecture: ArchitectureText
    parameters: Count
    multiply_adds: Count
    latency: Amount
    seconds: Amount
    selection: tuple[tuple[Finite, ...], ...]
    unseen: dict[str, tuple[Finite, ...]]
    untrained: dict[str, tuple[Finite, ...]] = field(default_factory=dict)

    @property
    def truth(self) -> float:
        """The mean over seeds and splits on images that chose nothing."""
        return fmean(fmean(scores) for scores in self.unseen.values())

    @property
    def readings(self) -> tuple[float, ...]:
        """The score of each seed on the selection images, after all steps."""
        return tuple(scores[-1] for scores in self.selection)


@dataclass(frozen=True)
class BenchTable:
    """A table that was read."""

    about: AboutTable
    rows: tuple[Tabled, ...]

    @property
    def space(self) -> Space:
        """The space of its architectures, on the maps that they read."""
        return find_space(self.about.space).at(self.about.maps, self.about.filters)

    @property
    def truths(self) -> list[float]:
        """The true score of each architecture."""
        return [row.truth for row in self.rows]

    @property
    def seconds(self) -> float:
        """The mean time of a training with its scores."""
        return fmean(row.seconds for row in self.rows)


def write_table(folder: Path, table: BenchTable) -> None:
    """Writes a table into a folder that is there; raises `AtrousError`."""
    write_lines(folder / ROWS, table.rows, WHAT)
    write(folder / ABOUT, table.about, FORMAT, WHAT)


def read_table(folder: Path) -> BenchTable:
    """Returns the table in a folder; raises `AtrousError` if there is none, it is damaged, of
    another version, or too small to tell anything."""
    absent = f"Expected a table in {folder}, as atrous bench build makes: there is no {ABOUT}."
    about = read(folder / ABOUT, AboutTable, FORMAT, WHAT, absent, MEND)
    rows = read_lines(folder / ROWS, Tabled, WHAT, MEND)
    space, seeds, rungs = find_space(about.space), len(about.seeds), len(about.rungs)
    for number, row in enumerate(rows, 1):
        where = f"{folder / ROWS}, line {number}"
        if row.architecture.space != space.name:
            raise AtrousError(f"{where}: expected an architecture of {about.space}. {MEND}")
        space.validate(row.architecture.genotype)
        if {len(row.selection), *map(len, row.unseen.values())} != {seeds} or {
            *map(len, row.selection)
        } != {rungs}:
            raise AtrousError(
                f"{where}: expected scores of {seeds} seeds, on selection images at {rungs} rungs. "
                f"{MEND}"
            )
    if len(rows) < FEWEST:
        raise AtrousError(
            f"Expected at least {FEWEST} architectures in {folder}, got {len(rows)}. Let it grow: "
            "atrous bench build with more --architectures."
        )
    return BenchTable(about, tuple(rows))


def columns(table: BenchTable) -> dict[str, list[float]]:
    """Returns what may tell an architecture's true score, by its name, a number an architecture:
    costs, scores without training, and those of one seed at each rung."""
    rows, about = table.rows, table.about
    found = {
        "parameters": [float(row.parameters) for row in rows],
        "multiply-adds": [float(row.multiply_adds) for row in rows],
        "latency": [row.latency for row in rows],
    }
    for name in rows[0].untrained:
        found[name.replace("_", " ")] = [row.untrained[name][0] for row in rows]
    for place, steps in enumerate(about.rungs):
        found[f"{steps} steps"] = [row.selection[0][place] for row in rows]
    return found


def correlations(
    table: BenchTable, also: Sequence[tuple[str, list[float]]]
) -> dict[str, Correlation]:
    """Returns how far each column, and others beside them, rank as the true scores do."""
    every = {**columns(table), **dict(also)}
    return {name: correlate(values, table.truths) for name, values in every.items()}
