"""The page of a run."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from atrous.core.errors import AtrousError
from atrous.core.trial import Measured, Origin, Trial
from atrous.report.content import gather
from atrous.report.leaderboard import write_csv
from atrous.report.page import render_page, write_report
from atrous.search.ledger import Entry
from atrous.search.run import open_run
from atrous.spaces.auto_deeplab.space import auto_deeplab
from tests.records import entry_of, job, scored_by
from tests.report.browser import Browser, find_browser
from tests.report.runs import (
    CLASSES,
    a_run,
    baselines,
    failed,
    make_run,
    measured,
    plausible,
    reranked,
)
from tests.report.trainings import write_plan, write_trained

SECTIONS = ["progress", "leaderboard", "distribution", "cells", "classes", "choices", "again"]
WHOLE = ["trained", "second", "search", *SECTIONS[:-1], "time", "again"]
LOADING = {"src", "href", "xlink:href", "srcset", "data", "action", "poster"}
VOID = {"meta", "link", "img", "br"}


class Structure(HTMLParser):
    """Tags, sections and addresses of a page, and whether its tags are nested well."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sections: list[str | None] = []
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sections += [value for name, value in attrs if (tag, name) == ("section", "id")]
        self.addresses += [value or "" for name, value in attrs if name in LOADING]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _page(entries: Sequence[Entry], **asked: object) -> str:
    return render_page(gather(a_run(**asked), entries))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run on disk."""
    return write_report(make_run(tmp_path_factory.mktemp("run"), plausible()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a whole run, in which trial 16 won and dpc:aspp was trained beside it."""
    run = make_run(tmp_path_factory.mktemp("whole"), plausible(), select_on="val")
    again = [measured(n, 0.5 + n / 1000, f"trial {n}") for n in (35, 29, 19)]
    reranked(run, [baselines()[0], measured(16, 0.6, "trial 16"), *again, failed(40)])
    for name, number, quality in (("best", 16, 0.61), ("dpc-aspp", 0, 0.58)):
        architecture = run.ledger().entries()[number].trial.architecture
        write_trained(run.path, name, str(architecture), quality, rows=2)
    write_plan(run.path)
    return write_report(run)


def test_the_page_of_a_whole_run_stands_alone_in_a_few_megabytes(whole: Path) -> None:
    text = whole.read_text()
    structure = Structure(text)
    assert structure.sections == WHOLE
    assert structure.tags.count("img") == 1 + 2
    assert structure.tags.count("svg") == 4 + 6 + 1 + 2
    links = [a for a in structure.addresses if not a.startswith(("#", "data:"))]
    assert {*links} >= {"trained/best/model", "trained/best/model/README.md"}
    assert all(link.startswith("trained/") for link in links)
    assert all(f'id="{a[1:]}"' in text for a in structure.addresses if a.startswith("#"))
    assert str(whole.parent) not in text
    assert "http://" not in text
    assert "https://" not in text
    assert len(text) < 3e6


def test_the_page_of_a_whole_run_tells_what_was_measured(whole: Path) -> None:
    text = " ".join(unescape(whole.read_text()).split())
    found = dict(re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)<small>", text))
    assert found["Found"] == "Trial 16"
    assert found["Latency"] == "23 ms [22, 24]"
    assert "<h1>A network for my street</h1>" in text
    assert "trial 16, stood 4th of 38 under the proxy. The paper's winner stood 12th." in text
    assert "The ring marks the weights that were kept" in text
    assert 'atrous.load("trained/best/model")' in text
    assert '<p class="verdict' in text.partition('<p class="lead">')[0]
    assert "13.9 MB, differs from the network by 2.0e-06 at most" in text
    assert "A budget of 10 min 0 s. A trial took 5.2 s here." in text


def test_user_text_is_escaped_in_a_whole_run(whole: Path) -> None:
    text = whole.read_text()
    assert text.count("<tr><th>&lt;b&gt;sky&lt;/b&gt;</th>") == 3
    assert "<b>sky" not in text


def test_the_winner_of_the_re_ranking_is_among_the_cells(whole: Path) -> None:
    assert whole.read_text().count("<h3>Best after fine-tuning</h3>") == 1


def test_what_a_whole_run_has_not_measured_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", plausible(8))
    architecture = run.ledger().entries()[3].trial.architecture
    folder = write_trained(run.path, "best", str(architecture), 0.6)
    for name in ("latency.json", "export.json", "log.jsonl", "model/evaluation.json"):
        (folder / name).unlink()
    text = write_report(run).read_text()
    assert Structure(text).sections == ["trained", "search", *SECTIONS]
    assert text.count('<td class="number none">not measured</td>') == 2
    assert "not exported" in text
    assert "no score was taken while training" in text
    assert "The IoU of the classes is not measured" in text
    assert "There are no pictures" in text


