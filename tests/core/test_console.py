"""Progress never touches the items."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from atrous.core.console import track


def test_items_pass_unchanged_and_one_at_a_time(capsys: pytest.CaptureFixture[str]) -> None:
    drawn: list[int] = []

    def items() -> Iterator[int]:
        for number in range(3):
            drawn.append(number)
            yield number

    for count, item in enumerate(track(items(), "counting", 3)):
        assert item == count
        assert drawn == list(range(count + 1))
    found = capsys.readouterr()
    assert found.out == ""
    assert found.err == "counting ...\n"


def test_a_wrong_total_does_no_harm() -> None:
    assert list(track([1, 2, 3], "counting", 1)) == [1, 2, 3]
    assert list(track([], "counting", 5)) == []


def test_an_error_of_the_items_comes_through() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(track(items(), "counting", 2))


def test_on_a_terminal_the_share_done_is_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    assert list(track(range(4), "counting", 4)) == [0, 1, 2, 3]
    found = capsys.readouterr().err
    assert "counting" in found
    assert "counting ..." not in found
    assert "100%" in found
