"""A file written whole or not at all."""

from __future__ import annotations

from pathlib import Path

from atrous.core.errors import AtrousError


def write_whole(path: Path, text: str) -> None:
    """Writes a text file so that a reader never sees half of it; raises `AtrousError`."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        partial.replace(path)
    except OSError as error:
        raise AtrousError(
            f"Expected to write {path}, but {error}. Make its folder writable and free some "
            "space, or copy the run to another disk."
        ) from error
