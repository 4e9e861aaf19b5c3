from __future__ import annotations

import pytest

from atrous.stages.train import ask


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks are slow on threads that wait for each other where cores are taken."""
    monkeypatch.setattr(ask, "cores", lambda: 1)
