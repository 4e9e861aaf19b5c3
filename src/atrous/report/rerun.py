"""The command that makes a run again."""

from __future__ import annotations

import shlex

from atrous.run import Settings


def command(settings: Settings) -> list[str]:
    """The command line in parts: the command with its data set, then an option with its value
    each, quoted for a shell. Number type, layout and threads are measured on each machine anew."""
    request = settings.request
    options = {
        "select-on": request.select_on,
        "space": request.space,
        "strategy": request.strategy,
        "trials": request.trials,
        "time": None if request.seconds is None else f"{request.seconds:.10g}s",
        "workers": settings.workers,
        "seed": request.seed,
        "backbone": request.backbone,
        "weights": request.weights,
        "output-stride": request.output_stride,
        "crop": f"{settings.crop[0]}x{settings.crop[1]}",
        "filters": request.filters,
        "steps": request.steps,
        "batch": request.batch,
        "rate": request.rate,
        "score": request.score,
        "baselines": ",".join(request.baselines),
        "device": settings.device,
    }
    given = {name: value for name, value in options.items() if value is not None}
    parts = [f"--{name} {shlex.quote(str(value))}" for name, value in given.items()]
    return [f"atrous search {shlex.quote(request.data)}", *parts]
