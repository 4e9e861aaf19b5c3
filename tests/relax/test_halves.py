"""The two halves of the images have none in common, and all together."""

from __future__ import annotations

import pytest

from atrous.core.errors import AtrousError
from atrous.data.dataset import Samples
from atrous.data.layouts import read_dataset
from atrous.relax.halves import halves
from tests.small_search import write_data


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    root = write_data(tmp_path_factory.mktemp("halves") / "data")
    return read_dataset(root).splits["train"]


@pytest.mark.parametrize("seed", range(5))
def test_no_image_is_in_both_halves_and_none_is_left_out(samples: Samples, seed: int) -> None:
    weights, architecture = halves(samples, seed)
    assert not {s.image for s in weights} & {s.image for s in architecture}
    assert {s.image for s in (*weights, *architecture)} == {s.image for s in samples}
    assert (len(weights), len(architecture)) == (3, 2)


def test_another_seed_draws_other_halves(samples: Samples) -> None:
    assert halves(samples, 0) == halves(samples, 0)
    assert len({halves(samples, seed)[1] for seed in range(8)}) > 1


def test_one_image_cannot_be_halved(samples: Samples) -> None:
    with pytest.raises(AtrousError, match="at least 2 training images"):
        halves(samples[:1], 0)
