"""ONNX files: written, and run in onnxruntime."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from atrous.core.console import quiet
from atrous.core.errors import AtrousError, in_a_line
from atrous.core.files import openable
from atrous.model.export.interface import INPUT, Array

NEEDED = ("onnx", "onnxscript", "onnxruntime")
LOWEST_OPSET = 18
"""torch translates to this opset and later ones."""
OUTPUT = "output"
AXES = {0: "batch", 2: "height", 3: "width"}


def require(opset: int | None = None) -> None:
    """Raises AtrousError when a package is missing, or for an opset that cannot be written."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise AtrousError(
            f"ONNX files need {', '.join(missing)}, which is not installed: "
            "pip install 'atrous[export]'"
        )
    import onnx

    highest = int(onnx.defs.onnx_opset_version())
    if opset is not None and not LOWEST_OPSET <= opset <= highest:
        raise AtrousError(
            f"--opset: expected {LOWEST_OPSET} to {highest} (what onnx {onnx.__version__} knows), "
            f"got {opset}."
        )


def write(
    program: ExportedProgram, path: Path, metadata: Mapping[str, str], opset: int | None
) -> None:
    """Writes one file with the weights in it and `metadata` as its properties.

    Raises AtrousError when the opset cannot be reached, or the weights exceed the 2 GB that one
    ONNX file can hold.
    """
    import onnx

    proto = _translate(program, opset)
    _tidy(proto)
    onnx.helper.set_model_props(proto, dict(metadata))
    try:
        onnx.checker.check_model(proto)
        path.write_bytes(proto.SerializeToString())
    except ValueError as error:
        raise AtrousError(
            f"One ONNX file holds at most 2 GB, and this network does not fit ({error}). "
            "Use --to pt2."
        ) from error


def run(path: Path, inputs: Sequence[Array]) -> list[Array]:
    """Runs the file in onnxruntime on the CPU; raises AtrousError."""
    import onnxruntime

    try:
        with openable(path) as name:
            session = onnxruntime.InferenceSession(str(name), providers=["CPUExecutionProvider"])
        return [session.run(None, {INPUT: images})[0] for images in inputs]
    except Exception as error:  # onnxruntime's errors have no common type
        raise AtrousError(in_a_line(error)[:300]) from error


def _translate(program: ExportedProgram, opset: int | None) -> Any:
    # torch warns of its own doings, and onnxscript of the way to an opset.
    with quiet("onnxscript"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        translated = torch.onnx.export(
            program,
            (),
            input_names=[INPUT],
            output_names=[OUTPUT],
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
    assert translated is not None
    proto = translated.model_proto
    reached = next(item.version for item in proto.opset_import if not item.domain)
    if opset is not None and reached != opset:
        raise AtrousError(
            f"--opset: this network could not be converted to opset {opset}; it got as far as "
            f"{reached}. Use --opset {reached}, or leave it out."
        )
    return proto


def _tidy(proto: Any) -> None:
    """Names the free axes, and drops notes about the exporting machine and inner sizes, which
    onnx can infer again."""
    graph = proto.graph
    axes = graph.input[0].type.tensor_type.shape.dim
    names = {axes[axis].dim_param: name for axis, name in AXES.items()}
    for value in (*graph.input, *graph.output):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = _renamed(axis.dim_param, names)
    del graph.value_info[:]
    _forget((graph, *graph.node, *graph.input, *graph.output))


def _renamed(formula: str, names: Mapping[str, str]) -> str:
    return re.sub(r"\w+", lambda word: names.get(word[0], word[0]), formula)


def _forget(parts: Iterable[Any]) -> None:
    for part in parts:
        del part.metadata_props[:]
        part.doc_string = ""
