"""Commands read as the program reads them, and not carried out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import typer
from torch.distributed.run import get_args_parser

from atrous.cli import app
from atrous.stages.told import read_value
from tests.docs.pages import Command

GROUP: Any = typer.main.get_command(app)
PLACEHOLDER = "COMMAND"


def parse(command: Command) -> None:
    """Raises an exception for a command, an argument or an option that does not exist.

    Where words are left out, what is needed may be missing.
    """
    if command.launcher:
        get_args_parser().parse_args([*command.launcher[1:], "atrous"])
    found, rest = resolve(command.words)
    if command.is_whole and not command.is_mention:
        read_texts(found, found.make_context(found.name, list(rest)).params)
        return
    context = found.make_context(found.name, [], resilient_parsing=True)
    context.resilient_parsing = False
    found.make_parser(context).parse_args(list(rest))


def read_texts(command: Any, values: dict[str, Any]) -> None:
    """Raises an exception for a text that spells no value of an option of a configuration."""
    for name, leaf in getattr(command.callback, "asked", {}).items():
        if isinstance(values[name], str):
            read_value(leaf, values[name])


def resolve(words: Sequence[str]) -> tuple[Any, Sequence[str]]:
    """The command that words name, and what follows its name."""
    found = GROUP
    while words and hasattr(found, "commands") and not words[0].startswith("-"):
        assert words[0] in found.commands, f"there is no command {words[0]}"
        found, words = found.commands[words[0]], words[1:]
    return found, words


def all_commands(group: Any = GROUP, name: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The names of all commands."""
    for key, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from all_commands(command, (*name, key))
        else:
            yield (*name, key)


def all_options() -> set[str]:
    """All options of all commands."""
    found = {"--help"}
    for name in all_commands():
        for parameter in resolve(name)[0].params:
            found.update((*parameter.opts, *parameter.secondary_opts))
    return {option for option in found if option.startswith("-")}
