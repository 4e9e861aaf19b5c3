"""Atrous: finds the dense-prediction network that fits your images, device and budget.

`atrous.run` does it all within a budget of time; `search`, `train`, `evaluate`, `export` and
`check` are its parts, with the options of the commands as arguments. `atrous.load` opens a trained
model; `atrous.Model` is what it gives. `atrous.AtrousError` is raised for what a user can mend.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load, in which no interruption could be met

if TYPE_CHECKING:
    from typing import Any

    from atrous.core.errors import AtrousError as AtrousError
    from atrous.model.model import Model as Model
    from atrous.model.model import load as load
    from atrous.stages.asked import check as check
    from atrous.stages.asked import evaluate as evaluate
    from atrous.stages.asked import export as export
    from atrous.stages.asked import run as run
    from atrous.stages.asked import search as search
    from atrous.stages.asked import train as train

    __version__: str

__all__ = [
    "AtrousError",
    "Model",
    "__version__",
    "check",
    "evaluate",
    "export",
    "load",
    "run",
    "search",
    "train",
]
PLACES = {"AtrousError": "core.errors", "Model": "model.model", "load": "model.model"}


def __getattr__(name: str) -> Any:
    """Imports what is asked for, and torch with it only where a model is."""
    if name not in __all__:
        raise AttributeError(f"module 'atrous' has no attribute {name!r}")
    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("atrous")
    return getattr(import_module(f"atrous.{PLACES.get(name, 'stages.asked')}"), name)


def __dir__() -> list[str]:
    return __all__
