from __future__ import annotations

from tests.training.conftest import data as data
from tests.training.conftest import samples as samples
