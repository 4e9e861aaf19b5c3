"""A configuration as a person tells it: words of a command line, or arguments of a function.

Both are named by the options of its fields, and read, checked and completed in the same way.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import chain, count
from operator import index
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

from atrous.core.console import command, say
from atrous.core.errors import AtrousError, faults
from atrous.core.options import MOST, Leaf, leaves, problem, replaced, require_in_range
from atrous.core.words import score_name
from atrous.core.words import told as spelt

if TYPE_CHECKING:
    from atrous.core.requests import Folders
    from atrous.core.trial import Metrics, Score

T = TypeVar("T")
SECONDS = {"s": 1, "m": 60, "h": 3600}
BYTES = {"mib": 2**20, "gib": 2**30, "mb": 10**6, "gb": 10**9}
RUNS = Path("runs")


def accept(_: Any) -> None:
    """Finds nothing wrong."""


@dataclass(frozen=True)
class Told:
    """All that a user says of a configuration, by option: texts and switches as they were typed,
    values as a program gives them."""

    typed: Mapping[Leaf, Any]

    @classmethod
    def of(cls, kind: Any, given: Sequence[Any], named: Mapping[str, Any], whose: str) -> Told:
        """Makes it of the arguments of a function; raises `AtrousError` for one that is unknown.

        Those `given` without a name are the positional options; `None` says nothing.
        """
        known = {leaf.name: leaf for leaf in leaves(kind)}
        places = [leaf for leaf in known.values() if leaf.option.positional]
        values = dict(zip(places, given, strict=False))
        if len(given) > len(places):
            raise AtrousError(
                f"{whose} takes {len(places)} arguments without a name, got {len(given)}. Give the "
                f"others by name: {', '.join(list(known)[:6])}, ..."
            )
        for name, value in named.items():
            if name not in known:
                close = difflib.get_close_matches(name, known, 1)
                meant = f" Is it {close[0]}?" if close else f" It has {', '.join(known)}."
                raise AtrousError(f"{whose} has no argument {name}.{meant}")
            values[known[name]] = value
        off = [leaf for leaf, value in values.items() if value is False and not leaf.default]
        return cls({k: v for k, v in values.items() if v is not None and k not in off})

    def __contains__(self, name: str) -> bool:
        return any(leaf.name == name for leaf in self.typed)

    def get(self, name: str, usual: str) -> str:
        """Returns the text typed for an option, or the usual one."""
        return next((str(text) for leaf, text in self.typed.items() if leaf.name == name), usual)

    def without(self, *names: str) -> Told:
        """Returns the rest."""
        return Told({leaf: text for leaf, text in self.typed.items() if leaf.name not in names})

    def command(self, name: str) -> str:
        """Returns the command that says the same, in a line for a shell."""
        words: list[str] = []
        for leaf, said in self.typed.items():
            if isinstance(said, bool):
                words += [f"--{leaf.flag if said else leaf.negative}"]
                continue
            several = isinstance(said, (list, tuple)) and not leaf.is_size
            value = ",".join(map(str, said)) if several else said
            text = value if isinstance(value, str) else leaf.spell(value)
            words = [text, *words] if leaf.option.positional else [*words, f"--{leaf.flag}", text]
        return command(name, *words)

    def part(self, name: str) -> Told:
        """Returns what was typed of a part of the configuration."""
        own = (leaf for leaf in self.typed if leaf.path[0] == name and len(leaf.path) > 1)
        return Told({replace(leaf, path=leaf.path[1:]): self.typed[leaf] for leaf in own})

    def fixed(self, *but: str) -> list[str]:
        """Returns what was typed of options that stay as they are when a run goes on, `but` some,
        as they are called in a command's help."""
        return [
            called(leaf) for leaf in self.typed if not leaf.option.extends and leaf.name not in but
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
        if lacking := [name for name, value in needed.items() if value is None]:
            self.values()
            raise AtrousError(f"Expected {' and '.join(f'--{name}' for name in lacking)}.")
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


def called(leaf: Leaf) -> str:
    """Returns the name of an option or an argument in a command's help."""
    known = leaf.option
    return known.shown or leaf.name.upper() if known.positional else f"--{leaf.flag}"


def _value(leaf: Leaf, said: Any) -> Any:
    """Returns the value of an option; raises an error for what is none."""
    if isinstance(said, str) and not (leaf.option.positional and is_listed(leaf)):
        return read_value(leaf, said)
    if isinstance(said, bool) != (leaf.kind is bool):
        expected = "True or False" if leaf.kind is bool else "no switch"
        raise ValueError(f"Expected {expected}, got {said!r}")
    if isinstance(said, bool):
        return said
    if leaf.kind in (int, float):
        return _number(leaf.kind, said)
    if leaf.is_size or is_listed(leaf):
        return _several(leaf, said)
    if not isinstance(said, os.PathLike):
        raise ValueError(f"Expected a text or a path, got {said!r}")
    return Path(said) if leaf.kind is Path else os.fspath(said)


def _number(kind: Any, said: Any) -> Any:
    """Returns a number that was spelt or given; a fraction is no whole number."""
    try:
        return index(said) if kind is int and not isinstance(said, str) else kind(said)
    except (TypeError, ValueError) as error:
        what = "a whole number" if kind is int else "a number"
        raise ValueError(f"Expected {what}, got {said!r}") from error


def _several(leaf: Leaf, said: Any) -> Any:
    """Returns several values of an option: given together, or as several texts."""
    parts = (said,) if isinstance(said, (str, os.PathLike)) else tuple(said)
    if leaf.is_size:
        if len(parts) != 2:
            raise ValueError(f"Expected a height and a width, got {said!r}")
        return tuple(_number(int, each) for each in parts)
    kind = get_args(leaf.kind)[0]
    if leaf.option.positional:
        return tuple(map(kind, parts))
    if all(isinstance(each, str) for each in parts):
        # An option of several values takes them with commas between, or is given several times.
        return read_value(leaf, ",".join(parts))
    return tuple(_number(float, each) if kind is float else kind(each) for each in parts)


def is_listed(leaf: Leaf) -> bool:
    """Returns whether an option has any number of values."""
    return get_args(leaf.kind)[-1:] == (...,)


def described(leaf: Leaf) -> str:
    """Returns what an option is, with its default."""
    known = leaf.option
    if leaf.kind is bool:
        usual = f"--{leaf.flag}" if leaf.default else ""
    else:
        usual = known.derived or (
            "" if leaf.default is None else leaf.spell(leaf.default) or "none"
        )
    return f"{known.help} [{usual}]" if usual else known.help


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
    name, value = score_name(score.decided_by), spelt(score.standing, score.decided_by)
    say(f"step {score.step:>6}  loss {score.loss:.4f}  selection {name} {value}")
