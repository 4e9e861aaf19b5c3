"""Atrous: finds the dense-prediction network that fits your images, device and budget.

`atrous.load` opens a trained model; `atrous.Model` is what it gives.
"""

from __future__ import annotations

TYPE_CHECKING = False  # typing takes a while to load, in which no interruption could be met

if TYPE_CHECKING:
    from typing import Any

    from atrous.model.model import Model as Model
    from atrous.model.model import load as load

__all__ = ["Model", "load"]


def __getattr__(name: str) -> Any:
    """Imports torch only when a model is asked for."""
    if name == "load":
        from atrous.model.model import load

        return load
    if name == "Model":
        from atrous.model.model import Model

        return Model
    raise AttributeError(f"module 'atrous' has no attribute {name!r}")
