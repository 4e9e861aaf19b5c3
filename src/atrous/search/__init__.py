"""The search; the package may be called: `atrous.search(...)` is that of `stages/asked.py`."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


class _Search(ModuleType):
    """A package that may be called: both it and the function are `atrous.search`."""

    def __call__(self, *given: Any, **options: Any) -> Any:
        return import_module("atrous.stages.asked").search(*given, **options)


sys.modules[__name__].__class__ = _Search
