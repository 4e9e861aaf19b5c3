"""Whether the scores of two runs may be put on one axis."""

from __future__ import annotations

from atrous.core.errors import AtrousError
from atrous.search.run import Run

REQUEST = (
    "space",
    "score",
    "select_on",
    "backbone",
    "output_stride",
    "filters",
    "steps",
    "batch",
    "rate",
)
SETTINGS = ("crop", "precision")
CONTEXT = ("data_fingerprint", "weights_digest")


def require_comparable(run: Run, against: Run) -> None:
    """Raises `AtrousError` that names every setting of the proxy in which two runs differ."""
    parts = (
        (REQUEST, run.request, against.request),
        (SETTINGS, run.settings, against.settings),
        (CONTEXT, run.context, against.context),
    )
    pairs = [
        (name, getattr(here, name), getattr(there, name))
        for names, here, there in parts
        for name in names
    ]
    differing = [
        f"{name} ({mine} here, {theirs} there)" for name, mine, theirs in pairs if mine != theirs
    ]
    if differing:
        raise AtrousError(
            f"Expected {against.path} to have been searched under the same proxy as {run.path}, "
            f"so that scores compare, but they differ in {', '.join(differing)}. Name another run "
            "with --against, or make one with the command on the report's page and --strategy "
            "random."
        )
