"""A recipe carried out in a folder. Stopped, it goes on.

training/                  the training run, with the trained model in training/model/
stride-8/                  the model at output stride 8
scores/SCORING/            scores and pictures
result.md, result.json     measured beside published
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from atrous.core.errors import AtrousError
from atrous.core.records import to_json
from atrous.model.evaluation.assessment import EvaluationRequest, count_rest, prepare
from atrous.model.evaluation.publication import publish
from atrous.model.folder import RECORD
from atrous.model.model import Model, load_model, save_model
from atrous.model.record import read_record
from atrous.networks.backbones import load_backbone
from atrous.networks.weights import BUILTIN
from atrous.recipes.changes import Changes, differences, require_data, subject_of
from atrous.recipes.recipe import TRAINING, Recipe, Scoring, model_folder
from atrous.recipes.result import Measurement, RecipeResult, page, read_result, write_result
from atrous.spaces.blueprint import Blueprint, blank_network, build_network, network_cost
from atrous.stages.train import trainer
from atrous.stages.train.config import Subject, job_of
from atrous.stages.train.trainer import TrainingJob
from atrous.training.loop import Watch
from atrous.training.world import announced

Say = Callable[[str], None]
MACHINE = ("data", "name", "licence", "compute", "tensorboard")
"""Fields of a job that may change between two runs of a recipe in one folder."""


@dataclass(frozen=True)
class Reproduction:
    """A recipe that can be carried out on a data set. Results go to `out`."""

    recipe: Recipe
    job: TrainingJob
    out: Path
    result: RecipeResult

    @property
    def leads(self) -> bool:
        """Whether this process writes what is written, of those that torchrun started."""
        return announced(self.job.compute.device).leads

    @property
    def text(self) -> str:
        """The result so far, as a page."""
        other = read_result(self.out.parent / self.recipe.beside)
        comparable = other if other and other.conditions == self.result.conditions else None
        return page(self.recipe, self.result, comparable, self.job.data, str(self.out))


def begin(recipe: Recipe, data: Path, out: Path, changes: Changes) -> Reproduction:
    """Finds everything that can be wrong before anything expensive begins.

    If it was begun in `out` before, with the same changes, it is gone on with.
    Raises AtrousError.
    """
    dataset = require_data(recipe, data)
    kept = read_result(out)
    if kept and kept.recipe != recipe.name:
        raise AtrousError(
            f"{out} holds the recipe {kept.recipe}. Name another folder for {recipe.name} with "
            "--out."
        )
    subject = subject_of(recipe, changes, dataset.root)
    for stride in {scoring.output_stride for scoring in recipe.scorings}:
        require_stride(subject.blueprint(dataset), stride)
    found = _job(subject, out / TRAINING)
    told = differences(recipe, changes, dataset)
    result = RecipeResult(recipe.name, _conditions(found), told, kept.measured if kept else ())
    return Reproduction(recipe, found, out, result)


def carry_out(reproduction: Reproduction, say: Say, watch: Watch) -> Reproduction | None:
    """Trains and scores what is left; gives the finished reproduction.

    Under `torchrun`, all processes train; the first alone goes on, the others get None.
    Raises AtrousError.
    """
    recipe, out = reproduction.recipe, reproduction.out
    if reproduction.leads:
        say(f"training {recipe.architecture} on {recipe.need.layout}, in {out / TRAINING}")
    trained = trainer.run(out / TRAINING, reproduction.job, watch)
    if not reproduction.leads:
        return None
    weights = read_record(trained / RECORD).weights.sha256
    for scoring in recipe.scorings:
        known = reproduction.result.find(scoring.name)
        if known is None or known.weights != weights:
            say(f"scoring {scoring.words}")
            reproduction = _scored(reproduction, scoring, weights)
    write_result(out, reproduction.result, reproduction.text)
    return reproduction


def _job(subject: Subject, folder: Path) -> TrainingJob:
    """The job that is asked for; raises `AtrousError` if another was begun in the folder."""
    if (folder / trainer.ABOUT).exists():
        asked = job_of(subject, sound=lambda *_: [])
        _require_same(trainer.read(folder), asked, folder)
        return asked
    load_backbone(*subject.config.encoder.chosen)
    asked = job_of(subject)
    if announced(asked.compute.device).leads:
        trainer.create(folder, asked)
    return asked


def _require_same(begun: TrainingJob, asked: TrainingJob, folder: Path) -> None:
    before, now = _flat(begun), _flat(asked)
    changed = [f"{key} was {before[key]}, now {now[key]}" for key in now if now[key] != before[key]]
    if changed:
        raise AtrousError(
            f"In {folder}, a training was begun otherwise: {'; '.join(changed)}. Give the same "
            "options to go on with it, or another --out to begin anew."
        )


def _flat(found: TrainingJob) -> dict[str, Any]:
    """Returns the fields that must not change between two runs, blueprint and protocol unpacked."""
    fields = to_json(found)
    fields = {key: value for key, value in fields.items() if key not in MACHINE}
    blueprint, protocol = fields.pop("blueprint"), fields.pop("protocol")
    return {**fields, **blueprint, **protocol}


def _conditions(found: TrainingJob) -> dict[str, Any]:
    """All that a score depends on but the architecture, in JSON's types."""
    flat = _flat(found)
    own = ("architecture", "classes", "colours")
    return {k: list(v) if isinstance(v, tuple) else v for k, v in flat.items() if k not in own}


