"""A folder in which what the documentation names is there, small, and its commands run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from atrous.cli import app
from atrous.estimation import estimators
from atrous.execution import EXECUTORS
from atrous.stages import relax
from atrous.stages.fidelity import measure
from atrous.stages.train import config as training_config
from atrous.stages.whole import plan
from tests.contract.test_layouts import flat
from tests.data.layouts import miniatures
from tests.small_search import remembered
from tests.stages.whole.small_run import at_pace

NETWORK = ("--backbone", "test_efficientnet", "--weights", "none")
"""timm's smallest, made for tests."""
SEARCHED = (*NETWORK, "--filters", "8", "--select-on", "val", "--workers", "1", "--device", "cpu")
TRAINED = ("--steps", "2", "--batch", "2", "--crop", "65x97")
WHOLE = ("--filters", "2", "--device", "cpu")
"""For networks that need no backbone."""
WHOLE_SEARCHED = (
    *WHOLE,
    *("--space", "auto_deeplab-2x1", "--select-on", "val", "--trials", "2", "--workers", "1"),
    *("--steps", "2", "--batch", "2", "--crop", "33x65", "--baselines", ""),
)
RELAXED = ("--search-filters", "2", "--search-steps", "2", "--search-crop", "33x33")
WHOLE_TRAINED = (*WHOLE, "--steps", "1", "--batch", "2", "--crop", "33x65")
CITYSCAPES = "cityscapes"

SMALL: Mapping[str, tuple[str, ...]] = {
    "scenes": ("--images", "12"),
    "run": (*SEARCHED, "--steps", "4", "--crop", "65x97"),
    "search": (*SEARCHED, "--trials", "2", "--steps", "4", "--batch", "4"),
    "rerank": (*TRAINED, "--top", "2", "--workers", "1", "--again"),
    "train": (
        *NETWORK,
        *("--filters", "8", "--select-on", "val"),
        *TRAINED,
        *("--device", "cpu"),
    ),
    "compare": ("--seeds", "2"),
    "fidelity": (
        *SEARCHED,
        *("--large-backbone", "test_resnet", "--large-weights", "none", "--cells", "3"),
        *("--steps", "2", "--end-to-end-steps", "2", "--batch", "2", "--crop", "65x97"),
    ),
    "evaluate": ("--device", "cpu"),
    "predict": ("--device", "cpu"),
    "latency": ("--size", "65x97", "--repeats", "2", "--device", "cpu"),
    "bench build": (
        *SEARCHED,
        *("--architectures", "2", "--steps", "8", "--batch", "2", "--crop", "65x97"),
    ),
    "bench strategies": (
        *("--strategies", "local", "--replays", "2", "--reads", "4", "--random-reads", "5"),
        *("--workers", "1"),
    ),
    "recipe run": (*NETWORK, *TRAINED, "--data", CITYSCAPES, "--device", "cpu"),
}
"""What is added to a command so that it takes seconds: of an option, the last value counts."""
RANDOM = ("search", "DATA", "--space", "auto_deeplab", "--strategy", "random", "--out", "RANDOM")
GRADIENT = (
    *("search", "DATA", "--space", "auto_deeplab"),
    *("--strategy", "gradient", "--out", "GRADIENT"),
)
TRIALS = "--trials"
TRIAL, STEP = 170.0, 60.0
"""Seconds, on a machine so slow that two hours are enough for a trial and a few steps."""


