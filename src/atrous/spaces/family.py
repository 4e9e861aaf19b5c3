"""A family of spaces: everything that one kind of architecture says of itself, in one record.

A family is one folder and one line of the registry in `atrous.spaces`. Nothing outside its folder
names it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atrous.core.architecture import Architecture
from atrous.spaces.space import Space
from atrous.spaces.view import RelaxationView, View

if TYPE_CHECKING:
    from atrous.relax.relaxation import Relaxation


@dataclass(frozen=True)
class Defaults:
    """The values of a search where the user says nothing: those of parts on a backbone, unless a
    family has others.

    `backbone` is `None` where architectures are whole networks, trained from scratch; these have a
    base learning `rate`, while cells take that of the proxy's optimiser. `baselines` are names of
    architectures that a search trains beside its own, `{space}` standing for that of the search;
    the first is the plain one, which no search is without. On a CPU, a search reads no maps of
    smaller strides than `finest_on_cpu`, if that is said.
    """

    backbone: str | None = "tf_efficientnet_lite0"
    weights: str = "auto"
    output_stride: int | None = 16
    filters: int = 64
    steps: int = 400
    rate: float | None = None
    baselines: tuple[str, ...] = ()
    finest_on_cpu: int | None = None


@dataclass(frozen=True)
class Family:
    """A family of spaces.

    `make` gives the space of its name, or with numbers one of other sizes; `sizes` is the regular
    expression of the names that say them, a group per number (empty: one space alone), and
    `example` such a name with its meaning. `yardstick` is the plain, known architecture that stands
    in comparisons and measurements of speed; `None` where there is none. `view` shows architectures
    (`None`: by their decisions). `relaxation` imports torch and gives what a search by gradients
    needs of the space of a name; `None` where the family cannot be relaxed, and `search_view` shows
    such a search. `read_file` reads an architecture from the JSON text of other programs and raises
    `AtrousError` that says what was expected; `write_file` writes it. `ablations` names every way
    to leave parts out of the yardstick, the whole one last: a space that can be measured in full.
    `alone`: the names of its published architectures are known without the family's. `quick` is a
    space of small architectures, which a whole run searches where the user names none.
    """

    name: str
    make: Callable[..., Space]
    defaults: Defaults
    sizes: str = ""
    example: str = ""
    yardstick: str | None = None
    view: View | None = None
    relaxation: Callable[[str], Relaxation] | None = None
    search_view: RelaxationView | None = None
    read_file: Callable[[str], Architecture] | None = None
    write_file: Callable[[Architecture], str] | None = None
    ablations: Callable[[], dict[str, Architecture]] | None = None
    alone: bool = False
    quick: str = ""

    def space(self, name: str) -> Space | None:
        """The space of this name, if the family has it. Raises `AtrousError` for a size that
        cannot be."""
        if name == self.name:
            return self.make()
        found = re.fullmatch(self.sizes, name)
        return self.make(*(int(number) for number in found.groups() if number)) if found else None
