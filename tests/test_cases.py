from __future__ import annotations

import pytest

from tests.cases import each


@pytest.fixture
def seen() -> list[tuple[int, str]]:
    return []


@each("one", [1, 2])
@each(("two", "three"), [("a", 3), ("b", 4)])
def product(seen: list[tuple[int, str]], one: int, two: str, three: int) -> None:
    assert (two == "a") == (three == 3)
    assert one < 2 or two == "a"
    seen.append((one, two))


def test_every_case_runs_and_the_failing_one_is_named(seen: list[tuple[int, str]]) -> None:
    with pytest.raises(AssertionError, match="where one = 2: where two = b, three = 4"):
        product(seen=seen)
    assert seen == [(1, "a"), (1, "b"), (2, "a")]


@each("one", [3])
def test_fixtures_come_from_pytest(seen: list[tuple[int, str]], one: int) -> None:
    assert (seen, one) == ([], 3)
