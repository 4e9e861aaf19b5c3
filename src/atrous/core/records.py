"""Records as JSON: one codec for every file this program keeps.

A record is a frozen dataclass of plain types, of tuples, mappings and other records. Its fields are
its format: nothing else says how it is written or read. Reading is strict: an unknown field, a
missing one that has no default, a number that is a text, a tuple of another length is an error, and
so is a value out of its range: that of the option that the field is on the command line, or of its
type here. All errors of a file are told at once, each with the field it is in.

A record that a program made and nobody edits carries a seal: a digest of its other fields, so that
no digit of a figure changes unseen. A file without one, of an older version or edited on purpose,
is read; so are settings, which people edit and which have none.

File names are bytes. What is no character in them is a lone surrogate in Python's texts, and an
escape in a file; a private character carries it through the check of types.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from atrous.core.errors import AtrousError
from atrous.core.files import write_whole, writing
from atrous.core.options import Leaf, expected, options_of

T = TypeVar("T")
FORMAT = "format"
"""The field of a file that holds the number of its format, beside the fields of its record."""
SEAL = "seal"
"""The field of a record that holds the digest of all others."""
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=True, arbitrary_types_allowed=False)
LOOSE = ConfigDict(strict=True, extra="ignore", allow_inf_nan=True, arbitrary_types_allowed=False)
MOST = 2**53
"""Whole numbers are at most so large: JSON's readers agree on those."""

Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Threads = Annotated[int, Field(ge=1, le=1024)]
"""Of a CPU: torch takes no number that 32 bits do not hold, and systems give no process more."""
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0, le=1e12)]
"""Of seconds, milliseconds and the like."""
Finite = Annotated[float, Field(allow_inf_nan=False)]
Device = Annotated[str, Field(pattern=r"^(cpu|cuda(:[0-9]{1,4})?)$")]


TOO_DEEP = "it is nested too deep"
MEND = "Make room on the disk, or name a folder that can be written."

CARRIED = {0xDC00 + byte: 0x10DC00 + byte for byte in range(0x80, 0x100)}
RESTORED = {carrier: byte for byte, carrier in CARRIED.items()}


class RecordError(ValueError):
    """All that keeps a content from being a record, one phrase an error, with its field."""


def to_json(record: Any) -> Any:
    """Returns a record in JSON's types; numbers that JSON does not know become null."""
    (content,) = _adapter(type(record), STRICT).dump_python((record,), mode="json")
    return content


