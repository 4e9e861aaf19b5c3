"""Every command in the documentation, run, or at least read by the program."""

from __future__ import annotations

import shutil

import pytest

from atrous.core.errors import AtrousError
from tests.docs.pages import PAGES, Command, commands
from tests.docs.parsing import PLACEHOLDER, all_commands, parse, resolve
from tests.docs.sandbox import Sandbox

COMMANDS = commands("\n".join(page.read_text() for page in PAGES))
LONG = ("demo",)
"""Commands that cannot be made small."""


def is_run(command: Command) -> bool:
    """Whether a command can be run here: torchrun starts processes of its own, and a command of
    which only the name is mentioned lacks what it needs."""
    if command.launcher or command.words[0] in (*LONG, PLACEHOLDER):
        return False
    return not command.is_mention or bool(resolve(command.words)[1])


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_of_the_documentation(command: Command, box: Sandbox) -> None:
    if command.words[0] == PLACEHOLDER:
        for name in all_commands():
            box.run((*name, *command.words[1:]))
        return
    if "--help" not in command.words:
        parse(command)
    if is_run(command):
        box.run(command.words)


def test_most_commands_are_run() -> None:
    assert sum(map(is_run, COMMANDS)) > 20


def test_a_command_that_ends_in_an_error_is_noticed(box: Sandbox) -> None:
    with pytest.raises(AtrousError, match="nowhere"):
        box.run(("report", "nowhere"))
    box.need("DATA")
    shutil.copytree(box.home / "DATA", box.home / "broken")
    next((box.home / "broken").glob("masks/train/*.png")).write_bytes(b"")
    with pytest.raises(AssertionError):
        box.run(("check", "broken"))
