"""A network written to one file, which is run and compared before it counts as written."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from atrous.core.console import counting
from atrous.core.errors import AtrousError, within_memory
from atrous.core.files import flush, locate, scratch
from atrous.core.records import to_json
from atrous.data.canvas import Size
from atrous.model.export import onnx_file, pt2_file
from atrous.model.export.graph import prepared, trace
from atrous.model.export.interface import (
    TOLERANCE,
    Array,
    ExportInterface,
    Normalise,
    Output,
    agrees,
    difference,
    noise,
)
from atrous.model.facts import crop_of
from atrous.model.folder import RECORD
from atrous.model.model import Model
from atrous.model.record import read_record
from atrous.networks.network import Network
from atrous.spaces.blueprint import Blueprint

BATCHES_AND_SIZES: tuple[tuple[int, Size], ...] = ((1, (129, 193)), (2, (97, 131)))
"""The batches and sizes that every exported file is run on: one image of a canvas's size at either
output stride, and several of an odd size."""


@dataclass(frozen=True)
class Format:
    """A file format: its suffix, and the functions that require, write and run it."""

    suffix: str
    require: Callable[[int | None], None]
    write: Callable[[ExportedProgram, Path, Mapping[str, str], int | None], None]
    run: Callable[[Path, Sequence[Array]], list[Array]]


FORMATS: Mapping[str, Format] = {
    "onnx": Format(".onnx", onnx_file.require, onnx_file.write, onnx_file.run),
    "pt2": Format(".pt2", pt2_file.require, pt2_file.write, pt2_file.run),
}


MEMORY = "Close other programs, or export on a machine with more."


@dataclass(frozen=True)
class ExportCheck:
    """An exported file beside the network on `batch` images of `size` (H, W); `difference` is
    that of `interface.difference`."""

    batch: int
    size: Size
    difference: float


@dataclass(frozen=True)
class ExportedFile:
    """A file that was written and compared: its size in bytes, and its properties."""

    path: Path
    format: str
    size: int
    interface: ExportInterface
    metadata: Mapping[str, str]
    comparisons: tuple[ExportCheck, ...]
    tolerance: float = TOLERANCE


def export_network(
    network: Network,
    path: Path,
    format: str,
    interface: ExportInterface | None = None,
    metadata: Mapping[str, str] | None = None,
    opset: int | None = None,
    sizes: Sequence[tuple[int, Size]] = (),
) -> ExportedFile:
    """Writes the network to one file that needs none of this package.

    The file is run on batches and sizes of `BATCHES_AND_SIZES` and of `sizes`, and takes its place
    at `path` only if it agrees with the network on all of them. Without an `interface`, it is that
    of the backbone's mean and std.

    Raises AtrousError: before any work when a package is missing or the path cannot be written
    to, later when the network cannot be exported or the file does not agree.
    """
    interface = interface or ExportInterface(network.backbone.mean, network.backbone.std)
    check_request(path, format, opset)
    network = prepared(network)
    about = {**describe(network, interface), **(metadata or {})}
    try:
        with scratch(path.parent) as folder:
            partial = folder / path.name
            with (
                within_memory(f"to export {path.name} and to compare it", MEMORY),
                counting(f"exporting to {path.name}", 3) as advance,
            ):
                program = trace(network, interface)
                advance()
                FORMATS[format].write(program, partial, about, opset)
                advance()
                every = [*BATCHES_AND_SIZES, *sizes]
                comparisons = compare(network, partial, format, interface, every)
            size = partial.stat().st_size
            flush(partial)
            partial.replace(path)
            flush(path.parent)
    except OSError as error:
        raise AtrousError(f"--out: {path} cannot be written ({error}).") from error
    return ExportedFile(path, format, size, interface, about, tuple(comparisons))


def check_request(path: Path, format: str, opset: int | None) -> None:
    """Raises AtrousError for what is known to fail before any work is done."""
    if format not in FORMATS:
        raise AtrousError(f"--to: expected {' or '.join(FORMATS)}, got {format!r}.")
    suffix = FORMATS[format].suffix
    if path.suffix != suffix:
        raise AtrousError(f"--out: expected the name of a {suffix} file, got {path}.")
    if path.is_dir() or not path.parent.is_dir():
        raise AtrousError(
            f"--out: expected a file in a folder that exists, got {path}. Make {path.parent} first."
        )
    FORMATS[format].require(opset)


def describe(network: Network, interface: ExportInterface) -> dict[str, str]:
    """Returns the properties of an exported file, whatever it was made from."""
    classes = network.logits.out_channels
    return {
        "made_by": f"atrous {version('atrous')}",
        "input": interface.describe_input(),
        "output": interface.describe_output(classes),
        "normalisation": "inside" if interface.normalise == "in" else "by the caller",
        "mean": json.dumps(interface.mean),
        "std": json.dumps(interface.std),
    }


def compare(
    network: Network,
    path: Path,
    format: str,
    interface: ExportInterface,
    sizes: Sequence[tuple[int, Size]],
) -> list[ExportCheck]:
    """Compares an exported file with the network; raises AtrousError unless they agree."""
    pixels = [noise(batch, size) for batch, size in dict.fromkeys(sizes)]
    logits = [_logits(network, interface.normalised(images)) for images in pixels]
    try:
        found = FORMATS[format].run(path, [interface.arranged(images).numpy() for images in pixels])
        return [_compared(interface, *pair) for pair in zip(logits, found, strict=True)]
    except AtrousError as error:
        raise AtrousError(
            f"The exported file was run to compare it with the network, but {error}. It was "
            f"removed. Leave out --opset if you gave one, or try --to "
            f"{' or '.join(other for other in FORMATS if other != format)}."
        ) from error


def _compared(interface: ExportInterface, logits: Tensor, output: Array) -> ExportCheck:
    batch, _, height, width = logits.shape
    apart = difference(interface, logits, output)
    if not agrees(apart):
        raise AtrousError(
            f"its {interface.output} differ from the network's by {apart:.2g} on {batch} x 3 x "
            f"{height} x {width} pixels, where at most {TOLERANCE:g} is accepted"
        )
    return ExportCheck(batch, (height, width), apart)


@torch.inference_mode()
def _logits(network: Network, images: Tensor) -> Tensor:
    """Normalised images [B, 3, H, W] -> logits [B, K, H, W], all finite."""
    logits: Tensor = network(images)
    if not bool(torch.isfinite(logits).all()):
        raise AtrousError(
            "Expected a network with finite class scores, but it gives NaN or infinity: its "
            "training diverged. Train it again with a lower rate."
        )
    return logits


def export_model(
    model: Model,
    path: Path,
    format: str,
    normalise: Normalise = "in",
    output: Output = "logits",
    opset: int | None = None,
) -> ExportedFile:
    """`export_network` with the model's own normalisation; the file also carries its classes,
    colours and architecture, and is compared on an image of the size that it was trained on too.
    """
    interface = ExportInterface(model.transform.mean, model.transform.std, normalise, output)
    crop = crop_of(model.training_record)
    trained = [(1, crop)] if crop else []
    about = blueprint_metadata(model.blueprint)
    return export_network(model.network, path, format, interface, about, opset, trained)


def check_model(folder: Path) -> None:
    """Raises AtrousError when a folder holds no model; reads no weights."""
    read_record(locate(folder, RECORD))


def blueprint_metadata(blueprint: Blueprint) -> dict[str, str]:
    """Returns a blueprint's fields, each as text: what is no text is written as JSON."""
    return {
        key: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for key, value in to_json(blueprint).items()
    }
