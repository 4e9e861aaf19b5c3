"""The commands a recipe stands for are commands that exist, and ask for the same."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.main import get_command

from atrous.cli.explore import check
from atrous.cli.model import evaluate, predict
from atrous.cli.train import train
from atrous.core.config import EncoderConfig
from atrous.core.options import leaves
from atrous.core.requests import EvaluationRequest, PredictConfig, TrainRequest
from atrous.recipes import RECIPES
from atrous.recipes.recipe import Recipe, commands, submission
from atrous.stages.told import Told
from atrous.training.config import protocol_of
from tests.cases import each

T = TypeVar("T")
ALL = each("recipe", RECIPES.values())

COMMANDS: dict[str, Callable[..., None]] = {
    "check": check,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
}


def parsed(command: str) -> dict[str, Any]:
    """The values of a typed command's options; raises for an option that there is not."""
    program, name, *arguments = shlex.split(command)
    assert program == "atrous"
    app = typer.Typer()
    app.command()(COMMANDS[name])
    context = get_command(app).make_context(name, arguments)
    return context.params


def asked(kind: type[T], command: str) -> T:
    """The configuration that a typed command asks for."""
    given = parsed(command)
    typed = {leaf: given[leaf.name] for leaf in leaves(kind)}
    return Told({leaf: text for leaf, text in typed.items() if text not in (None, ())}).made(kind)


@ALL
def test_training(recipe: Recipe) -> None:
    request, own = asked(TrainRequest, commands(recipe, "some data", "out")[1]), recipe.protocol
    config = request.how
    assert request.source == recipe.architecture
    assert config.data.path == "some data"
    assert (config.decoder, config.filters) == (recipe.decoder, recipe.filters)
    assert config.training.crop == own.crop
    assert protocol_of(config.training, (1, 1), 0.0, "float32", config.seed) == own
    assert config.encoder == EncoderConfig(
        recipe.backbone, recipe.weights, recipe.output_stride, "none"
    )


@ALL
def test_scoring(recipe: Recipe) -> None:
    typed = [command for command in commands(recipe) if command.startswith("atrous evaluate")]
    for command, scoring in zip(typed, recipe.scorings, strict=True):
        given = asked(EvaluationRequest, command)
        assert given.scales == scoring.scales
        assert (given.flip, given.split) == (scoring.flip, scoring.split)
        at = "OUT/training/model" if scoring.output_stride == 16 else "OUT/stride-8"
        assert str(given.model) == at


@ALL
def test_another_stride_is_built_before_it_is_scored(recipe: Recipe) -> None:
    typed = commands(recipe)
    building = [k for k, command in enumerate(typed) if command.startswith("python -c")]
    using = [k for k, command in enumerate(typed) if "evaluate OUT/stride-8" in command]
    assert len(building) == len(using)
    assert all(b < u for b, u in zip(building, using, strict=True))
    for k in building:
        code = shlex.split(typed[k])[2]
        compile(code, "command", "exec")
        assert 'rebuild(Path("OUT/training/model"), 8, Path("OUT/stride-8"))' in code


def test_the_server() -> None:
    given = asked(PredictConfig, submission(RECIPES["cityscapes-dpc"]))
    assert given.submission == "cityscapes"
    assert given.scales[-1] == 2
    assert given.flip
    assert str(given.model) == "OUT/training/model"
    assert str(asked(PredictConfig, submission(RECIPES["voc-dpc"])).model) == "OUT/stride-8"
    assert submission(RECIPES["person-part-dpc"]) == ""
