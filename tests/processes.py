"""Watching processes and files, without a deadline that a slow machine could miss."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from atrous.core.files import HOST, PARTIAL

PATIENCE = 120.0
"""Seconds after which a test gives up waiting."""


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether the condition comes true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return False


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended but was not waited for does not."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            return stat.read_text().rpartition(")")[2].split()[0] != "Z"
        except (FileNotFoundError, ProcessLookupError):
            return False
    found = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    return bool(found.stdout.strip()) and not found.stdout.startswith("Z")


def ended() -> int:
    """The id of a process that is no more."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


def left_behind(folder: Path, name: str = "0") -> Path:
    """The path of something that a killed process was writing to the folder."""
    return folder / f"{PARTIAL}-{HOST}-{ended()}-{name}"


def pids(folder: Path) -> list[int]:
    """The processes that have left a file named by their id in the folder."""
    return [int(path.name) for path in folder.iterdir() if path.name.isdigit()]
