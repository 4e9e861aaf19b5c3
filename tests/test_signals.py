"""Likeness to a teacher, as the benchmark of early signals has it."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.signals import difference, distances, similarity

RNG = np.random.default_rng(0)
TEACHER = RNG.normal(size=(12, 40))
"""The vectors of twelve images."""


def test_neither_centring_nor_scaling_an_image_changes_its_distances() -> None:
    centred = TEACHER - TEACHER.mean(1, keepdims=True)
    scaled = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    assert distances(scaled) == pytest.approx(distances(TEACHER))
    assert distances(TEACHER).shape == (12 * 11 // 2,)


def test_who_sees_what_the_teacher_sees_is_like_it_whatever_its_channels() -> None:
    turned, _ = np.linalg.qr(RNG.normal(size=(40, 40)))
    centred = TEACHER - TEACHER.mean(1, keepdims=True)
    wide = np.concatenate([centred @ turned, -centred @ turned], 1)
    assert similarity(distances(wide), distances(TEACHER)) == pytest.approx(1, abs=0.02)
    noisy = [TEACHER + spread * RNG.normal(size=TEACHER.shape) for spread in (0.3, 1, 9)]
    alike = [similarity(distances(each), distances(TEACHER)) for each in noisy]
    assert alike == sorted(alike, reverse=True)
    assert abs(alike[-1]) < 0.3


def test_the_better_order_is_told_with_its_interval() -> None:
    last = [float(n) for n in range(20)]
    other = [*last[10:], *last[:10]]
    more = difference(last, other, last)
    assert more.startswith("+1.5")
    assert "[+1." in more
