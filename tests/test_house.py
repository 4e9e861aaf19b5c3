"""The rules of the house, checked over every source file."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path

from atrous.spaces import FAMILIES
from atrous.strategies import STRATEGIES

SOURCE = Path(__file__).parents[1] / "src" / "atrous"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text()) for path in FILES}
RIDDLES = ("What ", "That of", "Those of")
MAY_NAME_FAMILIES = ("spaces/__init__.py", "recipes/")
MOST_FILES, A_FAMILY, A_STRATEGY, BENCH = 200, 4, 1, 7
"""Of the house with its first two families and strategies, for each that came after, and for the
benchmark: a command, scores without training, and a room of its table, truths and replays."""


def documented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """The docstrings of a file, those under assignments too, with their lines."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        for statement in body if isinstance(body, list) else ():
            if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
                text = statement.value.value
                if isinstance(text, str):
                    yield statement.lineno, text


def test_docstrings_begin_with_a_verb_or_name_the_value() -> None:
    found = [
        f"{name}:{line}: {text.splitlines()[0]}"
        for name, tree in TREES.items()
        for line, text in documented(tree)
        if text.startswith(RIDDLES)
    ]
    assert not found, "\n".join(found)


def test_only_its_own_folder_names_a_family() -> None:
    found = []
    for name, tree in TREES.items():
        docs = {text for _, text in documented(tree)}
        texts = [
            (node.lineno, text)
            for node in ast.walk(tree)
            if isinstance(text := getattr(node, "value", getattr(node, "module", None)), str)
            and isinstance(node, (ast.Constant, ast.ImportFrom))
            and (text not in docs or isinstance(node, ast.ImportFrom))
        ]
        for family in FAMILIES:
            if not name.startswith((f"spaces/{family}/", *MAY_NAME_FAMILIES)):
                found += [f"{name}:{line}: {text}" for line, text in texts if family in text]
    assert not found, "\n".join(found)


def test_no_name_stands_for_two_things() -> None:
    defined = defaultdict(set)
    for name, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                defined[node.name].add(name)
    found = {name: places for name, places in defined.items() if len(places) > 1}
    assert not found, "\n".join(f"{name}: {', '.join(sorted(at))}" for name, at in found.items())


def test_few_files_and_no_loose_module() -> None:
    families, strategies = len(FAMILIES) - 2, len(STRATEGIES) - 2
    most = MOST_FILES + BENCH + A_FAMILY * families + A_STRATEGY * strategies
    assert len(FILES) < most
    assert {path.name for path in SOURCE.glob("*.py")} == {"__init__.py", "__main__.py"}


def registries() -> Iterator[str]:
    """The mappings of modules from names to functions, classes or records."""
    for name, tree in TREES.items():
        targets = (
            node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            for node in tree.body
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Dict)
        )
        module = f"atrous.{name.removesuffix('.py').replace('/', '.').removesuffix('.__init__')}"
        for target in targets:
            assert isinstance(target, ast.Name)
            members = getattr(import_module(module), target.id)
            named = all(isinstance(key, str) for key in members)
            if members and named and all(is_dataclass(m) or callable(m) for m in members.values()):
                yield target.id


def test_contracts_run_over_every_member_of_every_registry() -> None:
    contracts = "".join(path.read_text() for path in Path(__file__).parent.glob("contract/*.py"))
    found = {*registries()}
    assert len(found) >= 12
    assert not [name for name in found if not re.search(rf"\b{name}\b", contracts)]
