"""One self-contained page with everything a run found, and the command that makes the run again."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path, PurePath

from atrous.core import words
from atrous.core.config import OF_A_BACKBONE, SearchConfig
from atrous.core.console import command as typed
from atrous.core.console import shell
from atrous.core.errors import AtrousError
from atrous.core.files import save_text
from atrous.core.options import arguments, differences, leaves, replaced
from atrous.report.content import Content, gather
from atrous.report.curves import OtherRun
from atrous.report.leaderboard import shown, write_csv
from atrous.report.measures import TitledNetwork, chief, judged, named, network_of, unjudged
from atrous.report.rerank import CAVEAT, agreement_words, left_words, winner_words
from atrous.report.trained import read_trained
from atrous.search.run import Run, Settings

PAGE, TABLE, COMMAND = "report.html", "leaderboard.csv", "command.txt"
"""Files of a run's folder that are written for people; the last is the command that began it."""
TEMPLATE = "page.html"
FILTERS = (
    words.count,
    words.decimal,
    words.points,
    words.duration,
    words.interval,
    words.megabytes,
    words.moment,
    words.quantity,
    words.score_name,
    words.selection,
    shell,
    words.size,
    words.told,
)


def write_report(run: Run, against: Run | None = None) -> Path:
    """Writes the page and the leaderboard into the run's folder; gives the page's path.

    `against` is another run, of random search as a rule, to be drawn beside. Raises `AtrousError`
    if it ran under another proxy, or if the folder cannot be written.
    """
    compared = None
    if against:
        require_comparable(run, against)
        compared = OtherRun(against, against.ledger().entries())
    entries = run.ledger().entries()
    write_csv(run, entries, run.path / TABLE)
    save_text(run.path / PAGE, render_page(gather(run, entries, compared)))
    return run.path / PAGE


@dataclass(frozen=True)
class Answer:
    """All that a run comes to: its verdict in words, its trained networks, the one to use first."""

    words: str
    networks: tuple[TitledNetwork, ...]

    @property
    def model(self) -> Path | None:
        """The folder of the model to use; `None` while it is not trained."""
        return self.networks[0].trained.model if self.networks else None


def answer(run: Run) -> Answer:
    """Returns what a run comes to, the same on its page, on the terminal and in model cards."""
    entries = run.ledger().entries()
    networks = named(read_trained(run.path), entries)
    verdict = judged(run, entries, networks)
    asked = network_of(networks, verdict.recommended.architecture) if verdict else None
    best = asked or chief(networks)
    others = [each for each in networks if each is not best]
    ordered = (*([best] if best else []), *others)
    return Answer(verdict.words if verdict else unjudged(networks), ordered)


def render_page(content: Content) -> str:
    """The page as HTML that fetches nothing and needs no script."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_template),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({function.__name__: function for function in FILTERS})
    environment.filters["below"] = partial(_below, content.run.path)
    config, settings = content.run.config, content.run.settings
    return environment.get_template(TEMPLATE).render(
        content=content,
        config=config,
        settings=settings,
        context=content.run.context,
        top=shown(content.rows),
        score=words.score_name(content.run.score),
        score_meaning=words.score_meaning(content.run.score),
        value=words.score_name(content.run.task.value),
        beside=_beside(content.run),
        noun=content.view.noun,
        cost=_cost_words(content),
        command=command_parts(settings),
        typed=_typed(content.run),
        asked=_asked(settings),
        table=TABLE,
        links=_links(content),
        **_ranking_words(content),
    )


def _below(folder: Path, path: str | Path) -> str:
    """A path as it is called from the run's folder: the page tells nobody where that lies."""
    found = Path(path)
    within = found.is_relative_to(folder)
    return found.relative_to(folder).as_posix() if within else found.name


def _typed(run: Run) -> str:
    """The command that began a run, as it was typed; '' where that is not known."""
    path = run.path / COMMAND
    return path.read_text("utf-8").strip() if path.is_file() else ""


def _beside(run: Run) -> list[tuple[str, str]]:
    """The columns of the leaderboard beside the score: the main value and the loss, as headings and
    attributes of a row, where the score is not that already."""
    task, read = run.task, run.goal.objective.names
    value = [(words.score_name(task.value), "value")] if run.score != task.value else []
    loss = task.loss.replace("_", "-").capitalize()
    return [*value, *([(loss, "loss")] if read != (task.loss,) else [])]


def _template(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")


def _links(content: Content) -> dict[str, str]:
    """The sections of a whole run's page worth jumping to, by id."""
    searched = content.is_searched
    links = {
        "trained": "Trained networks" if content.outcome else "",
        "second": "Ranked again" if content.again else "",
        "search": "The search" if searched else "",
        "leaderboard": "Leaderboard" if searched else "",
        "front": "Front" if content.front else "",
        "cells": f"{content.view.noun.capitalize()}s" if searched else "",
        "time": "Time" if content.schedule else "",
        "again": "Run it again",
    }
    return {name: words for name, words in links.items() if words}


def _cost_words(content: Content) -> str:
    """A sentence on the network and the input whose cost is counted."""
    filters, maps = content.run.config.proxy.filters, content.run.context.maps.values()
    if content.is_whole:
        (size,) = (words.size((height, width)) for _, height, width in maps)
        return f"Cost is that of trunk and head, at F = {filters} on an image of {size} pixels."
    read = " and ".join(
        f"{words.size((height, width))} positions of {channels} channels"
        for channels, height, width in maps
    )
    return f"Cost is that of the {content.view.noun} alone, at {filters} filters on {read}."


def _ranking_words(content: Content) -> dict[str, str]:
    if content.again is None:
        return {}
    second = content.again.second
    return {
        "winner": winner_words(second),
        "agreement": agreement_words(second),
        "left": left_words(second),
        "caveat": CAVEAT,
    }


def _asked(settings: Settings) -> dict[str, str]:
    """Everything asked for or chosen, in words."""
    config = settings.config
    values = {
        leaf.flag.replace("-", " "): leaf.spell(value)
        for leaf in leaves(SearchConfig)
        if (value := leaf.of(config)) is not None
    }
    chosen = {name: str(value) for name, value in vars(settings).items() if name != "config"}
    values |= chosen | {"crop": words.size(settings.crop)}
    values["data"] = PurePath(config.data.path).name
    values["baselines"] = ", ".join(config.baselines) or "none"
    seconds = config.budget.seconds
    values["time"] = "no limit" if seconds is None else words.duration(seconds)
    return values


def command_parts(settings: Settings) -> list[str]:
    """The command line in parts: the command with its data set, then an option with its value
    each, quoted for a shell. Number type, layout and threads are measured on each machine anew."""
    config = replaced(
        settings.config, workers=settings.workers, crop=settings.crop, device=settings.device
    )
    asked = arguments(config, () if config.encoder.backbone else OF_A_BACKBONE)
    parts = [flag if value is None else f"{flag} {shell(value)}" for flag, value in asked]
    return [typed("search", PurePath(config.data.path).name), *parts]


def require_comparable(run: Run, against: Run) -> None:
    """Raises `AtrousError` that names every field that decides so and in which two runs differ."""
    pairs = (
        (run.config, against.config),
        (run.settings, against.settings),
        (run.context, against.context),
    )
    differing = [told for here, there in pairs for told in differences(here, there)]
    if differing:
        raise AtrousError(
            f"Expected {against.path} to have been searched under the same proxy as {run.path}, "
            f"so that scores compare, but they differ in {', '.join(differing)}. Name another run "
            "with --against, or make one with the command on the report's page and --strategy "
            "random."
        )
