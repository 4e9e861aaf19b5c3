"""The whole way in one go, and its demonstration."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from atrous.cli.options import (
    RUNS,
    CacheOption,
    MovedOption,
    ResumeOption,
    Told,
    default_cache,
    extendable,
    given,
    refuse_moved,
    takes,
    tell_score,
)
from atrous.core.config import WholeConfig
from atrous.core.console import command, say
from atrous.core.errors import AtrousError


@takes(WholeConfig)
def run(
    context: typer.Context,
    told: Told,
    out: Annotated[Path | None, typer.Option(help="The run's folder [runs/DATE].")] = None,
    resume: ResumeOption = False,
    moved: MovedOption = None,
    cache: CacheOption = None,
) -> None:
    """Checks, searches, re-ranks, trains, evaluates, exports and reports, within a budget of time.

    How the budget is split follows from a trial and a few training steps measured first.
    """
    from atrous.search.run import latest_run
    from atrous.spaces import default_family
    from atrous.stages.whole.whole import WHOLE, begin, give, move, usual

    kept = cache or default_cache()
    if resume:
        _refuse_to_change(
            given(context, "data", "out", "resume", "moved", "cache", *extendable(WholeConfig))
        )
        folder = Path(told.get("data", "")) if "data" in told else out or latest_run(RUNS, WHOLE)
        if "budget" in told:
            give(folder, told.values()["budget"])
        if moved:
            move(folder, moved)
        drive_whole(folder, kept)
        return
    refuse_moved(moved)
    if "data" not in told:
        raise AtrousError("Expected the folder of a data set: atrous run DATA.")
    out = out or RUNS / datetime.now().strftime("%Y-%m-%d-%H%M%S")
    begin(told.on(usual(told.get("space", default_family().name))), out)
    drive_whole(out, kept)


def drive_whole(out: Path, cache: Path) -> None:
    """Goes through the stages that are left, and says how to go on if it is interrupted."""
    from atrous.report.page import judged, recommended_model
    from atrous.search.run import open_run
    from atrous.stages.whole.whole import finish

    try:
        page = finish(out, cache, say, tell_score)
    except KeyboardInterrupt:
        say(f"Stopped. Go on: {command('run', '--resume', out)}")
        raise
    say(f"report: {page.resolve()}")
    run = open_run(out)
    if verdict := judged(run):
        say(verdict.words)
    say(f"the model: {recommended_model(run)}")


def _refuse_to_change(changed: list[str]) -> None:
    if changed:
        raise AtrousError(
            f"With --resume, a run goes on as it began: {', '.join(changed)} cannot be changed. "
            "Begin another with another --out."
        )


def demo(
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("demo"),
    cache: CacheOption = None,
) -> None:
    """The whole way on built-in scenes with real pretrained weights, in a few minutes."""
    from atrous.stages.whole.whole import WHOLE, begin, demo_config

    run, kept = out / "run", cache or default_cache()
    if not (run / WHOLE).exists():
        begin(demo_config(out), run)
    drive_whole(run, kept)