def parse(text: str | bytes) -> Any:
    """Returns the JSON's types that a text spells; raises `RecordError`."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise RecordError(TOO_DEEP) from error
    except ValueError as error:
        raise RecordError(str(error)) from error


def from_json(kind: type[T], content: Any, some: bool = False) -> T:
    """Returns the record of a type that JSON's types spell; raises `RecordError`.

    With `some`, the record has some of the fields of a content, whose others are left alone.
    """
    try:
        told = [*_out_of_range(kind, content, ""), *_too_large(content, "")]
        text = json.dumps(content, ensure_ascii=False)
        record = _validated(kind, text, LOOSE if some else STRICT, told)
    except RecursionError as error:
        raise RecordError(TOO_DEEP) from error
    if record is None or told:
        raise RecordError("; ".join(dict.fromkeys(told)))
    return record


def from_text(kind: type[T], text: str | bytes) -> T:
    """Returns the record, or the records, that a JSON text spells; raises `RecordError`, also where
    one is not what was sealed."""
    return _unchanged(kind, parse(text))


def seal_of(content: Any) -> str:
    """Returns a digest of JSON's types, whatever the order of names."""
    text = json.dumps(json.loads(json.dumps(content)), sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def spelt(record: Any, number: int | None = None, sealed: bool = True) -> str:
    """Returns a record, or several, as files hold it, with the number of its format if there is,
    and each `sealed` unless people edit it."""
    content = to_json(record) if number is None else {FORMAT: number, **to_json(record)}
    content = _sealed(content) if sealed else content
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def write(
    path: Path, record: Any, number: int, what: str, mend: str = MEND, sealed: bool = True
) -> None:
    """Writes a record with the number of its format so that no reader sees half of it; settings,
    which people edit, are not `sealed`.

    Raises `AtrousError`, which calls the content `what` and says `mend`, if it cannot be written.
    """
    _write(path, spelt(record, number, sealed), what, mend)


def write_plain(path: Path, record: Any, what: str, mend: str = MEND) -> None:
    """Writes a record, or several, without the number of a format; raises as `write` does."""
    _write(path, spelt(record), what, mend)


def write_lines(path: Path, records: Iterable[Any], what: str, mend: str = MEND) -> None:
    """Writes records as JSON, one a line; raises as `write` does."""
    lines = (json.dumps(_sealed(to_json(record))) for record in records)
    _write(path, "".join(f"{line}\n" for line in lines), what, mend)


def read(
    path: Path, kind: type[T], number: int, what: str, absent: str, mend: str, some: bool = False
) -> T:
    """Reads a record that `write` wrote, or `some` of its fields.

    Raises `AtrousError`: in the words of `absent` where there is no file; with all errors of the
    file, and `mend`, where it is damaged or of another format. `what` names the content.
    """
    with _reading(path, what, absent, mend):
        content = parse(path.read_bytes())
        if not isinstance(content, dict):
            raise RecordError(f"it holds {type(content).__name__}, not an object")
        found = content.get(FORMAT)
        if type(found) is not int or found != number:
            raise AtrousError(
                f"{path} was written by another version of Atrous: {what} has format {found!s:.40} "
                f"there, and this version reads format {number}. {mend}"
            )
        return _unchanged(kind, content, some, {FORMAT, SEAL})


def read_plain(
    path: Path, kind: type[T], what: str, absent: str, mend: str, some: bool = False
) -> T:
    """Reads a record of a file without a format, or `some` fields of one; raises as `read` does."""
    with _reading(path, what, absent, mend):
        return _unchanged(kind, parse(path.read_bytes()), some)


def read_lines(path: Path, kind: type[T], what: str, mend: str) -> list[T]:
    """Reads the records that `write_lines` wrote, none if there is no file.

    Raises `AtrousError`, which names the line and the errors in it.
    """
    try:
        texts = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise AtrousError(f"Expected to read {path}, but {error}. Make it readable.") from error
    found = []
    for number, text in enumerate(texts, 1):
        with _reading(path, f"{what} in line {number} of {path.name}", "", mend):
            found.append(from_text(kind, text))
    return found


def _write(path: Path, text: str, what: str, mend: str = MEND) -> None:
    with writing(f"{what} to {path}", mend):
        write_whole(path, text)


def _sealed(content: Any) -> Any:
    if isinstance(content, list):
        return [_sealed(each) for each in content]
    return {**content, SEAL: seal_of(content)}


def _unchanged(
    kind: type[T], content: Any, some: bool = False, beside: Set[str] = frozenset({SEAL})
) -> T:
    """Returns the record, or the records, of a content with seals and other fields `beside` its
    own; raises `RecordError`, of a wrong seal only where nothing else is wrong."""
    record = from_json(kind, _without(content, beside), some)
    for each in content if isinstance(content, list) else [content]:
        if isinstance(each, dict) and SEAL in each and each[SEAL] != seal_of(_without(each)):
            raise RecordError(
                "its seal says that it has changed since it was written (if you changed it on "
                f"purpose, delete {SEAL!r} from it)"
            )
    return record


def _without(content: Any, names: Set[str] = frozenset({SEAL})) -> Any:
    """Returns an object, or each of several, without some of its fields."""
    if isinstance(content, list):
        return [_without(each, names) for each in content]
    if isinstance(content, dict):
        return {name: value for name, value in content.items() if name not in names}
    return content


@contextmanager
def _reading(path: Path, what: str, absent: str, mend: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise AtrousError(absent) from error
    except AtrousError:
        raise
    except (OSError, ValueError) as error:
        raise AtrousError(f"Expected {what} in {path}, but: {error}. {mend}") from error


def _validated(kind: type[T], text: str, config: ConfigDict, told: list[str]) -> T | None:
    """Returns the record, or adds to `told` what keeps it from being one."""
    carried = text.translate(CARRIED)
    try:
        # JSON has no tuples, which strict reading takes from a text only, not from Python's lists.
        (record,) = _adapter(kind, config).validate_json(f"[{carried}]")
        return cast(T, record if carried == text else _restored(record))
    except ValidationError as error:
        told[:0] = map(_phrase, error.errors())
    except (AtrousError, ArithmeticError) as error:  # a record that checks itself
        told.append(str(error))
    return None


def _restored(value: Any) -> Any:
    """Returns a value with the bytes of file names in the place of what carried them."""
    if isinstance(value, str):
        return value.translate(RESTORED)
    if isinstance(value, tuple):
        return tuple(map(_restored, value))
    if isinstance(value, dict):
        return {_restored(key): _restored(each) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        held = {each.name: _restored(getattr(value, each.name)) for each in fields(value)}
        return replace(value, **held)
    return value


def _adapter(kind: Any, config: ConfigDict) -> TypeAdapter[Any]:
    return _cached_adapter(kind, config is STRICT)


@cache
def _cached_adapter(kind: Any, strict: bool) -> TypeAdapter[Any]:
    # Strictness reaches a plain dataclass only from a type around it.
    around: Any = tuple.__class_getitem__((kind,))
    return TypeAdapter(around, config=STRICT if strict else LOOSE)


def _out_of_range(kind: Any, content: Any, where: str) -> Iterator[str]:
    """Finds the values of options that are out of their range, whatever else is wrong."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        yield from _out_of_range(inner[0], content, where)
    elif origin in (Union, UnionType):
        for each in inner:
            yield from _out_of_range(each, content, where)
    elif origin is tuple and isinstance(content, list):
        kinds = inner[:1] * len(content) if inner[1:] == (...,) else inner
        for number, (each, value) in enumerate(zip(kinds, content, strict=False)):
            yield from _out_of_range(each, value, f"{where}[{number}]")
    elif origin is dict and isinstance(content, dict):
        for name, value in content.items():
            yield from _out_of_range(inner[1], value, f"{where}.{name}")
    elif isinstance(kind, type) and is_dataclass(kind) and isinstance(content, dict):
        for name, hint, known in _known(kind):
            if name not in content or content[name] is None:
                continue
            place, value = f"{where}.{name}".removeprefix("."), content[name]
            if known and (told := _expected(known, value)):
                yield f"{place}: Input should be {told}, got {value!r:.60}"
            yield from _out_of_range(hint, value, place)


def _expected(leaf: Leaf, value: Any) -> str:
    """Returns what the option's range asks of a value that is of its type but not within."""
    values = value if isinstance(value, list) else [value]
    kinds = (int, float) if leaf.is_number else (int, str)
    if isinstance(value, list) and not leaf.is_number:
        return ""
    if value is None or not all(
        isinstance(each, kinds) and not isinstance(each, bool) for each in values
    ):
        return ""
    return expected(leaf, tuple(value) if isinstance(value, list) else value)


@cache
def _known(kind: Any) -> tuple[tuple[str, Any, Leaf | None], ...]:
    hints, options = get_type_hints(kind, include_extras=True), options_of(kind)
    return tuple((each.name, hints[each.name], options.get(each.name)) for each in fields(kind))


def _too_large(content: Any, where: str) -> Iterator[str]:
    """Finds whole numbers that no file holds."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _too_large(value, f"{where}.{name}".removeprefix("."))
    elif isinstance(content, list):
        for place, value in enumerate(content):
            yield from _too_large(value, f"{where}[{place}]")
    elif isinstance(content, int) and abs(content) >= 2**63:
        yield f"{where or 'the content'}: Input should be below 2^63, got {content!s:.40}"


def _phrase(error: Any) -> str:
    """Returns where an error is, in the notation of Python, and what it is."""
    where = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in error["loc"][1:])
    message = error["msg"].removeprefix("Value error, ")
    return f"{where.removeprefix('.') or 'the content'}: {message}, got {error['input']!r:.60}"
