"""The result of a recipe as a page of Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from atrous.model.evaluation.table import markdown
from atrous.recipes.changes import Difference
from atrous.recipes.commands import submission
from atrous.recipes.costs import cost_table
from atrous.recipes.recipe import Published, Recipe, Scoring
from atrous.recipes.result import Measured, Result


def page(recipe: Recipe, result: Result, other: Result | None, data: str, out: str) -> str:
    """Measured beside published. `other` is the result of the recipe beside it, under the same
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
    """What differs from the recipe."""
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


def _scores(recipe: Recipe, result: Result, other: Result | None) -> str:
    columns = ["mIoU in percent", "measured", "published"]
    if other:
        columns.append(f"measured, {other.recipe}")
    rows = []
    for scoring in recipe.scorings:
        row = [scoring.words, _percent(result.find(scoring.name)), _printed(scoring)]
        rows.append([*row, _percent(other.find(scoring.name))] if other else row)
    sources = [f"- {published_words(one)}" for one in recipe.published]
    return markdown(columns, rows) + ("\n" + "\n".join(sources) + "\n" if sources else "")


def _other(recipe: Recipe, other: Result | None) -> str:
    if other:
        return f"{other.recipe} was trained and scored under the same protocol on the same data.\n"
    return (
        f"Beside it: `atrous recipe run {recipe.beside}`, into a folder of that name beside this "
        "one, and this command once more.\n"
    )


def _printed(scoring: Scoring) -> str:
    return ", ".join(f"{one.miou} on {one.split}" for one in scoring.published) or "-"


def _percent(measured: Measured | None) -> str:
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
