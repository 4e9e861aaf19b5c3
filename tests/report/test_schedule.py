"""How the time of a whole run was split."""

from __future__ import annotations

from pathlib import Path

import pytest

from atrous.core.errors import AtrousError
from atrous.report.schedule import read_schedule
from atrous.stages.whole.plan import Pace, split, write_plan


def test_what_a_whole_run_keeps_is_read(tmp_path: Path) -> None:
    plan = split(3600, Pace(trial=5.0, step=0.5, workers=2), 0, 2, ("dpc:aspp",))
    write_plan(plan, tmp_path)
    schedule = read_schedule(tmp_path)
    assert schedule is not None
    assert (schedule.budget, schedule.told) == (3600, plan.told)
    assert schedule.stages == plan.stages
    assert sum(map(schedule.share, schedule.stages)) == pytest.approx(100)


@pytest.mark.parametrize("content", ["[]", "{", '{"stages": [{"name": "search"}]}'])
def test_damage_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "plan.json").write_text(content)
    with pytest.raises(AtrousError, match=r"plan\.json.*delete it"):
        read_schedule(tmp_path)


def test_a_run_that_was_not_planned_has_no_schedule(tmp_path: Path) -> None:
    assert read_schedule(tmp_path) is None
