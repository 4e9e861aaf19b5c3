"""The result of a recipe: measured beside published, as JSON and as Markdown.

result.json, result.md     in the recipe's folder
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich import box
from rich.console import RenderableType
from rich.table import Table

from atrous.core.architecture import Cost
from atrous.core.console import command
from atrous.core.files import make_folder, write_whole, writing
from atrous.core.records import Count, Share, read, write
from atrous.model.card import markdown
from atrous.recipes.changes import Difference, instructions
from atrous.recipes.recipe import Published, Recipe, Scoring, commands, submission
from atrous.spaces import find_architecture
from atrous.spaces.dpc.cell import GridPooling
from atrous.spaces.dpc.space import cell_cost, decode

RESULT, PAGE = "result.json", "result.md"
FORMAT = 1
MEND = "Delete the file to measure again."


@dataclass(frozen=True)
class Measurement:
    """An mIoU in [0, 1] over so many images; `weights` is the SHA-256 of the model's weights."""

    scoring: str
    miou: Share
    images: Count
    weights: str


@dataclass(frozen=True)
class RecipeResult:
    """`conditions` is all that a number depends on but the architecture: results are comparable
    where it is equal."""

    recipe: str
    conditions: dict[str, Any]
    differences: tuple[Difference, ...]
    measured: tuple[Measurement, ...] = ()

    def find(self, scoring: str) -> Measurement | None:
        """Returns the measurement under a scoring's name."""
        return next((one for one in self.measured if one.scoring == scoring), None)


def read_result(folder: Path) -> RecipeResult | None:
    """The result in a recipe's folder, None if there is none; raises `AtrousError` for damage."""
    path = folder / RESULT
    if not path.exists():
        return None
    return read(path, RecipeResult, FORMAT, "the results of a recipe", "", MEND)


def write_result(folder: Path, result: RecipeResult, page: str) -> None:
    """Writes both files; raises `AtrousError` if they cannot be written."""
    make_folder(folder, "the results of a recipe")
    write(folder / RESULT, result, FORMAT, "the results of a recipe")
    with writing(f"the results of a recipe to {folder}"):
        write_whole(folder / PAGE, page)


def counted_cost(recipe: Recipe) -> Cost:
    """The cell's cost in the convention of table 1: its convolutions, without the projection and
    what image pooling has of them.

    Expects a recipe with a published cost.
    """
    assert recipe.cost is not None
    cell = decode(find_architecture(recipe.architecture).genotype)
    costs = cell_cost(cell, recipe.cost.channels, recipe.filters, recipe.cost.size).branches
    pairs = zip(cell, costs, strict=True)
    counting = (cost for branch, cost in pairs if not isinstance(branch.operation, GridPooling))
    return sum(counting, Cost(0, 0))


def cost_table(recipe: Recipe) -> str:
    """Parameters and multiply-adds, counted beside printed; '' if none was printed."""
    if recipe.cost is None:
        return ""
    cost, printed = counted_cost(recipe), recipe.cost
    rows = [
        ("parameters", f"{cost.parameters:,}", printed.parameters),
        ("multiply-adds", f"{cost.multiply_adds:,}", printed.multiply_adds),
    ]
    height, width = printed.size
    where = (
        f"The cell's convolutions on {printed.channels} channels of a {height} x {width} map, "
        "without batch norms, projection and image pooling, which is the convention that fits "
        f"best; printed in {printed.source}:\n\n"
    )
    note = f"\n{printed.note}\n" if printed.note else ""
    return f"{where}{markdown(['the cell', 'counted', 'printed'], rows)}{note}"


def page(
    recipe: Recipe, result: RecipeResult, other: RecipeResult | None, data: str, out: str
) -> str:
    """Measurement beside published. `other` is the result of the recipe beside it, under the same
    conditions; `data` and `out` are the folders that commands name."""
    parts = [
        f"# {recipe.title}\n",
        _warning(result.differences),
        _scores(recipe, result, other),
        _other(recipe, other),
        _server(recipe, data, out),
        cost_table(recipe),
        _listed(
            "What differs from what was published, even where nothing was changed",
            recipe.deviations,
        ),
        _listed("Not published, and what stands here in its place", recipe.unpublished),
    ]
    return "\n".join(part for part in parts if part)