def test_a_re_ranking_without_scores_gets_its_section(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", plausible(8))
    text = write_report(reranked(run, [failed(3, origin="trial 3")])).read_text()
    assert Structure(text).sections == ["second", *SECTIONS]
    assert "Nothing has a second score yet." in text
    assert "No second score for trial 3: non-finite: the loss &lt;is&gt; not finite" in text


def test_the_page_stands_alone() -> None:
    text = _page(plausible())
    structure = Structure(text)
    assert structure.sections == SECTIONS
    assert structure.tags.count("svg") == 4 + 5
    assert "script" not in structure.tags
    assert all(address.startswith(("#", "data:")) for address in structure.addresses)
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert re.findall(r"url\((?!#)", text) == []


def test_the_page_and_the_table_are_in_the_run(page: Path) -> None:
    assert {path.name for path in page.parent.iterdir()} == {
        "run.json",
        "run.lock",
        "ledger.db",
        "report.html",
        "leaderboard.csv",
    }


def test_the_same_run_gives_the_same_page(page: Path) -> None:
    first = page.read_bytes()
    assert write_report(open_run(page.parent)).read_bytes() == first
    assert _page(plausible()).encode() == first


def test_user_text_is_escaped() -> None:
    text = _page(plausible(), data="/x/<script>street", backbone="<i>net")
    assert "<script" not in text
    assert "<i>" not in text
    assert "&lt;b&gt;sky&lt;/b&gt;" in text
    assert "<b>sky" not in text


def test_best_and_baselines_are_told_in_a_sentence() -> None:
    entries = [*baselines(), measured(2, 0.43), measured(3, 0.42)]
    text = _page(entries)
    assert "The best of 2 proposed cells scores 43.0, 0.6 above dpc:top1 (42.4)" in text
    assert "and 1.1 above dpc:aspp (41.9)" in text
    assert "This flatters the search" in text


def test_a_search_that_lost_says_so() -> None:
    text = _page([*baselines(), measured(2, 0.41)])
    assert "The one proposed cell scores 41.0, 1.4 below dpc:top1" in text


def test_classes_have_their_best_marked() -> None:
    text = _page(plausible())
    rows = re.findall(r"<tr><th>([^<]+)</th>((?:<td class=\"number[^\"]*\">[^<]+</td>)+)", text)
    lines = {name: re.findall(r'"number( top)?">([^<]+)<', cells) for name, cells in rows}
    assert [value for _, value in lines["bicyclist"]] == ["–"] * 5
    assert [mark for mark, value in lines["road"] if value == max(v for _, v in lines["road"])] == [
        " top"
    ]


def test_the_command_to_run_it_again() -> None:
    text = _page(plausible(), time=1200.0)
    command = re.search(r"<pre>(.*?)</pre>", text, re.DOTALL)
    assert command
    words = " ".join(re.findall(r"<span>(.*?)</span>", command[1]))
    assert words.startswith("atrous search &#39;my street&#39; --select-on 0.2 --space dpc")
    for part in ("--time 1200s", "--crop 368x480", "--baselines dpc:aspp,dpc:top1", "--seed 3"):
        assert part in words
    assert "3f9ac1d27be0" in text
    assert "2.13.0" in text


def test_random_line_from_the_runs_own_uniform_trials() -> None:
    entries = plausible()
    uniform = sum(e.trial.is_uniform and isinstance(e.outcome, Measured) for e in entries)
    text = _page(entries)
    assert f"from the {uniform} of this run" in text
    assert "expected, random" in text


def test_another_run_is_drawn_beside(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", plausible(12))
    other = make_run(tmp_path / "other", plausible(24, local=False), strategy="random", seed=9)
    text = write_report(run, other).read_text()
    assert text.count("other run 0.") == 2
    assert "from the 22 of the run other" in text
    assert "After 11 proposed trials this run had reached" in text


def test_another_run_under_another_proxy_is_refused() -> None:
    run, other = a_run(), a_run(steps=800, filters=32)
    with pytest.raises(AtrousError, match=r"filters \(64 here, 32 there\), steps \(400 here, 800"):
        write_report(run, other)
    sides = replace(run.context.fingerprint, selection="ffff")
    shifted = replace(run, context=replace(run.context, fingerprint=sides))
    with pytest.raises(AtrousError, match=r"selection-fingerprint \(ffff here"):
        write_report(shifted, run)


def _without_norms(entry: Entry) -> Entry:
    outcome = entry.outcome
    assert isinstance(outcome, Measured)
    bare = replace(outcome, details={**outcome.details, "branch_norms": ()})
    return replace(entry, outcome=bare)


@pytest.mark.parametrize(
    ("entries", "figures", "words"),
    [
        ([], 0, "No proposed cell has a score yet"),
        (baselines(), 2, "Nothing to draw: no proposed cell has a score."),
        ([failed(0), failed(1)], 0, "2 trials failed: 2 non-finite."),
        ([measured(0, 0.4)], 5, "has fewer than two uniform trials with a score"),
        ([measured(0, 0.4), measured(1, 0.4)], 6, "Too few proposed cells have a score"),
        ([_without_norms(measured(0, 0.4))], 4, "no branch weights on record"),
    ],
)
def test_small_runs_get_a_page(entries: list[Entry], figures: int, words: str) -> None:
    text = _page(entries)
    structure = Structure(text)
    assert structure.sections == SECTIONS
    assert structure.tags.count("svg") == figures
    assert words in text


def test_every_score_is_named() -> None:
    for score, name in (("blend", "geometric mean"), ("cross-entropy", "negated")):
        assert name in _page(plausible(), objective=(score,))


def test_starting_the_command_line_loads_nothing_heavy() -> None:
    code = (
        "import sys, atrous.report.page, atrous.report.leaderboard; "
        "print({'torch', 'matplotlib', 'jinja2'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_writing_a_report_never_loads_torch(whole: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from atrous.search.run import open_run; "
        "from atrous.report.page import write_report; "
        "write_report(open_run(Path(sys.argv[1]))); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(whole.parent)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def network(number: int, score: float) -> Entry:
    space = auto_deeplab()
    architecture = space.architecture(space.sample(Random(number)))
    trial = Trial(number, architecture, Origin("uniform"), 3)
    metrics = scored_by((score,) * 4, 1.0, (score,) * len(CLASSES))
    return entry_of(job(trial), metrics, 6.5 * (number + 1), 10.0)


def test_the_page_of_a_search_speaks_of_networks(tmp_path: Path) -> None:
    asked = a_run(space="auto_deeplab", baselines=(), strategy="random", filters=4)
    run = replace(asked, context=replace(asked.context, maps={1: (3, 65, 97)}))
    entries = [network(number, 0.3 + number / 100) for number in range(8)]
    page = render_page(gather(run, entries))
    assert "Cost is that of trunk and head, at F = 4 on an image of 65 × 97 pixels." in page
    assert "The best of 8 proposed networks scores 37.0" in page
    assert page.count('aria-label="Network: strides') == 3
    assert "Stride of the last layer" in page
    assert "the share of layers, of operations and of inputs" in page
    assert "feature map" not in page
    assert "projection" not in page
    write_csv(run, entries, tmp_path / "all.csv")
    assert "strides 4" in (tmp_path / "all.csv").read_text()


@pytest.fixture
def browser(tmp_path: Path) -> Browser:
    program = find_browser()
    if program is None:
        pytest.skip("no chromium, chromium-browser or google-chrome to open the page in")
    return Browser(program, tmp_path / "profile")


def test_a_browser_shows_the_page_of_a_whole_run(whole: Path, browser: Browser) -> None:
    dom, said = browser.dom(whole)
    assert "CONSOLE" not in said
    assert re.findall(r'<section id="(\w+)"', dom) == WHOLE
    assert dom.count("<img ") == 3


def test_a_browser_shows_the_page(page: Path, browser: Browser) -> None:
    dom, said = browser.dom(page)
    assert "CONSOLE" not in said
    assert re.findall(r'<section id="(\w+)"', dom) == SECTIONS
    assert dom.count("<svg") == 9
    assert dom.count("<figure>") == 4
    assert "<h1>Search on my street</h1>" in dom


def test_a_browser_paints_the_page_wide_and_narrow(
    tmp_path: Path, page: Path, browser: Browser
) -> None:
    for width in (1200, 500):
        picture = tmp_path / f"{width}.png"
        browser.screenshot(page, picture, width, 2400)
        with Image.open(picture) as image:
            assert image.size == (width, 2400)
            colours = image.convert("RGB").getcolors(1 << 24)
        assert colours is not None
        assert len(colours) > 300
        painted = {colour for _, colour in colours}
        assert {(10, 102, 166), (27, 37, 48)} <= painted
