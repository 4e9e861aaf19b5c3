from __future__ import annotations

import pytest

from atrous.stages.train import config as training_config


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks are slow on threads that wait for each other where cores are taken."""
    monkeypatch.setattr(training_config, "cores", lambda: 1)
