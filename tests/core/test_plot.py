"""Labels that do not collide."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from atrous.core.drawing import spread
from tests.cases import each


def test_labels_with_room_stay() -> None:
    assert spread([50, 10, 90], 14, 100) == [50, 10, 90]


def test_colliding_labels_move_apart_about_their_centre() -> None:
    assert spread([50, 52], 14, 100) == [44, 58]


def test_labels_at_the_edge_stay_inside() -> None:
    assert spread([99, 100, 1], 10, 100) == [90, 100, 1]


@each("seed", range(20))
def test_order_and_gap_hold(seed: int) -> None:
    rng = Random(seed)
    wanted = [rng.uniform(0, 100) for _ in range(7)]
    places = spread(wanted, 14, 100)
    ordered = [place for _, place in sorted(zip(wanted, places, strict=True))]
    gaps = [b - a for a, b in pairwise(ordered)]
    assert min(gaps) >= 14 - 1e-9
    assert min(places) >= -1e-9
    assert max(places) <= 100 + 1e-9
