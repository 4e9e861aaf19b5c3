"""A real browser without a window."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--v=0",
)


@dataclass(frozen=True)
class Browser:
    """A browser program; `profile` is an empty folder that it may fill."""

    program: str
    profile: Path

    def dom(self, page: Path) -> tuple[str, str]:
        """The page's elements after loading, and what the browser had to say."""
        done = self._run(page, "--dump-dom")
        return done.stdout, done.stderr

    def screenshot(self, page: Path, picture: Path, width: int, height: int) -> None:
        """Writes a picture of the page's first `height` pixels."""
        self._run(page, f"--window-size={width},{height}", f"--screenshot={picture}")

    def _run(self, page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
        profile = f"--user-data-dir={self.profile}"
        command = [self.program, *FLAGS, profile, *flags, page.resolve().as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)


def find_browser() -> str | None:
    """The path of a browser, or `None`."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)
