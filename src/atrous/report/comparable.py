"""Whether the scores of two runs may be put on one axis."""

from __future__ import annotations

from atrous.core.errors import AtrousError
from atrous.core.options import differences
from atrous.search.run import Run


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
