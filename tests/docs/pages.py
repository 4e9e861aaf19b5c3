"""What the documentation asks a reader to type."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]
README, QUICKSTART, EXTENDING, PYTHON = (
    ROOT / name
    for name in ("README.md", "docs/quickstart.md", "docs/extending.md", "docs/python.md")
)
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`]+)`")
ELISION = "..."


@dataclass(frozen=True)
class Command:
    """What follows `atrous`, word by word; `launcher` is what stands before it, `torchrun` and its
    options. `is_whole` unless words are left out, and `is_mention` if it stands in a sentence."""

    words: tuple[str, ...]
    launcher: tuple[str, ...] = ()
    is_whole: bool = True
    is_mention: bool = False

    def __str__(self) -> str:
        return shlex.join((*self.launcher, "atrous", *self.words))


def blocks(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a language; "" are those of none."""
    return [content for name, content in FENCED.findall(text) if name == language]


def inline(text: str) -> list[str]:
    """Code in sentences, on one line each."""
    return [" ".join(code.split()) for code in INLINE.findall(FENCED.sub("", text))]


def lines(text: str) -> Iterator[str]:
    """The lines of the fenced blocks, those that go on below joined."""
    for block in blocks(text):
        yield from block.replace("\\\n", " ").splitlines()


def commands(text: str) -> list[Command]:
    """The commands of a page, each once: those of fenced blocks, then those in sentences."""
    fenced = [_command(line, False) for line in lines(text)]
    mentioned = [_command(code, True) for code in inline(text)]
    found = [command for command in (*fenced, *mentioned) if command]
    return list({(c.launcher, c.words): c for c in reversed(found)}.values())[::-1]


def _command(line: str, is_mention: bool) -> Command | None:
    if not re.match(r"(atrous|torchrun) ", line):
        return None
    words = shlex.split(line, comments=True)
    whole = [word for word in words if word != ELISION]
    start = whole.index("atrous")
    return Command(
        words=tuple(whole[start + 1 :]),
        launcher=tuple(whole[:start]),
        is_whole=len(whole) == len(words),
        is_mention=is_mention,
    )


def execute(page: Path) -> ModuleType:
    """A module made of the Python of a page."""
    module = ModuleType(page.stem)
    for block in blocks(page.read_text(), "python"):
        exec(compile(block, str(page), "exec", dont_inherit=True), vars(module))
    return module
