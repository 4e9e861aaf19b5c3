"""One self-contained page with everything a run found."""

from __future__ import annotations

from dataclasses import fields
from importlib.resources import files
from pathlib import Path

from atrous.report import words
from atrous.report.comparable import require_comparable
from atrous.report.content import Compared, Content, gather
from atrous.report.files import write_whole
from atrous.report.leaderboard import shown, write_csv
from atrous.report.rerun import command
from atrous.run import Run, Settings

PAGE, TABLE = "report.html", "leaderboard.csv"
FILTERS = (
    words.count,
    words.decimal,
    words.difference,
    words.duration,
    words.moment,
    words.quantity,
    words.selection,
    words.size,
)


def write_report(run: Run, against: Run | None = None) -> Path:
    """Writes the page and the leaderboard into the run's folder; gives the page's path.

    `against` is another run, of random search as a rule, to be drawn beside. Raises `AtrousError`
    if it ran under another proxy, or if the folder cannot be written.
    """
    compared = None
    if against:
        require_comparable(run, against)
        compared = Compared(against, against.ledger().entries())
    entries = run.ledger().entries()
    write_csv(run, entries, run.path / TABLE)
    write_whole(run.path / PAGE, render_page(gather(run, entries, compared)))
    return run.path / PAGE


def render_page(content: Content) -> str:
    """The page as HTML that fetches nothing and needs no script."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update({function.__name__: function for function in FILTERS})
    template = environment.from_string(files(__package__).joinpath("page.html").read_text("utf-8"))
    settings = content.run.settings
    return template.render(
        content=content,
        settings=settings,
        context=content.run.context,
        top=shown(content.rows),
        score=words.score_name(settings.score),
        score_meaning=words.score_meaning(settings.score),
        command=command(settings),
        asked=_asked(settings),
        table=TABLE,
    )


def _asked(settings: Settings) -> dict[str, str]:
    """Every setting, in words."""
    values = {field.name: getattr(settings, field.name) for field in fields(settings)}
    values["crop"] = words.size(settings.crop)
    values["baselines"] = ", ".join(settings.baselines) or "none"
    values["seconds"] = "no limit" if settings.seconds is None else words.duration(settings.seconds)
    return {name.replace("_", " "): str(value) for name, value in values.items()}
