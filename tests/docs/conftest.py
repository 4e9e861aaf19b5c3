from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.sandbox import Sandbox, sandbox


@pytest.fixture(scope="package")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """One for all pages, because what is in it takes seconds to make."""
    with sandbox(tmp_path_factory.mktemp("home")) as made:
        yield made
