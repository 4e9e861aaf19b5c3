"""The architectures that may be built, one folder per family. `FAMILIES` is the registry."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from atrous.core.architecture import JOIN, Architecture
from atrous.core.errors import AtrousError, faults
from atrous.core.records import RecordError, from_json, parse
from atrous.spaces.auto_deeplab import AUTO_DEEPLAB
from atrous.spaces.classic import CLASSIC
from atrous.spaces.composition import Member, compose, composed_family
from atrous.spaces.dpc import DPC
from atrous.spaces.family import Family
from atrous.spaces.fast_dense import FAST_DENSE
from atrous.spaces.space import Space
from atrous.spaces.templates import TEMPLATES
from atrous.spaces.view import View, plain_view

FAMILIES: dict[str, Family] = {
    "dpc": DPC,
    "auto_deeplab": AUTO_DEEPLAB,
    "fast_dense": FAST_DENSE,
    "templates": TEMPLATES,
    "classic": CLASSIC,
}


def family_of(of: str | Architecture) -> Family:
    """The family of a space's name, or of an architecture. Raises `AtrousError`."""
    space = of.space if isinstance(of, Architecture) else of
    one, joined, other = space.partition(JOIN)
    if joined:
        return composed_family(_member(one), _member(other))
    if found := FAMILIES.get(space.partition("-")[0]):
        return found
    raise _unknown(space)


def _member(name: str) -> Member:
    return Member(find_space(name), family_of(name), view_of(name))


def view_of(of: str | Architecture) -> View:
    """How the architectures of a space are shown. Raises `AtrousError`."""
    space = of.space if isinstance(of, Architecture) else of
    return family_of(space).view or plain_view(find_space(space))


def yardstick_name(space: str) -> str:
    """The name of the yardstick of a space, as a user would write it. Raises `AtrousError`."""
    return family_of(space).yardstick or str(yardstick(space))


def default_family() -> Family:
    """The family that is searched where the user names no space: the first."""
    return next(iter(FAMILIES.values()))


def quick_space() -> str:
    """The name of the space that a whole run searches where the user names none."""
    return next(family.quick for family in FAMILIES.values() if family.quick)


def find_space(name: str) -> Space:
    """The space of this name: a family's own, one whose name says its sizes (`dpc-3`), or two in
    one (`dpc-3+fast_dense`).

    Raises `AtrousError`.
    """
    one, joined, other = name.partition(JOIN)
    if joined:
        return compose(find_space(one), find_space(other))
    family = FAMILIES.get(name.partition("-")[0])
    if found := family.space(name) if family else None:
        return found
    raise _unknown(name)


def known_space(name: str) -> str:
    """The name itself, or that of the space which is searched by default where there is no such."""
    return default_family().name if faults(partial(find_space, name)) else name


def needs_backbone(of: str | Architecture) -> bool:
    """Whether architectures read a backbone's maps, or are whole networks. Raises `AtrousError`."""
    return find_space(of.space if isinstance(of, Architecture) else of).encoder is None


def yardstick(space: str) -> Architecture:
    """The architecture that stands for those of a space when speed is measured: its family's, or
    that in the middle of the space. Raises `AtrousError`."""
    if named := family_of(space).yardstick:
        return find_architecture(named)
    found = find_space(space)
    return found.architecture(found.unrank(found.size() // 2))


def find_architecture(text: str) -> Architecture:
    """The architecture that `text` names.

    A published one (`dpc:top1`, or `fpn` of a family whose names stand alone), a part of a family's
    yardstick (`dpc:1x1`), a genotype (`dpc:0.17.1.3...`), or a JSON file: this program's, or one
    that a family reads. Raises `AtrousError`.
    """
    if text.endswith(".json"):
        return _from_file(Path(text))
    space_name, colon, rest = _in_full(text).partition(":")
    if not colon:
        raise AtrousError(
            f"Expected an architecture, got {text!r}. Write {', '.join(named())}, a genotype "
            "such as dpc-1:0.17, or the path of a .json file."
        )
    space = find_space(space_name)
    if rest in space.published:
        return space.architecture(space.published[rest])
    try:
        genotype = tuple(int(choice) for choice in rest.split("."))
    except ValueError as error:
        if found := ablations(space_name).get(rest):
            return found
        known = ", ".join(space.published) or "none"
        raise AtrousError(
            f"Space {space_name} has no architecture {rest!r}. Named ones: {known}; a genotype is "
            "whole numbers with dots between."
        ) from error
    return space.architecture(genotype)


def write_architecture(architecture: Architecture) -> str:
    """The architecture in the form in which other programs read its family; raises `AtrousError`
    if there is none."""
    if write := family_of(architecture).write_file:
        return write(architecture)
    known = next(f.yardstick for f in FAMILIES.values() if f.write_file)
    raise AtrousError(
        f"Expected an architecture that other programs can read, such as {known}, got "
        f"{str(architecture)[:80]}."
    )


def named() -> list[str]:
    """The names of all baselines and published architectures."""
    return [name for family in FAMILIES.values() for name in names_of(family)]


def names_of(family: Family) -> list[str]:
    """The names of a family's own baselines and published architectures."""
    own = [name for name in family.defaults.baselines if name.startswith(f"{family.name}:")]
    published = [f"{family.name}:{key}" for key in family.make().published]
    return list(dict.fromkeys([*own, *published]))


def ablations(family: str) -> dict[str, Architecture]:
    """The architectures by name that leave parts out of the yardstick of a family, of any size."""
    found = FAMILIES.get(family)
    return found.ablations() if found and found.ablations else {}


def _in_full(text: str) -> str:
    """A published name with its space, if the text is one that may stand alone (`fpn`)."""
    alone = (f.name for f in FAMILIES.values() if f.alone and text in f.make().published)
    return next((f"{name}:{text}" for name in alone), text)


def _unknown(space: str) -> AtrousError:
    examples = ", ".join(family.example for family in FAMILIES.values() if family.example)
    return AtrousError(
        f"Expected the name of a space, got {space!r}. There are: {', '.join(FAMILIES)}; others "
        f"say their size, such as {examples}; two may be one, such as dpc-3{JOIN}fast_dense."
    )


def _from_file(path: Path) -> Architecture:
    try:
        text = path.read_text(encoding="utf-8")
        content = parse(text)
    except (OSError, ValueError) as error:
        raise AtrousError(f"Expected an architecture in JSON at {path}, but {error}.") from error
    try:
        if isinstance(content, dict) and content.keys() & {"space", "genotype"}:
            return _from_record(content)
        return _from_others(text)
    except AtrousError as error:
        raise AtrousError(f"{path}: {error}") from error


def _from_record(content: Any) -> Architecture:
    try:
        found = from_json(Architecture, content)
    except RecordError as error:
        raise AtrousError(
            'Expected the name of a space and a list of whole numbers, such as {"space": "dpc-1", '
            f'"genotype": [0, 17]}}, but: {error}.'
        ) from error
    return find_space(found.space).architecture(found.genotype)


def _from_others(text: str) -> Architecture:
    """The architecture as the first family has it that can read the text."""
    refusals = []
    for read in (family.read_file for family in FAMILIES.values() if family.read_file):
        try:
            return read(text)
        except AtrousError as error:
            refusals.append(str(error))
    raise AtrousError(" Or: ".join(refusals))
