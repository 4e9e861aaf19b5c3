"""Options of a command from the fields of a configuration, and the other way round.

A command that `takes` a configuration has a parameter `told`: what the user typed of it.
"""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial, wraps
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_origin

import typer
from rich.console import RenderableType
from typer.core import TyperCommand

from atrous.core.console import output, say
from atrous.core.errors import AtrousError, faults
from atrous.core.options import MOST, Leaf, leaves, problem, replaced, require_in_range
from atrous.core.records import to_json
from atrous.core.words import score_name

if TYPE_CHECKING:
    from atrous.core.requests import Folders
    from atrous.core.trial import Metrics, Score


T = TypeVar("T")
RARE, SPACE, QUICK = "rare", "{space}", "{quick}"
METAVARS = {int: "INTEGER", float: "NUMBER", Path: "PATH"}
SECONDS = {"s": 1, "m": 60, "h": 3600}
BYTES = {"mib": 2**20, "gib": 2**30, "mb": 10**6, "gb": 10**9}
USAGE: Any = typer.BadParameter.__base__
"""The error of a command line that cannot be parsed; typer has it from click, or from a copy."""
METAVARS_OF_UNITS = {"time": "TIME", "memory": "AMOUNT"}


def accept(_: Any) -> None:
    """Finds nothing wrong."""


@dataclass(frozen=True)
class Told:
    """Texts and switches that a user typed of a configuration, by option."""

    typed: Mapping[Leaf, str | bool | Sequence[str]]

    def __contains__(self, name: str) -> bool:
        return any(leaf.name == name for leaf in self.typed)

    def get(self, name: str, usual: str) -> str:
        """Returns the text typed for an option, or the usual one."""
        return next((str(text) for leaf, text in self.typed.items() if leaf.name == name), usual)

    def part(self, name: str) -> Told:
        """Returns what was typed of a part of the configuration."""
        own = (leaf for leaf in self.typed if leaf.path[0] == name and len(leaf.path) > 1)
        return Told({replace(leaf, path=leaf.path[1:]): self.typed[leaf] for leaf in own})

    def fixed(self, *but: str) -> list[str]:
        """Returns what was typed of options that stay as they are when a run goes on, `but` some,
        as they are called in a command's help."""
        return [
            _called(leaf) for leaf in self.typed if not leaf.option.extends and leaf.name not in but
        ]

    def values(self, check: Callable[[dict[str, Any]], object] = accept) -> dict[str, Any]:
        """Returns all values, by name.

        Raises `AtrousError` that says all texts that cannot be read, all values out of range, and
        what the `check` of the values finds.
        """
        found, wrong = self.readable()
        told = (problem(leaf, found.get(leaf.name)) for leaf in self.typed)
        _refuse([*wrong, *(f"{each}." for each in told if each), *faults(partial(check, found))])
        return found

    def on(self, base: T, check: Callable[[T], object] = accept) -> T:
        """Returns a configuration with what was typed in the place of what it holds; what belongs
        to a part that it lacks is left out.

        Raises `AtrousError` that says all texts that cannot be read, all values out of range, and
        what the `check` of the configuration finds.
        """
        found, wrong = Told(
            {leaf: t for leaf, t in self.typed.items() if leaf.fits(base)}
        ).readable()
        config = replaced(base, **found)
        others = {leaf.name for leaf in leaves(type(base))} - found.keys()
        in_range = partial(require_in_range, config, tuple(others))
        _refuse([*wrong, *faults(in_range, partial(check, config))])
        return config

    def made(self, kind: type[T], check: Callable[[T], object] = accept) -> T:
        """Returns a configuration of what was typed, and of defaults.

        Raises `AtrousError` that says all texts that cannot be read, all values out of range, and
        what the `check` of the configuration finds, which takes all that is needed.
        """
        found, _ = self.readable()
        needed = {leaf.name: found.get(leaf.name) for leaf in leaves(kind) if leaf.option.needed}
        if None in needed.values():
            self.values()
        return self.on(kind(**needed), check)

    def require_read_by(self, strategy: str) -> None:
        """Raises `AtrousError` for options that belong to another strategy."""
        idle = [leaf for leaf in self.typed if leaf.strategy not in ("", strategy)]
        if idle:
            flags = ", ".join(f"--{leaf.flag}" for leaf in idle)
            owners = " or ".join(dict.fromkeys(leaf.strategy for leaf in idle))
            raise AtrousError(
                f"{flags} belong to --strategy {owners}; the strategy here is {strategy}."
            )

    def readable(self) -> tuple[dict[str, Any], list[str]]:
        """Returns all values that can be read, by name, and what is wrong with the other texts."""
        found: dict[str, Any] = {}
        wrong = []
        for leaf, text in self.typed.items():
            try:
                found[leaf.name] = _value(leaf, text)
            except (ValueError, AtrousError) as error:
                wrong.append(f"--{leaf.flag}: {str(error).rstrip('.')}.")
        return found, wrong


def _refuse(told: list[str]) -> None:
    if told:
        raise AtrousError(*dict.fromkeys(told))


def _called(leaf: Leaf) -> str:
    """Returns the name of an option or an argument in a command's help."""
    known = leaf.option
    return known.shown or leaf.name.upper() if known.positional else f"--{leaf.flag}"


def _value(leaf: Leaf, typed: str | bool | Sequence[str]) -> Any:
    if isinstance(typed, bool):
        return typed
    if isinstance(typed, str):
        return read_value(leaf, typed)
    if leaf.option.positional:
        return tuple(map(get_args(leaf.kind)[0], typed))
    # An option of several values takes them with commas between, or is given several times.
    return read_value(leaf, ",".join(typed))


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


