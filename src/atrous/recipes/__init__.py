"""One recipe per published result. `RECIPES` is the registry."""

from __future__ import annotations

from atrous.core.errors import AtrousError
from atrous.recipes import cityscapes, person_part, table1, voc
from atrous.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    "cityscapes-dpc": cityscapes.DPC,
    "cityscapes-aspp": cityscapes.ASPP,
    "person-part-dpc": person_part.DPC,
    "person-part-aspp": person_part.ASPP,
    "voc-dpc": voc.DPC,
    "voc-aspp": voc.ASPP,
    "table1-mobilenetv2-aspp": table1.MOBILE_ASPP,
    "table1-mobilenetv2-dpc": table1.MOBILE_DPC,
    "table1-xception-aspp": table1.XCEPTION_ASPP,
    "table1-xception-dpc": table1.XCEPTION_DPC,
}


def find_recipe(name: str) -> Recipe:
    """Raises AtrousError for a name that is not known."""
    if name not in RECIPES:
        raise AtrousError(f"Expected a recipe's name, got {name!r}. Known: {', '.join(RECIPES)}.")
    return RECIPES[name]
