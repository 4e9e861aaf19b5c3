"""What makes the tests quick on a busy machine, and changes nothing that they look at."""

from __future__ import annotations

import os
import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory
from optuna.storages._rdb.storage import _VersionManager
from sqlalchemy import event
from sqlalchemy.engine import Engine

os.environ["OMP_NUM_THREADS"] = "1"
"""Threads of torch that wait for each other make small networks slow where cores are taken."""
LONG = ("training", "stages", "docs", "model", "cli", "recipes")
"""The rooms whose files take longest."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with long files: of two processes none waits at the end while another has one left."""

    def place(item: pytest.Item) -> int:
        room = item.path.relative_to(Path(__file__).parent).parts[0]
        return LONG.index(room) if room in LONG else len(LONG)

    items.sort(key=place)


def pytest_runtest_setup() -> None:
    """Takes back the threads that an earlier test gave to torch, as commands do."""
    torch = sys.modules.get("torch")
    if torch and torch.get_num_threads() > 1:
        torch.set_num_threads(1)


@event.listens_for(Engine, "connect")
def _leave_it_to_the_system_when_to_write(connection: sqlite3.Connection, _: object) -> None:
    """A ledger outlives a killed process as before, though not a power cut."""
    connection.execute("PRAGMA synchronous = OFF")


_manager: Any = _VersionManager
_read = _VersionManager._create_alembic_script
_SCRIPTS: list[ScriptDirectory] = []


def _read_once(manager: _VersionManager) -> ScriptDirectory:
    """Optuna's scripts for databases of its earlier versions, which each opening reads anew: that
    takes three times as long as to open a ledger."""
    if not _SCRIPTS:
        _SCRIPTS.append(_read(manager))
    return _SCRIPTS[0]


_manager._create_alembic_script = _read_once
