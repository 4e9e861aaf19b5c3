"""How pages are read, and that the names in them are those of things that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import FENCED, PAGES, ROOT, Command, blocks, commands, inline, lines
from tests.docs.parsing import all_options, parse

NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
PAGE = """
Ask with `atrous search` or `atrous scenes
DATA`, see `atrous.load` and [the rest](rest.md).

```
make demo
atrous search DATA --trials 60 \\
    --out RUN                # don't wait
atrous search CAMVID ... --strategy random
torchrun --nproc-per-node 2 -m atrous train RUN --out BEST
```

```python
atrous = 1
```
"""


def test_commands_are_found_in_blocks_and_sentences() -> None:
    assert commands(PAGE) == [
        Command(("search", "DATA", "--trials", "60", "--out", "RUN")),
        Command(("search", "CAMVID", "--strategy", "random"), is_whole=False),
        Command(("train", "RUN", "--out", "BEST"), ("torchrun", "--nproc-per-node", "2", "-m")),
        Command(("search",), is_mention=True),
        Command(("scenes", "DATA"), is_mention=True),
    ]
    assert blocks(PAGE, "python") == ["atrous = 1\n"]


def test_a_command_that_a_block_has_is_no_mention() -> None:
    assert commands("`atrous spaces`\n\n```\natrous spaces\n```\n") == [Command(("spaces",))]


@pytest.mark.parametrize(
    "line",
    [
        "atrous seek DATA",
        "atrous recipe cook",
        "atrous search DATA --trails 3",
        "atrous search DATA --trials many",
        "atrous search DATA RUN",
        "atrous predict BEST/model photo.jpg",
        "atrous train ... --no-flap",
        "torchrun --processes 4 -m atrous train RUN",
    ],
)
def test_what_does_not_exist_is_noticed(line: str) -> None:
    (command,) = commands(f"```\n{line}\n```\n")
    with pytest.raises((Exception, SystemExit)):
        parse(command)


@pytest.mark.parametrize(
    "line", ["atrous search DATA --trials 3", "atrous train ... --no-flip", "atrous recipe list"]
)
def test_what_exists_is_accepted(line: str) -> None:
    (command,) = commands(f"```\n{line}\n```\n")
    parse(command)


@pytest.mark.parametrize("page", NAMES)
def test_options_in_sentences_exist(page: str) -> None:
    """Those of the program or of its benchmarks; what follows a command is parsed with it."""
    text = (ROOT / page).read_text()
    named = {code.split()[0] for code in inline(text) if code.startswith("--")}
    measuring = "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py"))
    assert {n for n in named - all_options() if f'"{n}"' not in measuring} == set()


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_to_files(page: str) -> None:
    text = FENCED.sub("", (ROOT / page).read_text())
    targets = [link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link]
    missing = [link for link in targets if not (ROOT / page).parent.joinpath(link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", NAMES)
def test_files_of_the_repository_exist(page: str) -> None:
    folders = re.compile(r"(src|tests|docs|benchmarks)/\S+")
    named = [code for code in inline((ROOT / page).read_text()) if folders.fullmatch(code)]
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", NAMES)
def test_make_targets_and_benchmarks_exist(page: str) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for line in lines((ROOT / page).read_text()):
        made = re.match(r"make (\w+)", line)
        assert not made or made[1] in targets, line
        measured = re.match(r"python -m benchmarks\.(\w+)", line)
        assert not measured or (ROOT / f"benchmarks/{measured[1]}.py").exists(), line


@pytest.mark.parametrize("page", NAMES)
def test_extras_exist(page: str) -> None:
    project = (ROOT / "pyproject.toml").read_text()
    for extras in re.findall(r"pip install [^`]*\[([\w,]+)\]", (ROOT / page).read_text()):
        missing = [e for e in extras.split(",") if not re.search(rf"^{e} = \[", project, re.M)]
        assert missing == []


def test_the_design_names_every_room_and_only_files_that_exist() -> None:
    source = ROOT / "src" / "atrous"
    tree = next(block for block in blocks((ROOT / "docs/design.md").read_text()) if "src/" in block)
    files = set(re.findall(r"\b\w+\.(?:py|html|json)\b", tree))
    there = {path.name for path in source.rglob("*.*")} | {"pyproject.toml"}
    assert files - there == set()
    rooms = {path.name for path in source.iterdir() if _is_room(path)}
    assert {room for room in rooms if not re.search(rf"\b{re.escape(room)}", tree)} == set()


def _is_room(path: Path) -> bool:
    if path.is_dir():
        return (path / "__init__.py").exists()
    return path.suffix == ".py" and not path.name.startswith("__")
