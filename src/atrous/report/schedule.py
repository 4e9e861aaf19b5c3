"""How the time of a whole run was split over its stages, as its plan tells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from atrous.core.errors import AtrousError

PLAN = "plan.json"


@dataclass(frozen=True)
class Stage:
    """A stage with the seconds planned for it, and in words why."""

    name: str
    seconds: float
    why: str


@dataclass(frozen=True)
class Timetable:
    """The budget in seconds, and how it was split; `told` says how the split was found."""

    budget: float
    stages: tuple[Stage, ...]
    told: str

    def share(self, stage: Stage) -> float:
        """The stage's part of all that is planned, in percent."""
        return 100 * stage.seconds / max(sum(each.seconds for each in self.stages), 1e-9)


def read_schedule(run: Path) -> Timetable | None:
    """The schedule of a run, `None` if it was not planned; raises `AtrousError` for damage."""
    path = run / PLAN
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        stages = tuple(
            Stage(str(each["name"]), float(each["seconds"]), str(each["why"]))
            for each in content["stages"]
        )
        return Timetable(float(content["budget"]), stages, str(content["told"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise AtrousError(
            f"Expected how the time was split in {path}, but: {error!r}. Restore it from a copy, "
            "or delete it: the report then goes without."
        ) from error
