"""Options of a command from the fields of a configuration, and the other way round.

A command that `takes` a configuration has a parameter `told`: what the user typed of it.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_origin

import typer
from rich.console import RenderableType
from typer.core import TyperCommand

from atrous.core.console import output
from atrous.core.errors import faults
from atrous.core.options import Leaf, leaves
from atrous.core.records import to_json
from atrous.stages.told import Told, called, described, is_listed

T = TypeVar("T")
RARE, SPACE, QUICK = "rare", "{space}", "{quick}"
METAVARS = {int: "INTEGER", float: "NUMBER", Path: "PATH"}
USAGE: Any = typer.BadParameter.__base__
"""The error of a command line that cannot be parsed; typer has it from click, or from a copy."""
METAVARS_OF_UNITS = {"time": "TIME", "memory": "AMOUNT"}


def takes(kind: Any, *but: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Gives a command the options of a configuration, `but` some, before its own.

    Its parameter `told` hears what was typed; a positional one of the configuration comes first.
    """
    asked = {leaf.name: leaf for leaf in leaves(kind) if leaf.name not in but}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.name != "told"]

        @wraps(command)
        def run(**given: Any) -> None:
            typed = {leaf: given.pop(name) for name, leaf in asked.items()}
            told = Told({leaf: text for leaf, text in typed.items() if text is not None})
            command(told=told, **given)

        parameters = [*map(_parameter, asked.values()), *own]
        parameters.sort(key=_place)
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.asked = asked  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        del run.__dict__["__wrapped__"]
        return run

    return decorate


class Command(TyperCommand):
    """A command whose help shows the options of a strategy when that is named, and those that are
    rarely needed in a paragraph below."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raises an error with all options that there are not, and all values that cannot be."""
        ctx.meta["typed"] = list(args)
        try:
            return super().parse_args(ctx, list(args))
        except USAGE as error:
            told, known = [_sentence(error)], list(args)
        while unknown := self._unknown(ctx, known):
            told.append(_sentence(unknown))
            known = [word for word in known if word.partition("=")[0] != unknown.option_name]
        told += faults(self._told(ctx, known).values)
        raise USAGE(" ".join(dict.fromkeys(told)), ctx)

    def _unknown(self, ctx: Any, words: list[str]) -> Any:
        """Returns the error of the first option that there is not, if there is one."""
        try:
            self.make_parser(ctx).parse_args(list(words))
        except USAGE as error:
            return error if hasattr(error, "possibilities") else None
        return None

    def _told(self, ctx: Any, words: list[str]) -> Told:
        """Returns what words say of the command's configuration, as far as they can be read."""
        asked: Mapping[str, Leaf] = getattr(self.callback, "asked", {})
        ctx.resilient_parsing = True
        super().parse_args(ctx, words)
        typed = {leaf: ctx.params.get(name) for name, leaf in asked.items()}
        return Told({leaf: t for leaf, t in typed.items() if t not in (None, (), [])})

    def format_options(self, ctx: Any, formatter: Any) -> None:
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if record := _filled(parameter.get_help_record(ctx)):
                panel = getattr(parameter, "rich_help_panel", None) or ""
                title = "Arguments" if parameter.param_type_name == "argument" else panel
                sections.setdefault(title, []).append(record)
        rare = sections.pop(RARE, [])
        shown = _strategy(ctx.meta.get("typed", []))
        for title, records in sections.items():
            if title in ("", "Arguments", shown):
                name = f"Options of --strategy {title}" if title and title == shown else title
                with formatter.section(name or "Options"):
                    formatter.write_dl(records)
        others = [title for title in sections if title not in ("", "Arguments", shown)]
        if others:
            told = ", ".join(f"--strategy {title} --help" for title in others)
            _paragraph(formatter, f"Some strategies have options of their own, shown by: {told}.")
        if rare:
            told = "; ".join(f"{flag}: {text.rstrip('.')}" for flag, text in rare)
            _paragraph(formatter, f"Rarely needed: {told}.")


def _sentence(error: Any) -> str:
    return f"{error.format_message().rstrip('.')}."


def _filled(record: tuple[str, str] | None) -> tuple[str, str] | None:
    """Returns the help of an option with the name of the first space, which help alone loads."""
    if record is None or not {SPACE, QUICK} & set(re.findall(r"{\w+}", record[1])):
        return record
    from atrous.spaces import default_family, quick_space

    return record[0], record[1].replace(SPACE, default_family().name).replace(QUICK, quick_space())


def _paragraph(formatter: Any, text: str) -> None:
    formatter.write_paragraph()
    formatter.write_text(text)


def _strategy(typed: list[str]) -> str:
    """Returns the strategy that is named on a command line."""
    words = [word for each in typed for word in each.split("=", 1)]
    return words[words.index("--strategy") + 1] if "--strategy" in words[:-1] else ""


def _parameter(leaf: Leaf) -> inspect.Parameter:
    """Returns the parameter of a command that hears a text or a switch, `None` if nothing."""
    if leaf.option.positional:
        several: Any = list[str] if get_origin(leaf.kind) is tuple else str
        known: Any = typer.Argument(metavar=called(leaf), help=leaf.option.help, show_default=False)
        heard: Any = Annotated[several if leaf.option.needed else several | None, known]
    else:
        panel = RARE if leaf.option.rare else leaf.strategy or None
        kind: Any = bool if leaf.kind is bool else list[str] if is_listed(leaf) else str
        known = typer.Option(
            _declaration(leaf), help=described(leaf), metavar=_metavar(leaf), rich_help_panel=panel
        )
        heard = Annotated[kind if leaf.option.needed else kind | None, known]
    usual = inspect.Parameter.empty if leaf.option.needed else None
    return inspect.Parameter(
        leaf.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=usual, annotation=heard
    )


def _declaration(leaf: Leaf) -> str:
    if leaf.kind is not bool or not leaf.default:
        return f"--{leaf.flag}"
    return f"--{leaf.flag}/--{leaf.negative}"


def _metavar(leaf: Leaf) -> str | None:
    if leaf.kind is bool:
        return None
    if leaf.choices:
        return "|".join(map(str, leaf.choices))
    if leaf.option.unit:
        return METAVARS_OF_UNITS[leaf.option.unit]
    return "HxW" if leaf.is_size else METAVARS.get(leaf.kind, "TEXT")


def _place(parameter: inspect.Parameter) -> tuple[bool, bool]:
    """Returns what parameters are sorted by: needed ones first, then arguments, then options."""
    known = getattr(parameter.annotation, "__metadata__", ())
    is_option = any(isinstance(each, typer.models.OptionInfo) for each in known)
    return parameter.default is not inspect.Parameter.empty, is_option


def show(
    found: T, as_json: bool, rendered: Callable[[T], RenderableType], whole: bool = False
) -> None:
    """Prints a result: as JSON, or as it is `rendered` on a terminal, its lines left `whole` where
    they are to be pasted."""
    if as_json:
        print(json.dumps(to_json(found), indent=2))
    else:
        output.print(rendered(found), soft_wrap=whole)


Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
