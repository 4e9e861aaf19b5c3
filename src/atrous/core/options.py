"""Fields of a configuration, each with all that is to be known of it, written once.

A configuration is a frozen dataclass. A field made by `option` is one thing that a user can say;
one made by `part` is another configuration. From them follow the options of a command and their
help, what is checked, how a file holds them (`atrous.core.records`), the command that asks for the
same again, whether the scores of two runs compare, and what a run that goes on refuses to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from types import MappingProxyType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from atrous.core.errors import AtrousError

T = TypeVar("T")
OPTION, PART = "option", "part"
MOST = 2**62
"""Whole numbers are smaller than this: twice as many still fit what generators and files take."""
GENERATION = 1e9
"""Seconds are fewer than this."""
UNITS = {"time": "a time such as 90s, 30m or 2h", "memory": "an amount such as 2GiB or 500MiB"}
"""Numbers with a unit, in words."""
LONGEST = 2**16
"""The most pixels of a side."""
NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class Option:
    """All that is known of a field.

    `flag` is its name on the command line, without dashes, and `name` that in Python, where another
    has the flag; `shown` stands for its value in a command's help; `derived` says in words what a
    value left out is. A number is at least `least`, above `above` and below `below`; a value is one
    of `choices`. Scores of runs that differ in a field that `compares` are not comparable; one that
    `extends` may be said when a run goes on. `unit` is that of seconds or bytes, written as a time
    or an amount. A `rare` one has no line of its own in a command's help. `negative` is
    the flag that takes back a switch which is on unless said otherwise (`no-FLAG`). Without one
    that is `needed`, a command does not begin.
    """

    help: str
    flag: str = ""
    name: str = ""
    shown: str = ""
    derived: str = ""
    least: float | None = None
    above: float | None = None
    below: float | None = None
    choices: tuple[Any, ...] = ()
    compares: bool = False
    extends: bool = False
    positional: bool = False
    rare: bool = False
    negative: str = ""
    unit: Literal["", "time", "memory"] = ""
    needed: bool = False


@dataclass(frozen=True)
class Nested:
    """How a configuration stands in another: `prefix` goes before its flags; it belongs to one
    `strategy` if that is named; `changed` are what its options differ in here, by field; fields
    `without` are not asked for."""

    prefix: str
    strategy: str
    without: tuple[str, ...]
    changed: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Leaf:
    """An option with its place: the names of the fields that lead to it."""

    path: tuple[str, ...]
    option: Option
    kind: Any
    default: Any
    strategy: str

    @property
    def flag(self) -> str:
        """The name on the command line, without dashes."""
        return self.option.flag

    @property
    def name(self) -> str:
        """The flag in Python's spelling, or another; it is unique in a configuration."""
        return self.option.name or self.flag.replace("-", "_")

    @property
    def is_size(self) -> bool:
        """Whether a value is (height, width) in pixels."""
        return bool(get_args(self.kind) == (int, int))

    @property
    def is_number(self) -> bool:
        """Whether a value is a number, or several."""
        return self.is_size or self.kind in (int, float) or self.kind == tuple[float, ...]

    @property
    def choices(self) -> tuple[Any, ...]:
        """All values there are, if they can be listed."""
        listed = get_args(self.kind) if get_origin(self.kind) is Literal else ()
        return self.option.choices or listed

    @property
    def negative(self) -> str:
        """The flag that takes back a switch, without dashes."""
        return self.option.negative or f"no-{self.flag}"

    def of(self, record: Any) -> Any:
        """Returns the value in a configuration; `None` if the part is left out."""
        for name in self.path:
            record = None if record is None else getattr(record, name)
        return record

    def fits(self, record: Any) -> bool:
        """Whether a configuration has the part that the option is of."""
        return replace(self, path=self.path[:-1]).of(record) is not None

    def spell(self, value: Any) -> str:
        """Returns a value as a user would type it."""
        if self.option.unit == "time":
            return f"{value:.10g}s"
        if self.option.unit == "memory":
            return f"{value / 2**30:.10g}GiB"
        if self.is_size:
            return "x".join(map(str, value))
        if isinstance(value, tuple):
            return ",".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
        return str(value)


