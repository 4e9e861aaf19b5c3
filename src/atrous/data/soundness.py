"""Nothing expensive begins on a faulty data set."""

from __future__ import annotations

from pathlib import Path

from atrous.core.errors import AtrousError
from atrous.data.check import Report, check

Size = tuple[int, int]
SHOWN = 5
"""So many faults are told; `atrous check` tells all."""


def require_sound(root: Path) -> list[Size]:
    """Checks the data set and gives the different sizes (H, W) of its images, in pixels.

    Raises `AtrousError` if `atrous check` finds errors; warnings pass.
    """
    report = check(root)
    if report.errors:
        raise AtrousError(_refusal(root, report))
    return [(int(h), int(w)) for w, h in (size.split("x") for size in report.sizes)]


def _refusal(root: Path, report: Report) -> str:
    errors = [problem for problem in report.problems if problem.severity == "error"]
    listed = [f"  {p.file}: {p.finding}. {p.mend}" for p in errors[:SHOWN]]
    if len(errors) > SHOWN:
        listed.append(f"  and {len(errors) - SHOWN} more")
    count = "a problem" if len(errors) == 1 else f"{len(errors)} problems"
    first = f"The data set {root} has {count} that must be mended first:"
    return "\n".join([first, *listed, f"See all of them with: atrous check {root}"])
