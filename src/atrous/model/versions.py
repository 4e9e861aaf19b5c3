"""Versions of the software that a network's numbers depend on."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

PACKAGES = ("atrous", "torch", "timm", "numpy", "pillow", "safetensors")


def software() -> dict[str, str]:
    """What is installed, by package."""
    return {name: found for name in PACKAGES if (found := _version(name))}


def differences(saved: Mapping[str, str]) -> str:
    """What was saved with other versions than are installed, as a sentence, or ''."""
    changed = [
        f"{name} {saved[name]} (here {found})"
        for name, found in software().items()
        if name in saved and saved[name] != found
    ]
    return f" It was saved with {', '.join(changed)}." if changed else ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