def option(help: str, default: Any = MISSING, **known: Any) -> Any:
    """Declares a field that a user can say; see `Option` for what else is known of it."""
    return field(default=default, metadata={OPTION: Option(help, **known)})


def compared(help: str, default: Any = MISSING, **known: Any) -> Any:
    """Declares a field that decides whether the scores of two runs compare."""
    return option(help, default, compares=True, **known)


def part(
    kind: Any = MISSING,
    prefix: str = "",
    strategy: str = "",
    without: tuple[str, ...] = (),
    **changed: Mapping[str, Any],
) -> Any:
    """Declares a field that is a configuration itself, `kind` or `None` if it is left out."""
    stands = Nested(prefix, strategy, without, changed)
    if isinstance(kind, type):
        return field(default_factory=kind, metadata={PART: stands})
    return field(default=kind, metadata={PART: stands})


def leaves(kind: Any) -> tuple[Leaf, ...]:
    """Returns the options of a configuration and of its parts, in the order of the fields."""
    return _leaves(kind)


@cache
def _leaves(kind: Any) -> tuple[Leaf, ...]:
    found: list[Leaf] = []
    hints = get_type_hints(kind)
    for each in fields(kind):
        if not each.metadata.keys() & {OPTION, PART}:
            continue
        inner = _bare(hints[each.name])
        if OPTION in each.metadata:
            known: Option = each.metadata[OPTION]
            flag = known.flag or each.name.replace("_", "-")
            default = None if each.default is MISSING else each.default
            found.append(Leaf((each.name,), replace(known, flag=flag), inner, default, ""))
        elif PART in each.metadata:
            found += _leaves_of(each.name, inner, each.metadata[PART])
    return tuple(found)


def replaced(record: T, **values: Any) -> T:
    """Returns a configuration with other values, given by the names of its options, or
    other parts."""
    known = {leaf.name: leaf for leaf in leaves(type(record))}
    for name, value in values.items():
        path = known[name].path if name in known else (name,)
        record = _with(record, path, value)
    return record


def options_of(kind: Any) -> dict[str, Leaf]:
    """Returns the fields of a record that are options, not those of its parts, by name.

    A record whose class names another in `RANGES` shares the options of its fields.
    """
    own = {leaf.path[0]: leaf for leaf in leaves(kind) if len(leaf.path) == 1}
    shared = options_of(kind.RANGES) if hasattr(kind, "RANGES") else {}
    return {**{each.name: shared[each.name] for each in fields(kind) if each.name in shared}, **own}


def problems(record: Any, but: tuple[str, ...] = ()) -> list[str]:
    """Returns all values that are out of their range, a phrase each; options `but` some."""
    values = {leaf: leaf.of(record) for leaf in leaves(type(record)) if leaf.name not in but}
    return [told for leaf, value in values.items() if (told := problem(leaf, value))]


def require_in_range(record: Any, but: tuple[str, ...] = ()) -> None:
    """Raises `AtrousError` with all values that are out of their range; options `but` some."""
    if wrong := problems(record, but):
        raise AtrousError(*(f"{each}." for each in wrong))


def problem(leaf: Leaf, value: Any) -> str:
    """Returns a phrase on a value out of its range, or nothing."""
    told = "" if value is None else expected(leaf, value)
    verb = "are" if "numbers" in told else "is"
    return f"--{leaf.flag} {verb} {told}, got {_shown(leaf, value)}" if told else ""


def differences(here: Any, there: Any) -> list[str]:
    """Returns what keeps two records from being compared, a phrase each."""
    pairs = (
        (leaf.flag, leaf.of(here), leaf.of(there))
        for leaf in leaves(type(here))
        if leaf.option.compares
    )
    return [
        f"{flag} ({mine} here, {theirs} there)" for flag, mine, theirs in pairs if mine != theirs
    ]


