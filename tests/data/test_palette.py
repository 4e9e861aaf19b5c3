from __future__ import annotations

from atrous.data.encoding import distinct, voc_colours


def test_the_voc_map_is_the_published_one() -> None:
    assert voc_colours(256)[1] == (128, 0, 0)
    assert voc_colours(256)[8] == (64, 0, 0)
    assert voc_colours(256)[255] == (224, 224, 192)
    assert len(set(voc_colours(256))) == 256


def test_distinct_colours_are_stable_and_all_different() -> None:
    assert distinct(3) == distinct(255)[:3]
    assert distinct(20) == distinct(255)[:20]
    assert len(set(distinct(255))) == len(distinct(255)) == 255