def difference_table(differences: Iterable[Difference]) -> str:
    """Returns a table of the differences from the recipe."""
    rows = [(one.what, one.published, one.here) for one in differences]
    return markdown(["", "recipe", "here"], rows)


def published_words(one: Published) -> str:
    """A published number with its split and its source."""
    trained = f", trained on {one.training}" if one.training else ""
    return f"{one.miou} on {one.split}{trained}: {one.source}"


def _warning(differences: tuple[Difference, ...]) -> str:
    if not differences:
        return ""
    return (
        "**This is not the published protocol.** Its numbers cannot be compared with the "
        f"published ones, for these differences:\n\n{difference_table(differences)}"
    )


def _scores(recipe: Recipe, result: RecipeResult, other: RecipeResult | None) -> str:
    columns = ["mIoU in percent", "measured", "published"]
    if other:
        columns.append(f"measured, {other.recipe}")
    rows = []
    for scoring in recipe.scorings:
        row = [scoring.words, _percent(result.find(scoring.name)), _printed(scoring)]
        rows.append([*row, _percent(other.find(scoring.name))] if other else row)
    sources = [f"- {published_words(one)}" for one in recipe.published]
    return markdown(columns, rows) + ("\n" + "\n".join(sources) + "\n" if sources else "")


def _other(recipe: Recipe, other: RecipeResult | None) -> str:
    if other:
        return f"{other.recipe} was trained and scored under the same protocol on the same data.\n"
    return (
        f"Beside it: `{command('recipe', 'run', recipe.beside)}`, into a folder of that name "
        "beside this one, and this command once more.\n"
    )


def _printed(scoring: Scoring) -> str:
    return ", ".join(f"{one.miou} on {one.split}" for one in scoring.published) or "-"


def _percent(measured: Measurement | None) -> str:
    return f"{100 * measured.miou:.2f} ({measured.images:,} images)" if measured else "not yet"


def _server(recipe: Recipe, data: str, out: str) -> str:
    if not any(one.split == "test" for one in recipe.published):
        return ""
    return (
        "The labels of test are not published. Its server scores what this writes:\n\n"
        f"    {submission(recipe, data, out)}\n"
    )


def _listed(title: str, lines: tuple[str, ...]) -> str:
    return f"{title}:\n\n" + "".join(f"- {line}\n" for line in lines)


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


def recipe_text(recipe: Recipe, data: str = "DATA", out: str = "OUT") -> str:
    """Everything about a recipe."""
    published = [f"  {published_words(one)}" for one in recipe.published]
    parts = [
        f"{recipe.name}: {recipe.title}",
        "Published mIoU, in percent\n" + "\n".join(published or ["  none"]),
        "Network and protocol\n" + "\n".join(f"  {line}" for line in _protocol(recipe)),
        "Scored\n" + "\n".join(f"  {scoring.words}" for scoring in recipe.scorings),
        cost_table(recipe).strip(),
        f"Data: {recipe.need.layout}; to download\n{instructions(recipe.need, data)}",
        "Differs from what was published\n" + _indented(recipe.deviations),
        "Not published\n" + _indented(recipe.unpublished),
        "Does what these commands do\n" + "\n".join(f"  {c}" for c in commands(recipe, data, out)),
        f"For the server of test\n  {submission(recipe, data, out)}" if recipe.need.submission
        else "",
        f"Run it: {command('recipe', 'run', recipe.name, '--data', data)}    "
        f"beside it: {recipe.beside}",
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


def _indented(lines: tuple[str, ...]) -> str:
    return "\n".join(f"  - {line}" for line in lines)
