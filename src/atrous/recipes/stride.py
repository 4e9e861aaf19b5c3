"""A trained network at another output stride, with the same weights.

Chen et al. 2018 train at output stride 16 and test at 8: what strided no longer does, what follows
it gets twice its atrous rate, the rates of the cell are doubled too, and every feature is computed
as before, at four times as many places.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from atrous.core.errors import AtrousError
from atrous.model.folder import RECORD
from atrous.model.model import Model, load_model, save_model
from atrous.model.record import read_record
from atrous.networks.weights import BUILTIN
from atrous.spaces.blueprint import Blueprint, blank_network, build_network, network_cost

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
