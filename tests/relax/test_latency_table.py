"""The table of latencies as a record."""

from __future__ import annotations

import json

import pytest

from atrous.core.errors import AtrousError
from atrous.relax.latency_table import table_from_json
from tests.relax.tables import TABLE


def test_the_record_survives_json() -> None:
    text = json.dumps(TABLE.to_json())
    assert table_from_json(json.loads(text)) == TABLE
    assert json.loads(text)["operations"]["stride 8, step 2"]["skip"] == pytest.approx(2.16)


@pytest.mark.parametrize("missing", ["operations", "inputs", "setting"])
def test_a_record_that_lacks_something_is_refused(missing: str) -> None:
    values = TABLE.to_json()
    del values[missing]
    with pytest.raises(AtrousError, match=missing):
        table_from_json(values)
