"""Two halves of the training images: one trains the weights, the other the architecture."""

from __future__ import annotations

from random import Random

from atrous.core.errors import AtrousError
from atrous.data.dataset import Samples


def halves(samples: Samples, seed: int) -> tuple[Samples, Samples]:
    """Two random halves without an image in common; of an odd number, the first has one more.

    Raises `AtrousError` for fewer than two images.
    """
    if len(samples) < 2:
        raise AtrousError(
            f"Expected at least 2 training images, one for the weights and one for the "
            f"architecture, got {len(samples)}. Add images to the train split."
        )
    order = list(range(len(samples)))
    Random(f"halves/{seed}").shuffle(order)
    middle = (len(order) + 1) // 2
    weights, architecture = sorted(order[:middle]), sorted(order[middle:])
    if set(weights) & set(architecture) or len(weights) + len(architecture) != len(samples):
        raise AssertionError("the halves overlap")
    return tuple(samples[i] for i in weights), tuple(samples[i] for i in architecture)
