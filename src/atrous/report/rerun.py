"""The command that makes a run again."""

from __future__ import annotations

import shlex

from atrous.core.config import Relaxation
from atrous.search.run import Settings


def command(settings: Settings) -> list[str]:
    """The command line in parts: the command with its data set, then an option with its value
    each, quoted for a shell. Number type, layout and threads are measured on each machine anew."""
    request = settings.request
    options: dict[str, str | float | bool | None] = {
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
    if not request.backbone:
        for name in ("backbone", "weights", "output-stride"):
            del options[name]
    if request.relaxation:
        options |= _relaxation(request.relaxation)
    given = {n: value for n, value in options.items() if value is not None and value is not False}
    parts = [
        f"--{name}" if value is True else f"--{name} {shlex.quote(str(value))}"
        for name, value in given.items()
    ]
    return [f"atrous search {shlex.quote(request.data)}", *parts]


def _relaxation(asked: Relaxation) -> dict[str, str | float | bool | None]:
    """The options of a differentiable search; flags are true or false."""
    return {
        "gate": asked.gate,
        "search-steps": asked.steps,
        "search-filters": asked.filters,
        "search-batch": asked.batch,
        "search-crop": f"{asked.crop[0]}x{asked.crop[1]}" if asked.crop else None,
        "warm-up": asked.warm_up,
        "seeds": asked.seeds,
        "candidates": asked.candidates,
        "neutral": asked.neutral,
        "search-precision": asked.precision,
        "checkpointing": asked.checkpointing,
        "hessian": asked.hessian,
        "stop-on-collapse": asked.stop,
    }
