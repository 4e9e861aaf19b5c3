"""Many cases in one test."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

import pytest

Test = Callable[..., None]


def each(names: str | tuple[str, ...], values: Iterable[Any]) -> Callable[[Test], Test]:
    """Runs a test with each of the values in turn, and names the case that fails.

    Stands for `pytest.mark.parametrize` where cases are many and share what fixtures give.
    """
    alone = isinstance(names, str)
    keys = (names,) if isinstance(names, str) else names
    cases = [dict(zip(keys, (value,) if alone else value, strict=True)) for value in values]

    def decorate(test: Test) -> Test:
        @wraps(test)
        def in_turn(**fixtures: Any) -> None:
            for case in cases:
                try:
                    test(**fixtures, **case)
                except (Exception, pytest.fail.Exception) as error:
                    told = ", ".join(f"{key} = {value}" for key, value in case.items())
                    raise AssertionError(f"where {told}: {error}") from error

        asked = inspect.signature(test)
        left = [p for name, p in asked.parameters.items() if name not in keys]
        in_turn.__signature__ = asked.replace(parameters=left)  # type: ignore[attr-defined]
        return in_turn

    return decorate
