"""Recipes scaled down so far that one takes seconds, and their data sets in miniature."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from atrous.recipes.changes import Changes
from atrous.recipes.recipe import Recipe
from tests.data.layouts.miniatures import MINIATURES

BACKBONE = "test_efficientnet"
"""timm's smallest, made for tests."""

SMALL = Changes(steps=2, batch=2, crop=(65, 65), backbone=BACKBONE, weights="none", device="cpu")
OPTIONS = (
    *("--steps", "2", "--batch", "2", "--crop", "65x65"),
    *("--backbone", BACKBONE, "--weights", "none", "--device", "cpu"),
)


def data_of(recipe: Recipe, root: Path) -> Path:
    """The data set of a recipe in miniature."""
    return MINIATURES[recipe.need.layout](root)


def narrow(recipe: Recipe) -> Recipe:
    """The same with a narrower cell, which is quicker."""
    return replace(recipe, filters=8)