def extendable(kind: Any) -> list[str]:
    """Returns the names of the options that may change when a run goes on."""
    return [leaf.name for leaf in leaves(kind) if leaf.option.extends]


def read_value(leaf: Leaf, text: str) -> Any:
    """Returns the value that a text spells; raises an error that says what was expected."""
    from atrous.data.canvas import parse_size

    if leaf.option.unit:
        return READ[leaf.option.unit](text)
    if leaf.kind is Path:
        return Path(text)
    if leaf.is_size:
        return parse_size(text)
    if leaf.kind in (int, float):
        return _number(leaf.kind, text)
    kinds = get_args(leaf.kind)
    if kinds[-1:] == (...,):
        parts = tuple(filter(None, text.split(",")))
        return parts if kinds[0] is str else _numbers(parts, text)
    return text


def _numbers(parts: tuple[str, ...], text: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, parts))
    except ValueError as error:
        raise ValueError(
            f"Expected numbers with commas between, such as 0.5,1,2; got {text!r}"
        ) from error


def parse_duration(text: str) -> float:
    """Returns `90s`, `30m` or `2h` in seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    if not match:
        raise AtrousError(f"Expected a time such as 90s, 30m or 2h, got {text!r}.")
    return float(match[1]) * SECONDS[match[2]]


def parse_memory(text: str) -> int:
    """Returns `2GiB` or `500 MB` in bytes."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?([a-z]+)", text.strip().lower())
    if not match or match[2] not in BYTES or not float(match[1]):
        raise AtrousError(f"Expected an amount such as 2GiB or 500MiB, got {text!r}.")
    return int(min(float(match[1]) * BYTES[match[2]], MOST))


READ: Mapping[str, Callable[[str], Any]] = {"time": parse_duration, "memory": parse_memory}


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
        known: Any = typer.Argument(
            metavar=_called(leaf), help=leaf.option.help, show_default=False
        )
        heard: Any = Annotated[several if leaf.option.needed else several | None, known]
    else:
        panel = RARE if leaf.option.rare else leaf.strategy or None
        kind: Any = bool if leaf.kind is bool else list[str] if _is_listed(leaf) else str
        known = typer.Option(
            _declaration(leaf), help=_help(leaf), metavar=_metavar(leaf), rich_help_panel=panel
        )
        heard = Annotated[kind if leaf.option.needed else kind | None, known]
    usual = inspect.Parameter.empty if leaf.option.needed else None
    return inspect.Parameter(
        leaf.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=usual, annotation=heard
    )


def _is_listed(leaf: Leaf) -> bool:
    """Returns whether an option has any number of values."""
    return get_args(leaf.kind)[-1:] == (...,)


def _declaration(leaf: Leaf) -> str:
    if leaf.kind is not bool or not leaf.default:
        return f"--{leaf.flag}"
    return f"--{leaf.flag}/--{leaf.negative}"


def _help(leaf: Leaf) -> str:
    """Returns what an option is, with its default."""
    known = leaf.option
    if leaf.kind is bool:
        usual = f"--{leaf.flag}" if leaf.default else ""
    else:
        usual = known.derived or (
            "" if leaf.default is None else leaf.spell(leaf.default) or "none"
        )
    return f"{known.help} [{usual}]" if usual else known.help


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


def _number(kind: Any, text: str) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"Expected {what}, got {text!r}") from error


def show(
    found: T, as_json: bool, rendered: Callable[[T], RenderableType], whole: bool = False
) -> None:
    """Prints a result: as JSON, or as it is `rendered` on a terminal, its lines left `whole` where
    they are to be pasted."""
    if as_json:
        print(json.dumps(to_json(found), indent=2))
    else:
        output.print(rendered(found), soft_wrap=whole)


RUNS = Path("runs")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def require_dataset(told: Told, name: str, folders: Folders) -> None:
    """Raises `AtrousError` where a run that begins anew lacks a data set, or has one by --data."""
    if folders.moved:
        raise AtrousError(
            "--data says where the data set is of a run that goes on: give it with --resume, or "
            "name the data set without it."
        )
    if "data" not in told:
        raise AtrousError(f"Expected the folder of a data set: atrous {name} DATA.")


def refuse_to_change(told: Told, what: str, may: str) -> None:
    """Raises `AtrousError` for options that would change what goes on; `may` says which can."""
    if changed := told.fixed("data", "run"):
        raise AtrousError(
            f"With --resume, {what} goes on as it began: {', '.join(changed)} cannot be changed. "
            f"{may}"
        )


def resumed(told: Told, folders: Folders, latest: Callable[[Path], Path]) -> Path:
    """Returns the folder of the run to go on with: that which is named, or the latest."""
    return Path(told.get("data", "")) if "data" in told else folders.out or latest(RUNS)


def dated(folder: Path) -> Path:
    """Returns a new place in a folder, named after the time, and numbered after the first that
    begins in a second."""
    moment = datetime.now().strftime("%Y-%m-%d-%H%M%S")
    names = chain([moment], (f"{moment}-{number}" for number in count(2)))
    return next(place for name in names if not (place := folder / name).exists())


def default_cache() -> Path:
    """Returns where features are kept unless --cache names another place."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "atrous"


def cache_of(folders: Folders) -> Path:
    """Returns where features are kept."""
    return folders.cache or default_cache()


def tell_score(score: Score, _metrics: Metrics) -> None:
    """A line for each time that a training is scored, with the score that it goes by."""
    name, value = score_name(score.decided_by), score.standing
    say(f"step {score.step:>6}  loss {score.loss:.4f}  selection {name} {value:.4f}")
