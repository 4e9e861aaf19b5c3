"""The smallest search on images that there is, and how it is begun without measuring."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from atrous.core.config import DataConfig, SearchConfig
from atrous.core.options import replaced
from atrous.estimation import estimators
from atrous.estimation.tune import Choice, Workload
from atrous.networks.compute import Compute
from atrous.search.ledger import Entry
from atrous.search.loop import Estimator
from atrous.search.run import Run
from atrous.spaces import find_space
from atrous.stages.search import OF_WHOLE_NETWORKS, begin

HEIGHT, WIDTH = 64, 96
CLASSES = ("sky", "wall", "floor")


def write_data(root: Path) -> Path:
    """Eight pictures of three coloured stripes."""
    rng = np.random.default_rng(0)
    root.mkdir()
    (root / "classes.txt").write_text("\n".join(CLASSES) + "\n")
    for split, count in (("train", 5), ("val", 3), ("test", 2)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            edges = np.sort(rng.integers(8, HEIGHT - 8, 2))
            stripes = np.searchsorted(edges, np.arange(HEIGHT), side="right")
            mask = np.repeat(stripes[:, None], WIDTH, axis=1).astype(np.uint8)
            colours = np.array([(200, 60, 60), (60, 200, 60), (60, 60, 200)])
            image = (colours[mask] + rng.integers(0, 50, (HEIGHT, WIDTH, 3))).astype(np.uint8)
            Image.fromarray(image).save(root / "images" / split / f"{split}{number}.png")
            Image.fromarray(mask).save(root / "masks" / split / f"{split}{number}.png")
    return root


def config(data: Path, **changes: Any) -> SearchConfig:
    asked = replaced(
        SearchConfig(DataConfig(str(data)), "dpc"),
        strategy="random",
        baselines=("dpc:1x1",),
        trials=2,
        workers=1,
        backbone="test_efficientnet",
        weights="none",
        output_stride=16,
        filters=8,
        steps=3,
        batch=2,
        device="cpu",
        executor="inline",
    )
    space = find_space(str(changes.get("space", asked.space)))
    usual: dict[str, Any] = OF_WHOLE_NETWORKS if space.encoder else {}
    return replaced(asked, **{**usual, **changes})


def ignore(_: Entry) -> None:
    """Hears of ended trials."""


def begun(data: Path, path: Path, cache: Path, **changes: Any) -> tuple[Run, Estimator]:
    """The smallest search in the folder `path`, which has no trial yet."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimators, "choose", remembered([]))
        patch.setattr(estimators, "cores", lambda: 1)  # threads that wait for each other are slow
        return begin(config(data, **changes), path, cache)


def remembered(asked: list[Workload]) -> Callable[..., Choice]:
    """In the place of `tuning.choose`: a choice that needs no measuring; `asked` hears of each
    workload."""

    def choose(
        workload: Workload, device: str, workers: int | None, _most: int, _cache: Path
    ) -> Choice:
        asked.append(workload)
        return Choice(Compute(device, "float32", "channels_last", 1), workers or 1)

    return choose
