"""Every command in the documentation, run, or at least read by the program."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from tests.cases import each
from tests.docs.pages import PAGES, QUICKSTART, README, Command, commands, execute
from tests.docs.parsing import PLACEHOLDER, all_commands, parse, resolve
from tests.docs.sandbox import Sandbox

COMMANDS = commands("\n".join(page.read_text() for page in PAGES))
LONG = ("demo",)
"""Commands that cannot be made small."""
SLOW = ("run", "fidelity", "export", "latency", "bench")
"""Commands that take longer than all others."""


def is_run(command: Command) -> bool:
    """Whether a command can be run here: torchrun starts processes of its own, and a command of
    which only the name is mentioned lacks what it needs."""
    if command.launcher or command.words[0] in (*LONG, PLACEHOLDER):
        return False
    return not command.is_mention or bool(resolve(command.words)[1])


def kind(command: Command) -> tuple[str, ...]:
    """The words without the values of options, most numbers among them, which do not say what is
    done: commands of one kind need not all be run."""
    words = command.words
    options = sorted(word for word in words if word.startswith("-"))
    given = [
        w for w, before in zip(words, ("", *words), strict=False) if not before.startswith("--")
    ]
    plain = [word for word in given if not word.startswith("-")]
    choices = [word for word in words if word in ("gradient", "onnx", "pt2") or ":" in word]
    return (*plain, *options, *choices)


RUN = list({kind(c): c for c in reversed(COMMANDS) if is_run(c)}.values())[::-1]
"""One command of each kind."""


def marked(command: Command) -> Any:
    """The case of a command, which may be slow."""
    slow = command.words[0] in SLOW or any("gradient" in word.lower() for word in command.words)
    return pytest.param(command, marks=[pytest.mark.slow] if slow else [], id=str(command))


@each("command", COMMANDS)
def test_the_program_knows_every_command(command: Command) -> None:
    if "--help" not in command.words and command.words[0] != PLACEHOLDER:
        parse(command)


def test_every_command_tells_of_itself(box: Sandbox) -> None:
    for name in all_commands():
        box.run((*name, "--help"))


@pytest.mark.parametrize("command", [marked(command) for command in RUN])
def test_a_command_of_the_documentation(command: Command, box: Sandbox) -> None:
    box.run(command.words)


@pytest.mark.parametrize("page", [README, QUICKSTART], ids=lambda page: page.stem)
def test_a_model_labels_a_photo(page: Path, box: Sandbox) -> None:
    box.need("BEST")
    box.need("photo.jpg")
    module = execute(page)
    with Image.open(box.home / "photo.jpg") as photo:
        assert module.labels.shape == (photo.height, photo.width)
    assert int(module.labels.max()) < len(module.model.classes)


def test_most_commands_are_run() -> None:
    assert len(RUN) > 20


def test_a_command_that_ends_in_an_error_is_noticed(box: Sandbox) -> None:
    with pytest.raises(AtrousError, match="nowhere"):
        box.run(("report", "nowhere"))
    box.need("DATA")
    shutil.copytree(box.home / "DATA", box.home / "broken")
    next((box.home / "broken").glob("masks/train/*.png")).write_bytes(b"")
    with pytest.raises(AssertionError):
        box.run(("check", "broken"))
