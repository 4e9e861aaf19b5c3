"""The Python in the documentation, run from top to bottom of each page."""

from __future__ import annotations

import inspect
import re
import sys
from html import unescape
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

import atrous
from atrous.execution import EXECUTORS, find_executor
from atrous.search.promotion import ladder
from atrous.spaces import FAMILIES
from atrous.spaces.family import Family
from atrous.strategies.strategy import AnyStrategy, Stateless
from tests.contract import test_promotions, test_spaces, test_strategies, test_tasks
from tests.docs.pages import EXTENDING, PAGES, PYTHON, QUICKSTART, README, blocks, execute
from tests.docs.sandbox import SMALL, Sandbox


def test_all_python_is_run_here() -> None:
    told = {page for page in PAGES if blocks(page.read_text(), "python")}
    assert told == {README, QUICKSTART, EXTENDING, PYTHON}


@pytest.mark.slow
def test_the_page_on_python_runs(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call with what makes the command of its name small."""
    for name in ("run", "search", "train", "evaluate"):
        monkeypatch.setattr(atrous, name, _small(name))
    for needed in ("DATA", "photo.jpg"):
        box.need(needed)
    page = execute(PYTHON)
    with Image.open("ids.png") as ids:
        assert np.array_equal(np.asarray(ids), page.seen.ids)
    assert page.seen.overlay.size == page.seen.ids.shape[::-1]
    assert page.report.errors == 0
    assert str(page.search.trials[0]["architecture"])
    assert page.scores.images == len(list(Path("DATA/images/test").iterdir()))
    assert "Trial" in repr(page.run) or "no time to search" in repr(page.run)
    text = page.run.report().read_text()
    assert "<pre>atrous run DATA --budget 2h --" in text
    (page.run.path / "photo.jpg").write_bytes(Path("photo.jpg").read_bytes())
    monkeypatch.chdir(page.run.path)
    snippets = re.findall(r'<pre class="lines">(.*?)</pre>', text, re.DOTALL)
    assert len(snippets) == 2
    for snippet in snippets:
        exec(unescape(snippet), {})
    assert Path("seen.jpg").is_file()


def _small(name: str) -> Any:
    """The function of a name with what makes the command of that name small."""
    words = SMALL.get(name, ())
    small = {f[2:].replace("-", "_"): v for f, v in zip(words[::2], words[1::2], strict=True)}
    whole = getattr(atrous, name)
    return lambda *given, **options: whole(*given, **{**options, **small})


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """What the page on extensions defines, where pickle finds it."""
    module = execute(EXTENDING)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module


@pytest.mark.parametrize("name", ["stack", "joined"])
def test_the_spaces_keep_what_every_space_keeps(
    name: str, extension: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    family: Family = getattr(extension, name.upper())
    space = family.make()
    assert space.size() == {"stack": 3**4, "joined": 3}[name]
    monkeypatch.setitem(FAMILIES, name, family)
    known = {"space": space, "tmp_path": tmp_path, "output_stride": 16}
    assert keep(test_spaces, known) >= 8


def test_the_strategy_keeps_what_every_strategy_keeps(extension: ModuleType) -> None:
    strategies: list[AnyStrategy] = [Stateless(extension.uniform), extension.Preferring()]
    for strategy in strategies:
        for space in (FAMILIES["dpc"].make(), extension.stack()):
            assert keep(test_strategies, {"strategy": strategy, "space": space}) >= 4


def test_the_promotion_keeps_what_every_promotion_keeps(
    extension: ModuleType, tmp_path: Path
) -> None:
    promotion = extension.BetterHalf(ladder(test_promotions.STEPS, 2, 4), 4)
    known = {"promotion": promotion, "tmp_path": tmp_path}
    assert keep(test_promotions, known) >= 3


def test_the_task_keeps_what_every_task_keeps(extension: ModuleType, tmp_path: Path) -> None:
    assert keep(test_tasks, {"task": extension.BRIGHTNESS, "tmp_path": tmp_path}) >= 5


def test_the_executor_is_found_and_runs_jobs(
    extension: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(EXECUTORS, "threads", extension.threads)
    with find_executor("threads:2", 1) as executor:
        assert executor.submit(divmod, 7, 2).result() == (3, 1)


def keep(contract: ModuleType, known: dict[str, Any]) -> int:
    """Runs the tests of a contract that need what is known; gives their number."""
    kept = 0
    for name, check in vars(contract).items():
        needed = inspect.signature(check).parameters if name.startswith("test_") else {"": None}
        if set(needed) <= set(known) and _of_a_space(needed):
            check(**{key: known[key] for key in needed})
            kept += 1
    return kept


def _of_a_space(needed: Any) -> bool:
    """Whether it is no test that finds a space of the program by its name."""
    space = needed.get("space")
    return space is None or space.annotation == "Space"
