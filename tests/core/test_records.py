"""The codec of records."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from atrous.core.architecture import Architecture, ArchitectureText
from atrous.core.errors import AtrousError
from atrous.core.records import (
    RecordError,
    from_json,
    read,
    read_lines,
    read_plain,
    to_json,
    write,
    write_lines,
    write_plain,
)


@dataclass(frozen=True)
class Part:
    size: tuple[int, int]
    name: str = "part"


@dataclass(frozen=True)
class Whole:
    parts: tuple[Part, ...]
    rate: float
    limit: float | None
    notes: dict[str, float]


WHOLE = Whole((Part((1, 2)), Part((3, 4), "last")), 0.1, None, {"a": 1.5})


def reading(path: Path) -> Whole:
    return read(path, Whole, 3, "a whole", "There is no whole.", "Begin anew.")


def test_a_record_survives_a_file(tmp_path: Path) -> None:
    write(tmp_path / "whole.json", WHOLE, 3, "a whole")
    assert reading(tmp_path / "whole.json") == WHOLE


def test_json_types_only() -> None:
    assert json.loads(json.dumps(to_json(WHOLE))) == to_json(WHOLE)


def test_all_errors_of_a_content_are_told_at_once() -> None:
    content = {"parts": [{"size": [1], "name": 3}], "rate": "fast", "limit": None, "extra": 1}
    with pytest.raises(RecordError) as caught:
        from_json(Whole, content)
    told = str(caught.value)
    for field in ("parts[0].size", "parts[0].name", "rate", "notes", "extra"):
        assert field in told


@pytest.mark.parametrize("wrong", [1.5, "3", True, None, 1e30])
def test_a_number_of_another_kind_is_refused(wrong: object) -> None:
    with pytest.raises(RecordError, match="size"):
        from_json(Part, {"size": [1, wrong], "name": "a"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "Expecting value"),
        ("[]", "list"),
        ("{}", "format None"),
        ('{"format": 2}', "format 2"),
        ('{"format": 3}', "parts"),
        ("[" * 100_000, "a whole"),
    ],
)
def test_a_damaged_file_is_named_with_the_mend(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "whole.json"
    path.write_text(text)
    with pytest.raises(AtrousError, match=r"Begin anew\.") as caught:
        reading(path)
    assert told in str(caught.value)
    assert str(path) in str(caught.value)


def test_an_absent_file_is_told_in_the_words_given(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match=r"^There is no whole\.$"):
        reading(tmp_path / "whole.json")


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(AtrousError, match="Expected to write a whole"):
        write(tmp_path / "absent" / "whole.json", WHOLE, 3, "a whole")


@dataclass(frozen=True)
class Found:
    architecture: ArchitectureText


def test_a_digit_that_changed_is_told_and_a_change_on_purpose_is_read(tmp_path: Path) -> None:
    path = tmp_path / "whole.json"
    write(path, WHOLE, 3, "a whole")
    path.write_text(path.read_text().replace("1.5", "1.6"))
    with pytest.raises(AtrousError, match=r"its seal says .*delete 'seal'.*Begin anew\."):
        reading(path)
    content = json.loads(path.read_text())
    del content["seal"]
    path.write_text(json.dumps(content))
    assert reading(path).notes == {"a": 1.6}


def test_several_records_and_lines_are_sealed_each_by_itself(tmp_path: Path) -> None:
    path, parts = tmp_path / "parts", (Part((1, 2), "\udcff"), Part((3, 4)))
    write_plain(path, parts, "parts")
    assert read_plain(path, tuple[Part, ...], "parts", "", "") == parts
    path.write_text(path.read_text().replace("part", "past"))
    with pytest.raises(AtrousError, match="its seal says"):
        read_plain(path, tuple[Part, ...], "parts", "", "")
    write_lines(path, parts, "parts")
    assert read_lines(path, Part, "a part", "") == list(parts)
    path.write_text(path.read_text().replace("part", "past"))
    with pytest.raises(AtrousError, match=r"in line 2 of parts .*its seal says"):
        read_lines(path, Part, "a part", "")


def test_settings_that_people_edit_have_no_seal(tmp_path: Path) -> None:
    write(tmp_path / "whole.json", WHOLE, 3, "a whole", sealed=False)
    assert "seal" not in (tmp_path / "whole.json").read_text()
    assert reading(tmp_path / "whole.json") == WHOLE


def test_an_architecture_is_spelled_in_its_short_form() -> None:
    found = Found(Architecture("dpc-2", (0, 17)))
    assert to_json(found) == {"architecture": "dpc-2:0.17"}
    assert from_json(Found, to_json(found)) == found
    texts = ("dpc:aspp", "dpc", "dpc:", "dpc:1.", ":1", "dpc:-1", "a.json")
    for wrong in (*texts, 7, None, ["dpc:1"]):
        with pytest.raises(RecordError, match=r"architecture: .*such as space:0\.17"):
            from_json(Found, {"architecture": wrong})
