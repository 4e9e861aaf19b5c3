"""What a user would do instead: a popular library's networks, at equal time on the same machine.

    pip install segmentation-models-pytorch
    python -m benchmarks.peers DATA --backbone mobilenetv2_100 --weights FILE --minutes 5 --seeds 3

Trains FPN, DeepLabV3Plus and Unet of segmentation_models_pytorch as its users do: end to end with
Adam at 0.001 on whole images, mirrored by chance, under a learning rate that decays to zero as the
time runs out. Then `atrous run` on the same data, backbone, weights and cores with the same budget,
in which everything counts: features, search, training, export, proof. All are scored on the test
split, on which nothing was chosen: mIoU with the mean over seeds and its 95 % interval, parameters,
multiply-adds and latency in onnxruntime. Every network's result is a line of --out; asked again,
only what lacks is done.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnxruntime
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from atrous.core.console import track
from atrous.core.statistics import mean_interval
from atrous.data.dataset import IGNORE, Dataset, Samples, read_image, read_labels, select
from atrous.data.layouts import read_dataset
from atrous.data.transform import Transform
from atrous.networks.backbones import Backbone, import_timm, load_backbone
from atrous.report.page import answer
from atrous.search.run import open_run
from atrous.tasks.segmentation.evaluate import evaluate, summarise
from atrous.training.optimiser import batches

BATCH, RATE, POWER, MULTIPLE = 4, 1e-3, 0.9, 32
PEERS = ("FPN", "DeepLabV3Plus", "Unet")
OURS = "atrous run"
PASSES = 30


@dataclass(frozen=True)
class PeerResult:
    """A trained network: `val` and `test` are mIoU in [0, 1], `steps` 0 where they are not told."""

    network: str
    seed: int
    minutes: float
    steps: int
    val: float
    test: float
    parameters: int
    multiply_adds: int
    latency_ms: float


class Padded(nn.Module):
    """A network of any image size, around one of multiples of 32 pixels: padded at the right and
    below, and cut again."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Normalised images [B, 3, H, W] -> logits [B, K, H, W]."""
        height, width = images.shape[-2:]
        missing = (0, -width % MULTIPLE, 0, -height % MULTIPLE)
        logits: Tensor = self.network(functional.pad(images, missing))
        return logits[..., :height, :width]


def peer(name: str, backbone: Backbone, classes: int) -> Padded:
    """A network of the library on the same backbone with the same weights."""
    library = import_module("segmentation_models_pytorch")

    make: Callable[..., nn.Module] = getattr(library, name)
    encoder = f"tu-{backbone.name}"
    network: Any = make(encoder_name=encoder, encoder_weights=None, classes=classes)
    network.encoder.model.load_state_dict(backbone.network.state_dict())
    return Padded(network)


def loaded(samples: Samples, transform: Transform) -> tuple[Tensor, Tensor]:
    """All images [N, 3, H, W], normalised, and labels [N, H, W]: images of one size."""
    images = torch.stack([transform(read_image(sample.image)) for sample in samples])
    labels = np.stack([read_labels(sample) for sample in samples])
    return images, torch.from_numpy(labels)


def train(network: nn.Module, images: Tensor, labels: Tensor, seconds: float, seed: int) -> int:
    """Trains until the time is over; returns the number of steps."""
    torch.manual_seed(seed)
    network.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    adam, steps, start = torch.optim.Adam(network.parameters(), lr=RATE), 0, time.monotonic()
    for index in batches(len(images), BATCH, seed):
        share = (time.monotonic() - start) / seconds
        if share >= 1:
            break
        adam.param_groups[0]["lr"] = RATE * (1 - share) ** POWER
        batch, truth = images[index], labels[index].long()
        if torch.rand(()) < 0.5:
            batch, truth = batch.flip(3), truth.flip(2)
        logits = network(batch.contiguous(memory_format=torch.channels_last))
        loss = functional.cross_entropy(logits, truth, ignore_index=IGNORE)
        adam.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        adam.step()
        steps += 1
    network.eval()
    return steps


def scored(network: nn.Module, transform: Transform, samples: Samples, classes: int) -> float:
    """The mIoU over all pixels of some images at full size."""
    return float(summarise(evaluate(network, transform, samples, classes)).miou)


