"""Records as JSON: one codec for every file this program keeps.

A record is a frozen dataclass of plain types, of tuples, mappings and other records. Its fields are
its format: nothing else says how it is written or read. Reading is strict: an unknown field, a
missing one that has no default, a number that is a text, a tuple of another length is an error, and
all errors of a file are told at once, each with the field it is in.

File names are bytes. What is no character in them is a lone surrogate in Python's texts, and an
escape in a file; a private character carries it through the check of types.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from atrous.core.errors import AtrousError
from atrous.core.files import write_whole

T = TypeVar("T")
FORMAT = "format"
"""The field of a file that holds the number of its format, beside the fields of its record."""
STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=True, arbitrary_types_allowed=False)

CARRIED = {0xDC00 + byte: 0x10DC00 + byte for byte in range(0x80, 0x100)}
RESTORED = {carrier: byte for byte, carrier in CARRIED.items()}


class RecordError(ValueError):
    """All that keeps a content from being a record, one phrase an error, with its field."""


def to_json(record: Any) -> Any:
    """Returns a record in JSON's types; numbers that JSON does not know become null."""
    (content,) = _adapter(type(record)).dump_python((record,), mode="json")
    return content


def from_json(kind: type[T], content: Any) -> T:
    """Returns the record of a type that JSON's types spell; raises `RecordError`."""
    text = json.dumps(content, ensure_ascii=False)
    carried = text.translate(CARRIED)
    record = _record(kind, carried)
    return record if carried == text else _restored(record)


def from_text(kind: type[T], text: str) -> T:
    """Returns the record of a type that a JSON text spells; raises `RecordError`."""
    return from_json(kind, json.loads(text)) if "\\ud" in text.lower() else _record(kind, text)


def _record(kind: type[T], text: str) -> T:
    try:
        # JSON has no tuples, which strict reading takes from a text only, not from Python's lists.
        record: T = _adapter(kind).validate_json(f"[{text}]")[0]
    except ValidationError as error:
        raise RecordError("; ".join(_phrase(each) for each in error.errors())) from error
    except AtrousError as error:  # a record that checks itself
        raise RecordError(str(error)) from error
    return record


def write(path: Path, record: Any, number: int, what: str) -> None:
    """Writes a record with the number of its format so that no reader sees half of it.

    Raises `AtrousError`, which calls the content `what`, if it cannot be written.
    """
    content = {FORMAT: number, **to_json(record)}
    try:
        write_whole(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise AtrousError(
            f"Expected to write {what} to {path}, but {error}. Make room on the disk, or name a "
            "folder that can be written."
        ) from error


def read(path: Path, kind: type[T], number: int, what: str, absent: str, mend: str) -> T:
    """Reads a record that `write` wrote.

    Raises `AtrousError`: in the words of `absent` where there is no file; with all errors of the
    file, and `mend`, where it is damaged or of another format. `what` names the content.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise RecordError(f"it holds {type(content).__name__}, not an object")
        found = content.pop(FORMAT, None)
        if found != number:
            raise AtrousError(
                f"{path} was written by another version of Atrous: {what} has format {found} "
                f"there, and this version reads format {number}. {mend}"
            )
        return from_json(kind, content)
    except FileNotFoundError as error:
        raise AtrousError(absent) from error
    except (OSError, ValueError, RecursionError) as error:
        raise AtrousError(f"Expected {what} in {path}, but: {error}. {mend}") from error


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


def _adapter(kind: Any) -> TypeAdapter[Any]:
    return _cached_adapter(kind)


@cache
def _cached_adapter(kind: Any) -> TypeAdapter[Any]:
    # Strictness reaches a plain dataclass only from a type around it.
    around: Any = tuple.__class_getitem__((kind,))
    return TypeAdapter(around, config=STRICT)


def _phrase(error: Any) -> str:
    """Returns where an error is, in the notation of Python, and what it is."""
    where = "".join(f"[{at}]" if isinstance(at, int) else f".{at}" for at in error["loc"][1:])
    return f"{where.removeprefix('.') or 'the content'}: {error['msg']}, got {error['input']!r:.60}"
