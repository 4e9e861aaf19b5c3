"""Recipes for the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import RenderableType
from rich.table import Table

from atrous.recipes.changes import instructions
from atrous.recipes.recipe import Recipe, commands, submission
from atrous.recipes.result import cost_table, published_words

COLUMNS = ("recipe", "data", "backbone", "published mIoU")


def row(recipe: Recipe) -> tuple[str, ...]:
    """A recipe in the columns of `COLUMNS`."""
    printed = ", ".join(f"{one.miou} {one.split}" for one in recipe.published) or "-"
    return recipe.name, recipe.need.layout, recipe.backbone, printed


def render_list(recipes: Iterable[Recipe]) -> RenderableType:
    """All recipes as a table."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0))
    for column in COLUMNS:
        table.add_column(column, no_wrap=column == COLUMNS[0], overflow="fold")
    for recipe in recipes:
        table.add_row(*row(recipe))
    return table


def text(recipe: Recipe, data: str = "DATA", out: str = "OUT") -> str:
    """Everything about a recipe."""
    published = [f"  {published_words(one)}" for one in recipe.published]
    parts = [
        f"{recipe.name}: {recipe.title}",
        "Published mIoU, in percent\n" + "\n".join(published or ["  none"]),
        "Network and protocol\n" + "\n".join(f"  {line}" for line in _protocol(recipe)),
        "Scored\n" + "\n".join(f"  {scoring.words}" for scoring in recipe.scorings),
        cost_table(recipe).strip(),
        f"Data: {recipe.need.layout}; to download\n{instructions(recipe.need, data)}",
        "Differs from what was published\n" + _listed(recipe.deviations),
        "Not published\n" + _listed(recipe.unpublished),
        "Does what these commands do\n" + "\n".join(f"  {c}" for c in commands(recipe, data, out)),
        f"For the server of test\n  {submission(recipe, data, out)}" if recipe.need.submission
        else "",
        f"Run it: atrous recipe run {recipe.name} --data {data}    beside it: {recipe.beside}",
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def _protocol(recipe: Recipe) -> list[str]:
    protocol = recipe.protocol
    height, width = protocol.crop
    return [
        f"{recipe.architecture}, {recipe.filters} filters, on {recipe.backbone} (timm; weights "
        f"{recipe.weights}) at output stride {recipe.output_stride}, "
        f"{'with the decoder at stride 4' if recipe.decoder else 'without decoder'}",
        f"{protocol.steps:,} steps of {protocol.batch} crops of {height} x {width} pixels, "
        f"{protocol.precision}",
        f"SGD with momentum 0.9, learning rate {protocol.rate:g} * (1 - t / steps)^0.9, weight "
        f"decay {protocol.weight_decay:g}, batch norms see the batch",
        f"random scales {', '.join(f'{s:g}' for s in protocol.scales)} and flips",
        "trained on train; the last weights are scored",
    ]


def _listed(lines: tuple[str, ...]) -> str:
    return "\n".join(f"  - {line}" for line in lines)
