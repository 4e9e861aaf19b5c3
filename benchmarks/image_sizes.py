"""Memory and time of a search, a training and a prediction by the size of the images.

    python -m benchmarks.image_sizes DATA --backbone mobilenetv2_100 --weights FILE

Makes data sets of a few of the images, enlarged or reduced to each size, and gives them to the
commands as a user would. Prints for each command the most memory that any one of its processes held
(the resident set, features mapped from disk counted) and its seconds, start of the program within.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from atrous.core.console import track
from atrous.data.dataset import Samples
from atrous.data.layouts import read_dataset

SIZES = ("320x240", "480x360", "640x480", "1024x768", "2048x1024")
SPLITS = {"train": 8, "val": 4}
STEPS, TRIALS = 4, 2


def main() -> None:
    """Prints a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="builtin")
    parser.add_argument("--space", default="fast_dense")
    parser.add_argument("--sizes", nargs="*", default=SIZES, help="WIDTHxHEIGHT")
    asked = parser.parse_args()
    dataset = read_dataset(asked.data)
    print("| width x height | search, MiB, s | training | prediction of one image |")
    print("|---|---|---|---|", flush=True)
    for size in track(asked.sizes, "image sizes", len(asked.sizes)):
        width, height = map(int, size.split("x"))
        with TemporaryDirectory() as folder:
            data = Path(folder, "data")
            for split, count in SPLITS.items():
                resized(dataset.splits[split][:count], data, split, (width, height))
            names = "\n".join(dataset.classes)
            (data / "classes.txt").write_text(f"{names}\n")
            cells = " | ".join(f"{mib:.0f}, {s:.0f}" for mib, s in taken(asked, Path(folder)))
        print(f"| {width} x {height} | {cells} |", flush=True)


def resized(samples: Samples, data: Path, split: str, size: tuple[int, int]) -> None:
    """Writes images and masks of this (width, height), masks by the nearest pixel."""
    for kind, how in (("images", Image.Resampling.BILINEAR), ("masks", Image.Resampling.NEAREST)):
        (data / kind / split).mkdir(parents=True)
        for number, sample in enumerate(samples):
            source = sample.image if kind == "images" else sample.mask
            with Image.open(source) as image:
                image.resize(size, how).save(data / kind / split / f"{number}.png")


def taken(asked: argparse.Namespace, folder: Path) -> list[tuple[float, float]]:
    """The MiB and seconds of a search, of a training and of a prediction, in this order."""
    data, run, out = folder / "data", folder / "run", folder / "trained"
    cache = ("--cache", str(folder / "cache"))
    backbone = ("--backbone", asked.backbone, "--weights", asked.weights)
    of_search = ("search", data, *backbone, "--space", asked.space, "--workers", "1", *cache)
    proxy = ("--trials", TRIALS, "--steps", STEPS, "--baselines", "fpn", "--out", run)
    of_training = ("train", "fpn", "--data", data, "--select-on", "val", *backbone)
    protocol = ("--filters", 32, "--output-stride", 32, "--finest-stride", 8, "--batch", 4)
    return [
        measured((*of_search, *proxy)),
        measured((*of_training, *protocol, "--steps", STEPS, "--out", out)),
        measured(
            ("predict", out / "model", data / "images" / "val" / "0.png", "--out", folder / "told")
        ),
    ]


def measured(arguments: Sequence[object]) -> tuple[float, float]:
    """The most MiB that a process of an atrous command held, and its seconds."""
    command = [sys.executable, "-m", "atrous", *map(str, arguments)]
    start = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    told = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed:\n{told.decode()}")
    return usage.ru_maxrss / 1024, time.monotonic() - start


if __name__ == "__main__":
    main()
