"""Architectures by the text a user types: a name, a genotype, or a JSON file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from atrous.core.architecture import Architecture
from atrous.core.errors import AtrousError
from atrous.spaces import SPACES, find_space
from atrous.spaces.dpc.published_format import read_cell
from atrous.spaces.dpc.space import dpc, encode


def find_architecture(text: str) -> Architecture:
    """The architecture that `text` names.

    A published one (`dpc:top1`), a genotype (`dpc:0.17.1.3...`), or a JSON file: this program's,
    or a cell in the reference implementation's format. Raises `AtrousError`.
    """
    if text.endswith(".json"):
        return _from_file(Path(text))
    space_name, colon, rest = text.partition(":")
    if not colon:
        raise AtrousError(
            f"Expected an architecture, got {text!r}. Write {', '.join(published())}, a genotype "
            "such as dpc-1:0.17, or the path of a .json file."
        )
    space = find_space(space_name)
    if rest in space.published:
        return space.architecture(space.published[rest])
    try:
        genotype = tuple(int(choice) for choice in rest.split("."))
    except ValueError as error:
        known = ", ".join(space.published) or "none"
        raise AtrousError(
            f"Space {space_name} has no architecture {rest!r}. Named ones: {known}; a genotype is "
            "whole numbers with dots between."
        ) from error
    return space.architecture(genotype)


def published() -> list[str]:
    """The names of all published architectures."""
    return [f"{name}:{key}" for name, make in SPACES.items() for key in make().published]


def _from_file(path: Path) -> Architecture:
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError) as error:
        raise AtrousError(f"Expected an architecture in JSON at {path}, but {error}.") from error
    try:
        if isinstance(content, dict) and content.keys() == {"space", "genotype"}:
            return _from_record(content["space"], content["genotype"])
        cell = read_cell(text)
        return dpc(len(cell)).architecture(encode(cell))
    except AtrousError as error:
        raise AtrousError(f"{path}: {error}") from error


def _from_record(space: Any, genotype: Any) -> Architecture:
    whole = isinstance(genotype, list) and all(type(choice) is int for choice in genotype)
    if not (isinstance(space, str) and whole):
        raise AtrousError(
            'Expected the name of a space and a list of whole numbers, such as {"space": "dpc-1", '
            f'"genotype": [0, 17]}}, got {space!r} and {genotype!r}.'
        )
    return find_space(space).architecture(tuple(genotype))
