"""Published results: what each takes, and going for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from atrous.cli.options import Command, takes
from atrous.core.console import output, say, stoppable
from atrous.core.requests import RecipeConfig, ShowRequest
from atrous.core.words import score_name
from atrous.stages.told import Told

if TYPE_CHECKING:
    from atrous.core.trial import Metrics, Score
    from atrous.recipes.changes import Difference

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


@recipe.command(cls=Command)
@takes(ShowRequest)
def show(told: Told) -> None:
    """Shows everything about a recipe: numbers, sources, protocol, data, commands."""
    from atrous.recipes import find_recipe
    from atrous.recipes.result import recipe_text

    say(recipe_text(find_recipe(told.made(ShowRequest).name)))


@recipe.command(cls=Command)
@takes(RecipeConfig)
def run(told: Told) -> None:
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
