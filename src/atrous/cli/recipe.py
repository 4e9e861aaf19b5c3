"""Published results: what each takes, and going for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from atrous.core.console import output, say

if TYPE_CHECKING:
    from atrous.core.trial import Metrics
    from atrous.recipes.changes import Difference

OUT = Path("recipes")
Name = Annotated[str, typer.Argument(metavar="NAME", help="A recipe of `atrous recipe list`.")]

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


@recipe.command()
def show(name: Name) -> None:
    """Shows everything about a recipe: numbers, sources, protocol, data, commands."""
    from atrous.recipes import find_recipe
    from atrous.recipes.result import text

    say(text(find_recipe(name)))


@recipe.command()
def run(
    name: Name,
    data: Annotated[Path, typer.Option(help="The folder of the data set that it needs.")],
    out: Annotated[Path | None, typer.Option(help="The folder [recipes/NAME].")] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps.")] = None,
    batch: Annotated[int | None, typer.Option(help="Images a step, over all processes.")] = None,
    accumulate: Annotated[
        int | None, typer.Option(help="Parts a batch is worked on in, for lack of memory.")
    ] = None,
    crop: Annotated[str | None, typer.Option(help="HxW of a training crop.")] = None,
    backbone: Annotated[str | None, typer.Option(help="A timm model.")] = None,
    weights: Annotated[
        str | None, typer.Option(help="Of the backbone: auto, builtin, none, or a file [auto].")
    ] = None,
    precision: Annotated[
        Literal["float32", "bfloat16"] | None, typer.Option(help="Of products [float32].")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of first weights, crops and dropout.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
) -> None:
    """Trains and scores as published, and puts measured beside published.

    What is not given is the recipe's. The same command goes on with what was stopped. Under
    torchrun, several processes train together.
    """
    from atrous.data.canvas import parse_size
    from atrous.recipes import find_recipe
    from atrous.recipes.changes import Changes
    from atrous.recipes.reproduction import begin, carry_out
    from atrous.recipes.result import PAGE

    found = find_recipe(name)
    changes = Changes(
        steps=steps,
        batch=batch,
        accumulate=accumulate,
        crop=parse_size(crop) if crop else None,
        backbone=backbone,
        weights=weights,
        precision=precision,
        seed=seed,
        device=device,
    )
    reproduction = begin(found, data, out or OUT / name, changes)
    if reproduction.leads:
        _warn(reproduction.result.differences)
    try:
        done = carry_out(reproduction, say, _tell)
    except KeyboardInterrupt:
        say("Stopped. Go on: the same command again.")
        raise
    if done:
        say(done.text)
        say(f"wrote {done.out / PAGE}")


def _warn(differences: tuple[Difference, ...]) -> None:
    from atrous.recipes.result import difference_table

    if differences:
        say(f"This is not the published protocol:\n{difference_table(differences)}")


def _tell(step: int, loss: float | None, metrics: Metrics) -> None:
    told = "" if loss is None else f"loss {loss:.4f}  "
    say(f"step {step:>6}  {told}mIoU on val {metrics.miou:.4f}")
