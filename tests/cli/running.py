"""Commands as a user types them, run in this process, where torch is imported already."""

from __future__ import annotations

import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from atrous.cli import main


@dataclass(frozen=True)
class Ended:
    """The exit code of a command, and what it told."""

    returncode: object
    stdout: str
    stderr: str


def atrous(*arguments: str | Path, folder: Path, encoding: str = "utf-8") -> Ended:
    """How a command ended that was typed in a folder, with streams such as those of a process."""
    printed = BytesIO(), BytesIO()
    out, err = (TextIOWrapper(each, encoding, write_through=True) for each in printed)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["atrous", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
    return Ended(ended.value.code, *(each.getvalue().decode(encoding) for each in printed))
