"""The memory that a network needs, foretold and measured."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from atrous.core.words import mebibytes
from atrous.model.predict.memory import bytes_per_pixel, fitting_tile, least, needed
from tests.cases import each

MEASURED = """
import resource, sys, torch
from atrous.model.predict.memory import bytes_per_pixel, needed
from atrous.tasks.segmentation.probabilities import probabilities
from tests.model.material import model

def peak():
    if sys.platform == "linux":  # there, ru_maxrss begins with that of the process before
        status = open("/proc/self/status").read()
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

torch.set_num_threads(1)
network = model(classes=tuple(map(str, range(40))), colours=((0, 0, 0),) * 40).network
scales, flip = (1.0, 1.5), True
side = 750
foretold = needed((side, side), (side, side), bytes_per_pixel(network, scales, flip), 40)
image = torch.zeros(3, side, side)
before = peak()
probabilities(network, image, scales, flip)
print(foretold, peak() - before)
"""


@pytest.mark.slow
def test_what_is_foretold_is_enough_and_not_far_off() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MEASURED], capture_output=True, text=True, check=True
    )
    foretold, measured = map(float, ran.stdout.split())
    assert 0.5 * foretold < measured < foretold


def test_memory_grows_with_the_square_of_the_largest_scale() -> None:
    network = nn.Conv2d(3, 8, 3, padding=1)
    once, twice = (bytes_per_pixel(network, (1.0, scale), False) for scale in (1.0, 2.0))
    assert 2 * once < twice < 4.2 * once


def test_tensors_count_only_while_they_live() -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 1), *(nn.Conv2d(8, 8, 1) for _ in range(9))]
    short, long = (
        bytes_per_pixel(nn.Sequential(*layers[:count]), (1.0,), False) for count in (4, 10)
    )
    assert short == long


def test_an_image_that_fits_is_one_tile() -> None:
    assert fitting_tile((100, 300), 2**30, 400, 19) == (100, 300)


@each("size", [(9000, 12000), (12000, 300), (300, 12000), (2000, 2000)])
@each("memory", [2**28, 2**29])
def test_the_largest_tile_that_fits_is_taken(size: tuple[int, int], memory: int) -> None:
    tile = fitting_tile(size, memory, 400, 19)
    assert tile is not None
    assert needed(size, tile, 400, 19) <= memory
    assert needed(size, (tile[0] + 1, tile[1] + 1), 400, 19) > memory


def test_too_little_memory_is_told() -> None:
    size = (9000, 12000)
    enough = least(size, 400, 19)
    assert fitting_tile(size, enough - 1, 400, 19) is None
    assert fitting_tile(size, enough, 400, 19) is not None


def test_bytes_in_words_are_never_too_few() -> None:
    assert [mebibytes(n) for n in (2**20 + 1, 2**30, 1.41 * 2**30)] == ["2 MiB", "1 GiB", "1.5 GiB"]
