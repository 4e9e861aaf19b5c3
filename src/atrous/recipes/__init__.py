"""One recipe per published result. `RECIPES` is the registry."""

from __future__ import annotations

from atrous.core.errors import AtrousError
from atrous.recipes import dpc
from atrous.recipes.recipe import Recipe

RECIPES: dict[str, Recipe] = {
    "cityscapes-dpc": dpc.CITYSCAPES_DPC,
    "cityscapes-aspp": dpc.CITYSCAPES_ASPP,
    "person-part-dpc": dpc.PERSON_PART_DPC,
    "person-part-aspp": dpc.PERSON_PART_ASPP,
    "voc-dpc": dpc.VOC_DPC,
    "voc-aspp": dpc.VOC_ASPP,
    "table1-mobilenetv2-aspp": dpc.TABLE1_MOBILE_ASPP,
    "table1-mobilenetv2-dpc": dpc.TABLE1_MOBILE_DPC,
    "table1-xception-aspp": dpc.TABLE1_XCEPTION_ASPP,
    "table1-xception-dpc": dpc.TABLE1_XCEPTION_DPC,
}


def find_recipe(name: str) -> Recipe:
    """Raises AtrousError for a name that is not known."""
    if name not in RECIPES:
        raise AtrousError(f"Expected a recipe's name, got {name!r}. Known: {', '.join(RECIPES)}.")
    return RECIPES[name]
