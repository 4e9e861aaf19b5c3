"""The request for a whole run: kept in its folder before anything is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from atrous.core.config import SearchConfig
from atrous.core.console import command
from atrous.core.errors import AtrousError, require_all
from atrous.core.files import hold, make_folder, whole_folder
from atrous.core.options import replaced, require_in_range
from atrous.core.records import read, write
from atrous.core.stage_config import TrainingConfig, WholeConfig
from atrous.data.canvas import require_crop
from atrous.data.dataset import select
from atrous.data.layouts import read_dataset
from atrous.estimation.search_data import moved
from atrous.networks.backbones import outline
from atrous.networks.compute import pick_device
from atrous.report.trained import PLAN
from atrous.scenes.scene import write_scenes
from atrous.search.run import ABOUT, open_run, require_no_run, unknown
from atrous.spaces import (
    family_of,
    needs_backbone,
    quick_space,
)
from atrous.stages import search as driver

WHOLE, FORMAT, WHAT = "whole.json", 7, "what a whole run was asked for"
LOCK = "whole.lock"
BUDGET = 7200
"""Seconds, where a run has no limit."""
STEPS_BY_BUDGET = ((600, 150), (3600, 300))
"""Training steps of a trial for budgets up to so many seconds; as usual for longer ones."""
WIDE = 900
"""Seconds from which decoders are twice as wide as usual and read a map twice as fine: there is
time to train all of the backbone, whose steps they hardly lengthen (docs/results.md)."""
BATCH = 4
"""Images a training step: few, so that a laptop gets somewhere in some minutes."""
MANY = 1000
"""Trials, before a measurement tells how many fit into the budget."""


def usual(space: str, seconds: float = BUDGET) -> WholeConfig:
    """Returns the whole run of a space for a budget where the user says nothing else."""
    search = replaced(driver.usual(space), trials=MANY, time=float(seconds))
    steps = next((few for most, few in STEPS_BY_BUDGET if seconds <= most), search.proxy.steps)
    search = replaced(search, steps=steps)
    finest = family_of(space).defaults.finest_on_cpu
    if finest and seconds >= WIDE:
        search = replaced(search, filters=2 * search.proxy.filters, finest_stride=finest // 2)
    return WholeConfig(search, TrainingConfig(batch=BATCH))


def begin(config: WholeConfig, out: Path) -> None:
    """Keeps what is asked for; `finish` does it. Raises `AtrousError`."""
    require_possible(config)
    search = driver.lasting(config.search)
    _require_room(out)
    _require_there(search)
    with locked(out):
        _require_room(out)
        keep(replace(config, search=search), out)


def require_possible(config: WholeConfig) -> None:
    """Raises `AtrousError` with all that is wrong with a whole run, before data is looked at."""
    search, crop = config.search, config.training.crop
    canvas = search.encoder.output_stride
    require_all(
        partial(_require_cells, search),
        partial(_require_time, search.budget.seconds),
        # Its time is the budget, which is checked above under the name that the user knows.
        partial(driver.require_possible, replaced(search, time=None)),
        partial(require_in_range, config.training),
        lambda: require_crop(crop, canvas) if crop and canvas else None,
    )


def give(out: Path, seconds: float) -> None:
    """Another budget for a run, as long as it is not split. Raises `AtrousError`."""
    config = kept(out)
    _require_time(seconds)
    with locked(out):
        if (out / PLAN).exists():
            raise AtrousError(
                f"The budget of {out} is split already, as {out / PLAN} says, so --budget cannot "
                f"be changed. Go on without it: {command('run', '--resume', out)}"
            )
        keep(replaced(config, budget=seconds), out)


def move(out: Path, data: Path) -> None:
    """Takes the data set of a run from another folder from now on, if it is the same.

    Raises `AtrousError`.
    """
    config = kept(out)
    if (out / ABOUT).exists():
        moved(open_run(out), data)
    with locked(out):
        keep(replaced(config, data=str(data.resolve())), out)


def keep(config: WholeConfig, folder: Path) -> None:
    """Keeps what is asked for in the run's folder, in the place of an earlier one.

    Raises `AtrousError` if it cannot be written.
    """
    write(folder / WHOLE, config, FORMAT, WHAT, sealed=False)


def kept(folder: Path) -> WholeConfig:
    """Returns what the run in a folder was asked for; raises `AtrousError` if there is none."""
    absent = (
        f"Expected a whole run at {folder}: a folder with {WHOLE}, as atrous run makes it. "
        "There is no such file. A search goes on with: atrous search --resume"
    )
    mend = "Restore the file from a copy, or begin anew with another --out."
    config = read(folder / WHOLE, WholeConfig, FORMAT, WHAT, absent, mend)
    if told := unknown(config.search):
        words = "; ".join(f"search.{each}" for each in told)
        raise AtrousError(f"Expected {WHAT} in {folder / WHOLE}, but: {words} {mend}")
    return config


def _require_cells(config: SearchConfig) -> None:
    """Raises `AtrousError` for a space of whole networks, of which no trial is a measure of the
    time that the stages take."""
    if not needs_backbone(config.space):
        raise AtrousError(
            f"Expected a space of parts on a backbone, got --space {config.space}. "
            "Go the way of whole networks stage by stage: "
            f"{command('search', config.data.path, '--space', config.space)}, then rerank, train, "
            "evaluate and export."
        )


def _require_time(seconds: float | None) -> None:
    if seconds is not None and not seconds > 0:
        raise AtrousError(f"--budget is a time such as 90s, 30m or 2h, got {seconds:g}s.")


def _require_room(out: Path) -> None:
    """Raises `AtrousError` if a run has begun in the folder; until then, it may be asked anew."""
    if (out / WHOLE).exists() and (out / ABOUT).exists():
        raise AtrousError(
            f"There is a run in {out} already. Go on with it: "
            f"{command('run', '--resume', out)}; or name another folder with --out."
        )
    require_no_run(out)


def _require_there(config: SearchConfig) -> None:
    """Raises `AtrousError` for data, a backbone or a device that there is not."""
    select(read_dataset(Path(config.data.path)), config.data.select_on)
    backbone, _, output_stride = config.encoder.chosen
    outline(backbone, output_stride)
    pick_device(config.machine.device)


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Holds the folder for one whole run; raises `AtrousError` if another process has it."""
    make_folder(out, "a run")
    busy = (
        f"Another process is at work on the run in {out}. Wait for it, or watch it with: "
        f"{command('status', out)}"
    )
    with hold(out / LOCK, busy):
        yield


IMAGES, SEED, DEMO = 480, 0, 190.0
"""Scenes of the demonstration, and its seconds."""


def demo_config(out: Path) -> WholeConfig:
    """Draws the scenes into `out` and gives what to run on them."""
    data = out / "scenes"
    if not data.exists():
        out.mkdir(parents=True, exist_ok=True)
        with whole_folder(data) as partial:
            write_scenes(partial, IMAGES, SEED)
    asked = replaced(usual(quick_space(), DEMO), data=str(data), weights="builtin", seed=SEED)
    return replace(asked, stretch=True)
