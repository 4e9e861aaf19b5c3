"""Published classes as a table of text."""

from __future__ import annotations

from typing import NamedTuple

from atrous.data.palette import Colour


class Row(NamedTuple):
    """A class: the number that stands for it on disk, its colour and its name."""

    id: int
    colour: Colour
    name: str


def parse(text: str) -> tuple[Row, ...]:
    """The rows of lines `ID RED GREEN BLUE NAME`, where the name may hold spaces."""
    rows = []
    for line in text.strip().splitlines():
        number, red, green, blue, name = line.split(maxsplit=4)
        rows.append(Row(int(number), (int(red), int(green), int(blue)), name))
    return tuple(rows)


def lookup(ids: dict[int, int], ignored: int, unknown: int) -> bytes:
    """256 class ids by value: `ids`, 255 becomes `ignored`, all that is not named `unknown`."""
    table = bytearray([unknown] * 256)
    table[255] = ignored
    for value, label in ids.items():
        table[value] = label
    return bytes(table)
