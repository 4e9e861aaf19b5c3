"""Shows what there is: spaces, architectures, data sets, scenes to try things on, and published
results, for which it goes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Group, RenderableType
from rich.table import Column, Table
from rich.text import Text

from atrous.cli.options import Command, Json, show, takes
from atrous.core.console import output, say, stoppable
from atrous.core.files import write_whole, writing
from atrous.core.requests import (
    CheckRequest,
    DescribeConfig,
    RecipeConfig,
    ScenesConfig,
    ShowRequest,
    SpacesRequest,
)
from atrous.core.words import score_name
from atrous.stages.told import Told

if TYPE_CHECKING:
    from atrous.core.trial import Metrics, Score
    from atrous.recipes.changes import Difference
    from atrous.spaces.view import Description


@takes(SpacesRequest)
def spaces(told: Told, as_json: Json = False) -> None:
    """Lists the search spaces with their exact sizes."""
    from atrous.spaces import FAMILIES, family_of, find_space, names_of

    asked = told.made(SpacesRequest, lambda asked: [find_space(name) for name in asked.names])
    found = [(find_space(name), names_of(family_of(name))) for name in asked.names or FAMILIES]
    table = Table(
        Column("space", no_wrap=True), "what", Column("architectures", no_wrap=True), "named"
    )
    for space, names in found:
        table.add_row(space.name, space.title, f"{space.size():,}", ", ".join(names))
    rows = [
        {"name": s.name, "title": s.title, "size": s.size(), "published": list(s.published)}
        for s, _ in found
    ]
    show(rows, as_json, lambda _: table)


@takes(DescribeConfig)
def describe(told: Told, as_json: Json = False) -> None:
    """Draws an architecture and counts its parameters and multiply-adds."""
    from atrous.spaces import find_architecture, view_of, write_architecture

    asked = told.made(DescribeConfig, lambda asked: find_architecture(asked.architecture))
    found = find_architecture(asked.architecture)
    described = view_of(found).describe(found, asked.on)
    if asked.write:
        with writing(f"the cell to {asked.write}", "Name a file that can be written."):
            write_whole(asked.write, write_architecture(found))
    show(described.facts, as_json, lambda _: rendered(str(found), described))


def rendered(architecture: str, found: Description) -> RenderableType:
    """A description for the terminal: the sketch, a table of the cost, and the note."""
    table = Table(title=found.title)
    table.add_column("part")
    table.add_column("parameters", justify="right")
    table.add_column("multiply-adds", justify="right")
    for group in found.parts:
        for name, cost in group:
            adds = f"{cost.multiply_adds:,}" if cost.multiply_adds else ""
            table.add_row(name, f"{cost.parameters:,}", adds)
        table.add_section()
    # A sketch that is too wide is cut: wrapped, it could not be read.
    sketch = Text(found.sketch, no_wrap=True, overflow="ignore")
    notes = ["", found.note] if found.note else []
    return Group(architecture, "", sketch, "", table, *notes)


@takes(CheckRequest)
def check(told: Told, as_json: Json = False) -> None:
    """Looks for everything that is wrong with a data set; exit code 1 if something is."""
    from atrous.cli.tables import check_report
    from atrous.stages import asked

    report = asked.check.of(told)
    show(report, as_json, check_report)
    if any(problem.severity == "error" for problem in report.problems):
        raise typer.Exit(1)


@takes(ScenesConfig)
def scenes(told: Told) -> None:
    """Draws street-like scenes with their masks, a data set to try things on."""
    from atrous.scenes.scene import write_scenes

    asked = told.made(ScenesConfig)
    dataset = write_scenes(asked.folder, asked.images, asked.seed)
    counts = ", ".join(f"{len(samples)} {split}" for split, samples in dataset.splits.items())
    say(f"{asked.folder}: {counts} images of {len(dataset.classes)} classes")


OUT = Path("recipes")

recipe = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Published results: the protocol, the number and its source, and a command that goes for "
    "it.",
)


@recipe.command("list")
def list_recipes() -> None:
    """Lists the published results that there are recipes for."""
    from atrous.recipes import RECIPES
    from atrous.recipes.result import render_list

    output.print(render_list(RECIPES.values()))


@recipe.command("show", cls=Command)
@takes(ShowRequest)
def show_recipe(told: Told) -> None:
    """Shows everything about a recipe: numbers, sources, protocol, data, commands."""
    from atrous.recipes import find_recipe
    from atrous.recipes.result import recipe_text

    say(recipe_text(find_recipe(told.made(ShowRequest).name)))


@recipe.command("run", cls=Command)
@takes(RecipeConfig)
def run_recipe(told: Told) -> None:
    """Trains and scores as published, and puts measured beside published.

    What is not given is the recipe's. The same command goes on with what was stopped. Under
    torchrun, several processes train together.
    """
    from atrous.recipes import find_recipe
    from atrous.recipes.reproduction import begin, carry_out
    from atrous.recipes.result import PAGE

    asked = told.made(RecipeConfig, lambda asked: find_recipe(asked.name))
    found = find_recipe(asked.name)
    reproduction = begin(found, asked.data, asked.out or OUT / asked.name, asked.changes)
    if reproduction.leads:
        _warn(reproduction.result.differences)
    with stoppable(lambda: "Stopped. Go on: the same command again."):
        done = carry_out(reproduction, say, _tell)
    if done:
        say(done.text)
        say(f"wrote {done.out / PAGE}")


def _warn(differences: tuple[Difference, ...]) -> None:
    from atrous.recipes.result import difference_table

    if differences:
        say(f"This is not the published protocol:\n{difference_table(differences)}")


def _tell(score: Score, _metrics: Metrics) -> None:
    told = "" if score.loss is None else f"loss {score.loss:.4f}  "
    say(f"step {score.step:>6}  {told}{score_name(score.name)} on val {score.value:.4f}")