def _scored(reproduction: Reproduction, scoring: Scoring, weights: str) -> Reproduction:
    """Scores the trained network in one more way, and writes the result so far."""
    recipe, out, compute = reproduction.recipe, reproduction.out, reproduction.job.compute
    model = out / model_folder(recipe, scoring.output_stride)
    if scoring.output_stride != recipe.output_stride:
        rebuild(out / model_folder(recipe, recipe.output_stride), scoring.output_stride, model)
    assessment = prepare(
        EvaluationRequest(
            model=model,
            data=Path(reproduction.job.data),
            split=scoring.split,
            scales=scoring.scales,
            flip=scoring.flip,
            device=compute.device,
            out=out / "scores" / scoring.name,
        )
    )
    evaluation = count_rest(assessment)
    publish(assessment)
    one = Measurement(scoring.name, evaluation.miou, evaluation.images, weights)
    others = tuple(m for m in reproduction.result.measured if m.scoring != scoring.name)
    done = replace(reproduction, result=replace(reproduction.result, measured=(*others, one)))
    write_result(out, done.result, done.text)
    return done


KNOWN = ("xception65.tf_in1k", "mobilenetv2_100", BUILTIN)
SOURCE = "weights_of"
"""In the training record: the SHA-256 of the weights that a model was made of."""


def require_stride(blueprint: Blueprint, output_stride: int) -> None:
    """Raises `AtrousError` if the network has other tensors at another output stride.

    In timm's Xception-71, for example, a block that no longer strides loses its shortcut.
    """
    other = replace(blueprint, output_stride=output_stride)
    if _shapes(blueprint) != _shapes(other):
        raise AtrousError(
            f"--backbone {blueprint.backbone} has other tensors at output stride {output_stride} "
            f"than at {blueprint.output_stride}, so what is trained at {blueprint.output_stride} "
            f"cannot be scored at {output_stride}. Backbones that can: {', '.join(KNOWN)}."
        )


def at_stride(model: Model, output_stride: int) -> Model:
    """The model at another output stride, in evaluation mode. Raises `AtrousError` as
    `require_stride` does."""
    require_stride(model.blueprint, output_stride)
    blueprint = replace(model.blueprint, output_stride=output_stride)
    network = build_network(blueprint)
    network.load_state_dict(model.network.state_dict())
    record = dict(model.training_record)
    if "crop" in record:
        height, width = record["crop"]
        record["multiply_adds"] = network_cost(blueprint, (height, width)).multiply_adds
    return Model(network, blueprint, record, model.transform).eval()


def rebuild(trained: Path, output_stride: int, folder: Path) -> Path:
    """Writes the model of the folder `trained` at another output stride to `folder`, unless it is
    there. Raises `AtrousError`."""
    seal = read_record(trained / RECORD).weights.sha256
    if (folder / RECORD).exists() and read_record(folder / RECORD).training.get(SOURCE) == seal:
        return folder
    model = at_stride(load_model(trained), output_stride)
    model.training_record = {**model.training_record, SOURCE: seal}
    save_model(model, folder)
    return folder


def _shapes(blueprint: Blueprint) -> dict[str, torch.Size]:
    state = blank_network(blueprint).state_dict()
    return {key: tensor.shape for key, tensor in state.items()}