class Sandbox:
    """Runs commands in the folder `home`, and makes what they name before they need it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        copies = dict.fromkeys(("run", "local", "random"), self._copied)
        links = dict.fromkeys(("CAMVID", "DIR", "scenes"), self._linked)
        self._places: Mapping[str, Callable[[Path], object]] = {
            "DATA": lambda _: self.run(("scenes", "DATA")),
            "RUN": lambda _: self._ranked(),
            "BEST": lambda _: self.run(("train", "RUN", "--out", "BEST")),
            "GRADIENT": lambda _: self.run(GRADIENT),
            "RANDOM": lambda _: self.run(RANDOM),
            "ASPP": lambda _: self.run(("train", "dpc:aspp", "--data", "DATA", "--out", "ASPP")),
            "photo.jpg": lambda path: shutil.copy(self._picture(), path),
            CITYSCAPES: miniatures.cityscapes,
            "FLAT": flat,
            **copies,
            **links,
        }

    def run(self, words: Sequence[str]) -> str:
        """What a command prints, made small; it must end well."""
        made = outputs(words)
        arguments = [*words, *additions(words)]
        for word in arguments[len(name_of(words).split()) :]:
            if word not in made:
                self.need(word.partition("/")[0])
        self._begin_what_is_resumed(words)
        for name in made:
            self._remove(name)
        found = CliRunner().invoke(app, arguments)
        if found.exception and not isinstance(found.exception, SystemExit):
            raise found.exception
        assert found.exit_code == 0, found.output
        return found.output

    def need(self, name: str) -> None:
        """Makes the place of this name, if it is one that is known and not there."""
        path = self.home / name
        if name in self._places and not path.exists():
            self._places[name](path)

    def _ranked(self) -> None:
        """A finished search, whose best are ranked again."""
        self.run(("search", "DATA", "--out", "RUN"))
        self.run(("rerank", "RUN"))

    def _copied(self, path: Path) -> None:
        self.need("RUN")
        shutil.copytree(self.home / "RUN", path)

    def _linked(self, path: Path) -> None:
        self.need("DATA")
        path.symlink_to("DATA")

    def _picture(self) -> Path:
        self.need("DATA")
        return next((self.home / "DATA" / "images" / "test").iterdir())

    def _begin_what_is_resumed(self, words: Sequence[str]) -> None:
        """`--resume` without a folder goes on with the last run."""
        if tuple(words) not in (("run", "--resume"), ("search", "--resume")):
            return
        mark = "plan.json" if words[0] == "run" else "run.json"
        if not any(self.home.glob(f"runs/*/{mark}")):
            self.run((words[0], "DATA"))

    def _remove(self, name: str) -> None:
        path = self.home / name
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)


def name_of(words: Sequence[str]) -> str:
    """The command's name, one word or two."""
    return " ".join(words[: 2 if words[0] in ("recipe", "bench") else 1])


def outputs(words: Sequence[str]) -> tuple[str, ...]:
    """The folders that a command makes."""
    named = [words[place + 1] for place, word in enumerate(words) if word == "--out"]
    return (*named, words[1]) if words[0] == "scenes" else tuple(named)


def additions(words: Sequence[str]) -> tuple[str, ...]:
    """What makes a command small. What goes on goes on as it began: only a search may be longer."""
    if "--help" in words:
        return ()
    if "--resume" in words:
        return (TRIALS, "4") if TRIALS in words else ()
    if any(word.startswith("auto_deeplab") for word in words) and words[0] == "search":
        return (*WHOLE_SEARCHED, *(RELAXED if "gradient" in words else ()))
    if words[0] == "train" and any(word.startswith(("auto_deeplab", "GRADIENT")) for word in words):
        return WHOLE_TRAINED
    return SMALL.get(name_of(words), ())


@contextmanager
def sandbox(home: Path) -> Iterator[Sandbox]:
    """A sandbox in `home`, which is the working folder meanwhile.

    Trials run in this process, where torch is imported already, on one thread, and how to compute
    is not measured.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
        patch.setitem(EXECUTORS, "local", EXECUTORS["inline"])
        for module in (estimators, measure):
            patch.setattr(module, "choose", remembered([]))
        for module in (training_config, plan, estimators, relax):
            patch.setattr(module, "cores", lambda: 1)
        at_pace(patch, TRIAL, STEP)
        patch.setattr(plan, "LEAST_TRIALS", 1)
        patch.setattr(plan, "LEAST_STEPS", 1)
        yield Sandbox(home)
