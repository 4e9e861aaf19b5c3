"""A field of a configuration is written once, and is then everywhere."""

from __future__ import annotations

import re
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Literal

import pytest
import typer
from typer.testing import CliRunner

from atrous.cli import app
from atrous.cli.options import Command, takes
from atrous.core import config, requests
from atrous.core.config import (
    GRADIENT,
    DataConfig,
    EncoderConfig,
    GradientConfig,
    SearchConfig,
    Size,
)
from atrous.core.errors import AtrousError
from atrous.core.options import (
    Leaf,
    arguments,
    differences,
    expected,
    leaves,
    option,
    part,
    problems,
    replaced,
)
from atrous.core.records import RecordError, from_json, to_json
from atrous.core.requests import LatencyConfig, PredictConfig
from atrous.core.strategy_config import StrategyOptions
from atrous.stages.told import Told, dated, extendable
from atrous.strategies import STRATEGIES


@dataclass(frozen=True)
class Longer(SearchConfig):
    """A search with one field more."""

    sharpness: float = option("How sharp edges are.", 2.5, least=1, below=9, compares=True)


@dataclass(frozen=True)
class Kinds:
    """A value of every kind."""

    crop: Size | None = option("A size.", None)
    names: tuple[str, ...] = option("Names.", ())
    scales: tuple[float, ...] = option("Scales.", (1.0,), above=0)
    seconds: float | None = option("A time.", None, unit="time")
    count: int = option("A number.", 1)
    flip: bool = option("A switch.", True)
    warm: bool = option("Another.", True, negative="cold")
    plain: bool = option("Off unless said.", False)
    kind: Literal["a", "b"] = option("One of two.", "a")


OF_MAPS = ("output_stride", "finest_stride")


@dataclass(frozen=True)
class Both:
    """Two parts of one kind."""

    small: EncoderConfig = part(EncoderConfig)
    large: EncoderConfig = part(
        EncoderConfig, prefix="large-", without=OF_MAPS, backbone={"help": "Big."}
    )


BASE = Longer(DataConfig("streets"), "dpc", encoder=EncoderConfig("resnet", "none", 16))


def asked(kind: type, *words: str) -> Told:
    """What a command hears that takes a configuration."""
    heard: list[Told] = []
    small = typer.Typer(rich_markup_mode=None)

    @takes(kind)
    def command(told: Told) -> None:
        heard.append(told)

    small.command(cls=Command)(command)
    found = CliRunner().invoke(small, words)
    assert found.exit_code == 0, found.output
    return heard[0]


def shown(*words: str) -> str:
    """The help of a command, in one line."""
    found = CliRunner().invoke(app, [*words, "--help"])
    assert found.exit_code == 0, found.output
    return " ".join(found.output.split())


def test_several_values_are_said_with_commas_or_one_by_one() -> None:
    one, other = asked(Kinds, "--names", "a,b", "--scales", "1,2"), ("--names", "a", "--names", "b")
    assert asked(Kinds, *other, "--scales", "1", "--scales", "2").values() == one.values()
    assert one.values() == {"names": ("a", "b"), "scales": (1.0, 2.0)}
    assert asked(Kinds).values() == {}


def test_a_new_field_is_an_option_with_its_help() -> None:
    small = typer.Typer(rich_markup_mode=None)

    @takes(Longer)
    def command(told: Told) -> None:
        """Does nothing."""

    small.command(cls=Command)(command)
    text = CliRunner().invoke(small, ["--help"]).output
    assert re.search(r"--sharpness NUMBER\s+How sharp edges are. \[2.5\]", text)
    assert asked(Longer, "--sharpness", "3.5").on(BASE).sharpness == 3.5


def test_a_new_field_is_checked_written_compared_and_asked_for_again() -> None:
    other, wrong = (replaced(BASE, sharpness=value) for value in (8.5, 9.5))
    expected = "at least 1 and below 9, got 9.5"
    assert problems(BASE) == problems(other) == []
    assert problems(wrong) == [f"--sharpness is {expected}"]
    assert differences(BASE, other) == ["sharpness (2.5 here, 8.5 there)"]
    assert ("--sharpness", "8.5") in arguments(other)
    assert from_json(Longer, to_json(other)) == other
    with pytest.raises(RecordError, match=f"sharpness: Input should be {expected}"):
        from_json(Longer, to_json(wrong))
    with pytest.raises(RecordError, match=r"sharpness: .*got 'very'"):
        from_json(Longer, {**to_json(other), "sharpness": "very"})


def test_what_may_change_when_a_run_goes_on_is_said_by_the_field() -> None:
    assert extendable(Longer) == ["trials", "time"]
    told = asked(Longer, "DATA", "--sharpness", "2", "--trials", "9")
    assert told.fixed() == ["DATA", "--sharpness"]
    assert told.fixed("data") == ["--sharpness"]


def test_all_that_cannot_be_read_or_is_out_of_range_is_told_at_once() -> None:
    words = ["--crop", "65", "--time", "soon", "--trials", "many", "--rate", "-1", "--batch", "1"]
    with pytest.raises(AtrousError) as told:
        asked(Longer, *words).on(BASE)
    for text in (
        "--crop: Expected a size as HEIGHTxWIDTH",
        "--time: Expected a time such as 90s",
        "--trials: Expected a whole number, got 'many'.",
        "--rate is a positive number, got -1.0.",
        "--batch is at least 2, got 1.",
    ):
        assert text in str(told.value)


