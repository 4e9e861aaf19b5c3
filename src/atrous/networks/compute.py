"""How a network is computed: device, number type, memory layout and threads."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from atrous.core.errors import AtrousError, NoRoomError
from atrous.core.records import Device, Positive, Threads
from atrous.core.words import mebibytes
from atrous.execution import executor
from atrous.networks.pyramid import Pyramid

Precision = Literal["float32", "bfloat16"]
Layout = Literal["channels_last", "contiguous"]


def whole_precision(device: str, asked: Precision | None) -> Precision:
    """The number type of products where a whole network is trained: bfloat16 on a GPU, float32 on
    a CPU, unless asked otherwise.

    Raises AtrousError for bfloat16 on a CPU: torch 2.13 gets the gradient of a dilated depthwise
    convolution wrong there, by more than its own size, without a word.
    """
    gpu = device.startswith("cuda")
    if asked == "bfloat16" and not gpu:
        raise AtrousError(
            "--precision bfloat16 (or --search-precision bfloat16) trains whole networks on a GPU "
            "only: on a CPU, torch computes wrong gradients of dilated depthwise convolutions with "
            "it. Leave it out, which is float32 there."
        )
    return asked or ("bfloat16" if gpu else "float32")


@dataclass(frozen=True)
class Compute:
    """How a trial is computed. Two trials are comparable only under one `Compute`.

    `precision` is that of the products (weights and sums stay in float32); `threads` are those of
    one worker, on a CPU.
    """

    device: Device
    precision: Precision
    layout: Layout
    threads: Threads

    @property
    def dtype(self) -> torch.dtype:
        """The number type of features."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    @property
    def memory_format(self) -> torch.memory_format:
        """The memory format of features and weights."""
        last = self.layout == "channels_last"
        return torch.channels_last if last else torch.contiguous_format

    def arrange(self, network: nn.Module) -> None:
        """Puts the network on the device, in the layout, and makes the device the current one: of
        several GPUs that `cuda` stands for, that of this process."""
        if self.device.startswith("cuda"):
            torch.backends.cudnn.deterministic = True
            torch.cuda.set_device(own_card(self.device))
        network.to(self.device)
        network.to(memory_format=self.memory_format)  # type: ignore[call-overload]

    def place(self, maps: Tensor) -> Tensor:
        """Puts maps [B, C, H, W] on the device, in its number type and layout."""
        moved = maps.to(self.device, self.dtype)
        return moved.contiguous(memory_format=self.memory_format)

    def autocast(self) -> torch.autocast:
        """The context in which the network runs."""
        return torch.autocast(
            self.device.partition(":")[0], self.dtype, self.precision == "bfloat16"
        )


@dataclass(frozen=True)
class LatencyConditions:
    """All that a latency depends on beside the network and its runtime.

    `batch` images of `size` (H, W) on `device`, named `device_name`; `threads` of the CPU;
    `precision` is that of the products.
    """

    size: tuple[Positive, Positive]
    batch: Positive
    device: Device
    device_name: str
    threads: Threads
    precision: Precision


def pick_device(device: str) -> str:
    """`auto` as the accelerator there is, else `cpu`; raises `AtrousError` for one that is not."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise AtrousError(
            f"Expected a GPU for --device {device}, but torch {torch.__version__} sees none. Use "
            "--device cpu, or install a torch built for your GPU."
        )
    if device != "cpu" and not re.fullmatch(r"cuda(:\d+)?", device):
        raise AtrousError(f"Expected --device auto, cpu, cuda or cuda:N, got {device!r}.")
    if (index := device.partition(":")[2]) and int(index) >= torch.cuda.device_count():
        raise AtrousError(
            f"Expected a GPU for --device {device}, but there are {torch.cuda.device_count()}, "
            "counted from cuda:0."
        )
    return device


def cards(device: str) -> int:
    """How many GPUs a device stands for: all of the machine for `cuda`, else one; 0 for a CPU."""
    if device == "cuda":
        return torch.cuda.device_count()
    return 0 if device == "cpu" else 1


def own_card(device: str) -> int:
    """The index of this process's GPU: the one that is named, else workers take turns."""
    index = device.partition(":")[2]
    return int(index) if index else executor.seat % cards(device)


def card_memory(device: str) -> int:
    """Bytes of memory that a GPU has, used or not; 0 for a CPU."""
    if not device.startswith("cuda"):
        return 0
    return int(torch.cuda.get_device_properties(own_card(device)).total_memory)


CONTAINER = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
"""Where Linux says how much memory a container may take; other processes of it are killed."""


def machine_memory() -> int:
    """Bytes of memory that the machine has, used or not, or that its container may take."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for path in CONTAINER:
        with suppress(OSError, ValueError):
            found.append(int(path.read_text()))
    return min(found)


def require_memory(needed: float, device: str, what: str, mend: str) -> None:
    """Raises `NoRoomError` where a device has less memory than the bytes `needed`, which are the
    least that `what` takes: systems promise more than they have, and end who comes for it."""
    has = card_memory(device) or machine_memory()
    if needed > has:
        raise NoRoomError(
            f"Not enough memory on {device} {what}, which takes at least {mebibytes(needed)} of "
            f"{mebibytes(has)}. {mend}"
        )


class Kept(torch.autograd.graph.saved_tensors_hooks):
    """Counts, as a context, the storages which are kept for gradients, each once, and those of some
    tensors, such as parameters, not at all. What passes it computes has to outlive it."""

    def __init__(self, without: Iterable[Tensor] = ()) -> None:
        self.bytes = 0
        self._seen = {_key(tensor) for tensor in without}
        super().__init__(self._pack, lambda tensor: tensor)

    def __enter__(self) -> Kept:  # type: ignore[override]
        super().__enter__()
        return self

    def _pack(self, tensor: Tensor) -> Tensor:
        if (key := _key(tensor)) not in self._seen:
            self._seen.add(key)
            self.bytes += tensor.untyped_storage().nbytes()
        return tensor


def _key(tensor: Tensor) -> int:
    number: int = tensor.untyped_storage()._cdata
    return number


def release(device: str) -> None:
    """Gives memory that nothing uses any more back to the GPU, for other processes to take."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


WARM_UP = 3


class Gradients(Protocol):
    """Fills the gradients of parameters."""

    def __call__(self, features: Pyramid, *targets: Tensor) -> Tensor:
        """Maps by stride of a batch, and what is to be learnt of them -> the loss, a scalar."""


class GraphedGradients:
    """Calls `gradients` a few times, captures it, and replays the capture from then on.

    All calls need batches of one shape. Warming up and capturing touch no weights, but they update
    the running means of batch norms with the first batch and advance the random generator, the
    same way in every run.
    """

    def __init__(self, gradients: Gradients) -> None:
        self._gradients = gradients
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, features: Pyramid, *targets: Tensor) -> Tensor:
        """The loss of the batch; the gradients are where the capture put them."""
        if self._graph is None:
            self._graph = self._capture(features, *targets)
        for stride, maps in features.items():
            self._features[stride].copy_(maps)
        for kept, given in zip(self._targets, targets, strict=True):
            kept.copy_(given)
        self._graph.replay()
        return self._loss

    def _capture(self, features: Pyramid, *targets: Tensor) -> torch.cuda.CUDAGraph:
        self._features = {stride: maps.clone() for stride, maps in features.items()}
        self._targets = [each.clone() for each in targets]
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self._gradients(self._features, *self._targets)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._loss = self._gradients(self._features, *self._targets)
        return graph
