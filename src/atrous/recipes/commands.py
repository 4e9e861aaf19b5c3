"""The commands that a recipe stands for."""

from __future__ import annotations

import shlex

from atrous.recipes.recipe import SINGLE, Recipe, Scoring

TRAINING, MODEL = "training", "model"


def model_folder(recipe: Recipe, output_stride: int) -> str:
    """Where in a recipe's folder the model at an output stride is."""
    trained = output_stride == recipe.output_stride
    return f"{TRAINING}/{MODEL}" if trained else f"stride-{output_stride}"


def commands(recipe: Recipe, data: str = "DATA", out: str = "OUT") -> list[str]:
    """What to type instead of `atrous recipe run`, one command after another."""
    typed = [_typed("atrous", "check", data), _train(recipe, data, out)]
    strides = {scoring.output_stride for scoring in recipe.scorings} - {recipe.output_stride}
    typed += [_rebuild(recipe, out, stride) for stride in sorted(strides)]
    typed += [_evaluate(recipe, scoring, data, out) for scoring in recipe.scorings]
    return typed


def submission(recipe: Recipe, data: str = "DATA", out: str = "OUT") -> str:
    """The command that writes what the server of the data set scores; '' if there is none."""
    if not recipe.need.submission:
        return ""
    scoring = recipe.scorings[-1]
    model = f"{out}/{model_folder(recipe, scoring.output_stride)}"
    return _typed(
        *("atrous", "predict", model, data, "--out", f"{out}/submission"),
        *("--submission", recipe.need.submission, *_asked(scoring)),
    )


def _train(recipe: Recipe, data: str, out: str) -> str:
    protocol = recipe.protocol
    return _typed(
        *("atrous", "train", recipe.architecture, "--data", data, "--out", f"{out}/{TRAINING}"),
        *("--backbone", recipe.backbone, "--weights", recipe.weights),
        *("--output-stride", recipe.output_stride, "--filters", recipe.filters),
        *(("--decoder",) if recipe.decoder else ()),
        *("--steps", protocol.steps, "--batch", protocol.batch),
        *("--crop", "x".join(map(str, protocol.crop)), "--rate", protocol.rate),
        *("--weight-decay", protocol.weight_decay, "--precision", protocol.precision),
        *("--score-every", protocol.score_every),
    )


def _rebuild(recipe: Recipe, out: str, stride: int) -> str:
    trained, other = (f"{out}/{model_folder(recipe, s)}" for s in (recipe.output_stride, stride))
    code = (
        "from pathlib import Path; from atrous.recipes.stride import rebuild; "
        f"rebuild(Path({trained!r}), {stride}, Path({other!r}))"
    )
    return f'python -c "{code}"'


def _evaluate(recipe: Recipe, scoring: Scoring, data: str, out: str) -> str:
    model = f"{out}/{model_folder(recipe, scoring.output_stride)}"
    return _typed("atrous", "evaluate", model, data, "--split", scoring.split, *_asked(scoring))


def _asked(scoring: Scoring) -> tuple[str, ...]:
    scales = ",".join(f"{scale:g}" for scale in scoring.scales)
    several = () if scoring.scales == SINGLE else ("--scales", scales)
    return (*several, *(("--flip",) if scoring.flip else ()))


def _typed(*words: object) -> str:
    return shlex.join(map(str, words))