def test_every_kind_of_value_is_read_back_as_it_is_spelt() -> None:
    usual = Kinds()
    assert asked(Kinds).on(usual) == usual
    made = Kinds((65, 97), ("a", "b"), (0.5, 2.0), 90.5, 3, False, False, True, "b")
    assert {("--no-flip", None), ("--cold", None)} <= set(arguments(made))
    words = [word for pair in arguments(made) for word in pair if word is not None]
    assert asked(Kinds, *words).on(usual) == made


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--threads", "99999999999"), "--threads is at least 1 and below 1025, got 99999999999"),
        (("--batch", "0"), "--batch is at least 1, got 0"),
    ],
)
def test_a_number_that_no_machine_takes_is_refused(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(AtrousError, match=told):
        asked(LatencyConfig, "model", "--size", "33x33", *words).made(LatencyConfig)


def test_every_number_has_a_bound_and_one_beyond_it_is_told() -> None:
    """So that none takes all of the memory or all of the time, typed or in a file."""
    kinds = [*vars(config).values(), *vars(requests).values()]
    listed = [leaf for kind in kinds if is_dataclass(kind) for leaf in leaves(kind)]
    whole = [leaf for leaf in listed if leaf.kind is int and not leaf.choices]
    free = {"seed", "trial", "opset", "memory"}  # of which others say what they may be
    assert len(whole) > 50
    assert {leaf.name for leaf in whole if leaf.option.below is None} == free
    for leaf in whole:
        if below := leaf.option.below:
            assert f"below {below:.10g}" in expected(leaf, int(below))
            assert not expected(leaf, int(below) - 1)
    scales = next(leaf for leaf in listed if leaf.name == "random_scales")
    assert expected(scales, (0.5, 1e9)) == "positive numbers below 8"


def test_no_numbers_are_told_as_what_is_lacking() -> None:
    with pytest.raises(AtrousError, match="--scales are numbers, got none"):
        asked(PredictConfig, "model", "a.png", "--out", "b", "--scales", ",").made(PredictConfig)


def test_options_of_another_strategy_are_refused() -> None:
    told = asked(SearchConfig, "--gate", "gdas", "--seeds", "2")
    with pytest.raises(AtrousError, match="--gate, --seeds belong to --strategy gradient; the"):
        told.require_read_by("local")
    told.require_read_by(GRADIENT)


def test_the_options_of_a_search_fit_on_a_screen_and_those_of_a_strategy_follow_it() -> None:
    text = CliRunner().invoke(app, ["search", "--help"]).output
    assert len(re.findall(r"^  --", text, flags=re.M)) <= 20
    assert "--gate" not in text
    assert "--strategy gradient --help" in " ".join(text.split())
    assert "--output-stride" in text
    of_it = shown("search", "--strategy", GRADIENT)
    for leaf in leaves(GradientConfig):
        assert f"--{leaf.flag}" in of_it
    assert shown("search", f"--strategy={GRADIENT}") == of_it


@pytest.mark.parametrize("leaf", leaves(StrategyOptions), ids=lambda leaf: leaf.flag)
def test_the_options_of_each_strategy_are_shown_and_kept_under_its_name(leaf: Leaf) -> None:
    assert leaf.strategy in STRATEGIES
    assert leaf.strategy == leaf.path[0]
    assert f"--{leaf.flag}" in shown("search", "--strategy", leaf.strategy)
    assert leaf.of(StrategyOptions.usual(leaf.strategy)) == leaf.default
    assert StrategyOptions.usual(leaf.strategy).misplaced("random") == [leaf.strategy]


def test_every_default_is_shown() -> None:
    text = shown("search", "--strategy", GRADIENT)
    for leaf in leaves(SearchConfig):
        if leaf.strategy not in ("", GRADIENT):
            continue
        usual = leaf.option.derived.replace("{space}", "dpc")
        if not usual and not isinstance(leaf.default, bool) and leaf.default is not None:
            usual = leaf.spell(leaf.default)
        assert not usual or f"[{usual}]" in text, leaf.flag
    assert "[runs/DATE]" in text
    assert "[65x129]" in shown("describe")


def test_a_part_stands_under_its_own_names_and_words() -> None:
    found = {leaf.flag: leaf.option.help for leaf in leaves(Both)}
    assert list(found) == [
        "backbone",
        "weights",
        "output-stride",
        "alignment",
        "finest-stride",
        "large-backbone",
        "large-weights",
        "large-alignment",
    ]
    assert found["large-backbone"] == "Big."
    both = replaced(Both(), large_backbone="xception65")
    assert (both.small.backbone, both.large.backbone) == (None, "xception65")


def test_two_that_begin_in_a_second_have_folders_of_their_own(tmp_path: Path) -> None:
    made = []
    for _ in range(3):
        made.append(dated(tmp_path))
        made[-1].mkdir()
    assert len(set(made)) == 3
    assert dated(tmp_path / "new").parent == tmp_path / "new"
