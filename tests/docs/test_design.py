"""The picture of the rooms in docs/design.md is that of the source."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "atrous"


def rooms_drawn() -> set[str]:
    """The folders that the drawing names, by their paths under the source."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    drawing = text.split("src/atrous/\n", 1)[1].split("\ntests/", 1)[0]
    found: set[str] = set()
    above: list[str] = []
    for indent, name in re.findall(r"(?m)^( +)(\w+)/ ", drawing):
        above = [*above[: len(indent) // 2 - 1], name]
        found.add("/".join(above))
    return found


def test_every_room_is_drawn_and_every_room_drawn_is_there() -> None:
    there = {
        path.parent.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if path.parent != SOURCE
    }
    assert rooms_drawn() == there


def test_files_that_the_page_names_are_there() -> None:
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    named = re.findall(r"`(\w+/[\w/]+\.py)`", text)
    assert named
    assert not [name for name in named if not (SOURCE / name).is_file()]