def arguments(record: Any, but: tuple[str, ...] = ()) -> list[tuple[str, str | None]]:
    """Returns the flags that ask for a configuration, with a value each but for a switch."""
    found: list[tuple[str, str | None]] = []
    for leaf in leaves(type(record)):
        value = leaf.of(record)
        if value is None or leaf.name in but or leaf.option.positional:
            continue
        if leaf.kind is not bool:
            found.append((f"--{leaf.flag}", leaf.spell(value)))
        elif value != bool(leaf.default):
            found.append((f"--{leaf.flag if value else leaf.negative}", None))
    return found


def _leaves_of(name: str, kind: type, stands: Nested) -> list[Leaf]:
    """Returns the options of a part, as they are where it stands."""
    return [
        replace(
            leaf,
            path=(name, *leaf.path),
            option=_changed(leaf.option, stands, stands.changed.get(leaf.path[-1], NOTHING)),
            default=stands.changed.get(leaf.path[-1], NOTHING).get("default", leaf.default),
            strategy=stands.strategy or leaf.strategy,
        )
        for leaf in leaves(kind)
        if not set(leaf.path) & set(stands.without)
    ]


def _changed(known: Option, stands: Nested, changes: Mapping[str, Any]) -> Option:
    told = {name: value for name, value in changes.items() if name != "default"}
    found = replace(known, **told)
    return replace(found, flag=f"{stands.prefix}{found.flag}")


def kind_of(record: Any, name: str) -> Any:
    """Returns the type of a field of a configuration, without the `None` beside it."""
    return _bare(get_type_hints(record)[name])


def _bare(hint: Any) -> Any:
    """Returns the type without the `None` beside it."""
    if get_origin(hint) in (Union, UnionType):
        (only,) = (kind for kind in get_args(hint) if kind is not type(None))
        return only
    return hint


def _with(record: Any, path: tuple[str, ...], value: Any) -> Any:
    name, *rest = path
    return replace(
        record, **{name: _with(getattr(record, name), tuple(rest), value) if rest else value}
    )


def expected(leaf: Leaf, value: Any) -> str:
    """Returns what is expected of a value of the option's type that is not so, or nothing."""
    known = leaf.option
    if leaf.choices and value not in leaf.choices:
        numbers = all(isinstance(choice, int) for choice in leaf.choices)
        return _either(leaf.choices) if numbers else f"one of {', '.join(leaf.choices)}"
    values = value if isinstance(value, tuple) else (value,)
    if not leaf.is_number or (values and all(_is_within(leaf, each) for each in values)):
        return ""
    if known.unit:
        return UNITS[known.unit]
    if leaf.is_size:
        return f"a size with sides from 1 to {LONGEST} pixels"
    if known.above == 0:
        most = f" below {known.below:g}" if known.below is not None else ""
        return ("positive numbers" if isinstance(value, tuple) else "a positive number") + most
    if any(isinstance(each, int) and each >= MOST for each in values):
        return "below 2^62"
    words = [f"at least {known.least:g}"] if known.least is not None else []
    low = known.least is not None and any(each < known.least for each in values)
    if known.below is not None and not (low and known.below > 1):
        words += [f"below {known.below:.10g}"]
    return " and ".join(words) or ("numbers" if isinstance(value, tuple) else "a finite number")


def _is_within(leaf: Leaf, value: float) -> bool:
    known = leaf.option
    finite = value - value == 0
    return (
        finite
        and (not isinstance(value, int) or abs(value) < MOST)
        and (not leaf.is_size or 0 < value <= LONGEST)
        and (not known.unit or value > 0)
        and (known.unit != "time" or value < GENERATION)
        and (known.least is None or value >= known.least)
        and (known.above is None or value > known.above)
        and (known.below is None or value < known.below)
    )


def _shown(leaf: Leaf, value: Any) -> str:
    if leaf.option.unit or isinstance(value, tuple):
        return leaf.spell(value) or "none"
    return repr(value) if isinstance(value, str) else str(value)


def _either(choices: tuple[Any, ...]) -> str:
    *rest, last = map(str, choices)
    return f"{', '.join(rest)} or {last}"
