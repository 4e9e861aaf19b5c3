"""The cost of a recipe's cell, counted and printed."""

from __future__ import annotations

from atrous.core.cost import Cost
from atrous.model.evaluation.table import markdown
from atrous.recipes.recipe import Recipe
from atrous.spaces import find_architecture
from atrous.spaces.dpc.cell import GridPooling
from atrous.spaces.dpc.cost import cell_cost
from atrous.spaces.dpc.space import decode


def counted(recipe: Recipe) -> Cost:
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
    cost, printed = counted(recipe), recipe.cost
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