def latency(path: Path, size: tuple[int, int]) -> float:
    """The median of passes of an ONNX file in onnxruntime on one image, in milliseconds: of pixels
    as they are on disk where the file normalises them itself."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    asked = session.get_inputs()[0]
    kind = np.uint8 if asked.type == "tensor(uint8)" else np.float32
    given = {asked.name: np.random.randint(0, 256, (1, 3, *size)).astype(kind)}
    taken = []
    for _ in range(PASSES + 5):
        start = time.perf_counter()
        session.run(None, given)
        taken.append(1000 * (time.perf_counter() - start))
    return float(np.median(taken[5:]))


def of_peer(asked: argparse.Namespace, name: str, dataset: Dataset, seed: int) -> PeerResult:
    """Trains and measures one network of the library; reading images is within its time."""
    start, classes = time.monotonic(), len(dataset.classes)
    backbone = load_backbone(asked.backbone, asked.weights, MULTIPLE)
    transform = Transform(backbone.mean, backbone.std)
    training, selection = select(dataset, asked.select_on)
    images, labels = loaded(training, transform)
    network = peer(name, backbone, classes)
    left = 60 * asked.minutes - (time.monotonic() - start)
    steps = train(network, images, labels, left, seed)
    size = (int(images.shape[2]), int(images.shape[3]))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(images[:1])
    with TemporaryDirectory() as folder:
        path = Path(folder, "peer.onnx")
        even = tuple(side + -side % MULTIPLE for side in size)
        torch.onnx.export(network.network, (torch.zeros(1, 3, *even),), path, dynamo=False)
        milliseconds = latency(path, (even[0], even[1]))
    return PeerResult(
        name,
        seed,
        asked.minutes,
        steps,
        scored(network, transform, selection, classes),
        scored(network, transform, dataset.splits["test"], classes),
        sum(parameter.numel() for parameter in network.parameters()),
        counter.get_total_flops() // 2,
        milliseconds,
    )


def of_ours(asked: argparse.Namespace, dataset: Dataset, seed: int) -> PeerResult:
    """Runs the command as a user would, then measures the network that it hands over."""
    out = asked.out.with_suffix("") / f"run-{asked.minutes:g}m-{seed}"
    program = [sys.executable, "-m", "atrous", "run"]
    anew = [
        *(*program, str(asked.data), "--out", str(out)),
        *("--budget", f"{60 * asked.minutes:g}s", "--backbone", asked.backbone),
        *("--weights", asked.weights, "--select-on", asked.select_on, "--seed", str(seed)),
        *asked.run_options,
    ]
    subprocess.run([*program, "--resume", str(out)] if out.exists() else anew, check=True)
    model = answer(open_run(out)).model
    if model is None:
        raise SystemExit(f"Expected a trained model in {out}, but there is none.")
    found = json.loads((model / "model.json").read_text())["training"]
    evaluations = json.loads((model / "evaluation.json").read_text())
    test = next(one for one in evaluations if one["split"] == "test")
    first = read_image(dataset.splits["test"][0].image)
    milliseconds = latency(model.parent / "model.onnx", (first.shape[0], first.shape[1]))
    return PeerResult(
        OURS,
        seed,
        asked.minutes,
        0,
        found["selection_miou"],
        test["miou"],
        found["parameters"],
        found["multiply_adds"],
        milliseconds,
    )


def kept(path: Path) -> list[PeerResult]:
    """The results that a file holds."""
    if not path.exists():
        return []
    return [PeerResult(**json.loads(line)) for line in path.read_text().splitlines()]


def main() -> None:
    """Trains what lacks, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="builtin")
    parser.add_argument("--select-on", default="val")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[*PEERS, OURS])
    parser.add_argument("--out", type=Path, default=Path("peers.jsonl"))
    parser.add_argument("--run-options", nargs="*", default=[], help="Of atrous run, without --.")
    asked = parser.parse_args()
    asked.run_options = [part for option in asked.run_options for part in f"--{option}".split("=")]
    import_timm()
    dataset = read_dataset(asked.data)
    done = {(one.network, one.seed, one.minutes) for one in kept(asked.out)}
    wanted = [(name, seed) for seed in range(asked.seeds) for name in asked.only]
    left = [pair for pair in wanted if (*pair, asked.minutes) not in done]
    for name, seed in track(left, "training networks", len(left)):
        make = of_ours if name == OURS else lambda a, d, s, name=name: of_peer(a, name, d, s)
        result = make(asked, dataset, seed)
        with asked.out.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
    for line in table([one for one in kept(asked.out) if one.minutes == asked.minutes]):
        print(line)


def table(results: list[PeerResult]) -> Iterator[str]:
    """A line a network: test mIoU with its interval, val mIoU, steps, and costs."""
    yield "| network | seeds | test mIoU | val mIoU | steps | parameters | multiply-adds | ms |"
    yield "|---|---|---|---|---|---|---|---|"
    for name in dict.fromkeys(one.network for one in results):
        mine = [one for one in results if one.network == name]
        test = mean_interval([100 * one.test for one in mine])
        val = sum(100 * one.val for one in mine) / len(mine)
        yield (
            f"| {name} | {len(mine)} | {test.mean:.1f} [{test.low:.1f}, {test.high:.1f}] "
            f"| {val:.1f} | {mine[0].steps} | {mine[0].parameters:,} "
            f"| {mine[0].multiply_adds:,} | {mine[0].latency_ms:.1f} |"
        )


if __name__ == "__main__":
    main()
