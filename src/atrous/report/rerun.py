"""The command that makes a run again."""

from __future__ import annotations

import shlex

from atrous.run import Settings


def command(settings: Settings) -> list[str]:
    """The command line in parts: the command with its data set, then an option with its value
    each, quoted for a shell. Number type, layout and threads are measured on each machine anew."""
    options = {
        "select-on": settings.select_on,
        "space": settings.space,
        "strategy": settings.strategy,
        "trials": settings.trials,
        "time": None if settings.seconds is None else f"{settings.seconds:.10g}s",
        "workers": settings.workers,
        "seed": settings.seed,
        "backbone": settings.backbone,
        "weights": settings.weights,
        "output-stride": settings.output_stride,
        "crop": f"{settings.crop[0]}x{settings.crop[1]}",
        "filters": settings.filters,
        "steps": settings.steps,
        "batch": settings.batch,
        "rate": settings.rate,
        "score": settings.score,
        "baselines": ",".join(settings.baselines),
        "device": settings.device,
    }
    given = {name: value for name, value in options.items() if value is not None}
    parts = [f"--{name} {shlex.quote(str(value))}" for name, value in given.items()]
    return [f"atrous search {shlex.quote(settings.data)}", *parts]
