"""An exported file in words."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from atrous.model.export.exported import ExportedFile
from atrous.model.export.interface import INPUT

USE = {
    "onnx": (
        'onnxruntime.InferenceSession("{name}").run(None, {{"{input}": images}})[0]',
        "its classes and the rest: .get_modelmeta().custom_metadata_map",
    ),
    "pt2": (
        'torch.export.load("{name}").module()(images)',
        'its classes and the rest: extra_files={{"metadata.json": ""}} when loading',
    ),
}

UNIT = {
    "logits": " of the largest class score",
    "ids": " of the largest class score",
    "probabilities": "",
}


def render(exported: ExportedFile) -> RenderableType:
    """Renders what was written, its input and output, how it was compared and how it is used."""
    lines = [
        f"wrote {exported.path} ({exported.size / 1e6:.1f} MB)",
        f"input    {exported.metadata['input']}",
        f"output   {exported.metadata['output']}",
        *_compared(exported),
        *_use(exported),
    ]
    return Group(*map(Text, lines))


def _compared(exported: ExportedFile) -> list[str]:
    sizes = ", ".join(
        f"{each.batch} x {each.size[0]} x {each.size[1]}" for each in exported.comparisons
    )
    worst = max(each.difference for each in exported.comparisons)
    return [
        f"compared with the model on random pixels ({sizes}): differs by at most {worst:.1g}"
        f"{UNIT[exported.interface.output]}; up to {exported.tolerance:g} is accepted"
    ]


def _use(exported: ExportedFile) -> list[str]:
    name = exported.path.name
    first, *rest = (line.format(name=name, input=INPUT) for line in USE[exported.format])
    return [f"use it   {first}", *(f"         {line}" for line in rest)]
