"""One forward pass in each runtime: from normalised images on the device to logits there."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from atrous.model.export.exported import export_network
from atrous.model.export.interface import INPUT, Interface
from atrous.model.export.onnx_file import OUTPUT
from atrous.model.latency.setting import Setting, provider
from atrous.networks.network import Network

Pass = Callable[[], object]
"""Computes once, and returns when the result is there."""


def prepare(runtime: str, network: Network, setting: Setting) -> Pass:
    """A pass of the network in evaluation mode; the network itself is left alone."""
    return PREPARE[runtime](network, setting)


def _pytorch(network: Network, setting: Setting) -> Pass:
    copied = copy.deepcopy(network).eval().to(setting.device)
    images = _images(setting).to(setting.device)
    kind = setting.device.partition(":")[0]
    reduced = setting.precision == "bfloat16"

    @torch.inference_mode()
    def once() -> Tensor:
        with torch.autocast(kind, torch.bfloat16, enabled=reduced):
            logits: Tensor = copied(images)
        if kind == "cuda":
            torch.cuda.synchronize(setting.device)
        return logits

    return once


def _onnxruntime(network: Network, setting: Setting) -> Pass:
    """The network as `atrous export --normalise out` writes it."""
    import onnxruntime

    with TemporaryDirectory() as folder:
        path = Path(folder, "network.onnx")
        backbone = network.backbone
        export_network(network, path, "onnx", Interface(backbone.mean, backbone.std, "out"))
        session = onnxruntime.InferenceSession(
            str(path), _options(onnxruntime, setting), [_provider(setting)]
        )
    kind, _, index = setting.device.partition(":")
    place = (kind, int(index or 0))
    binding = session.io_binding()
    given = onnxruntime.OrtValue.ortvalue_from_numpy(_images(setting).numpy(), *place)
    binding.bind_ortvalue_input(INPUT, given)
    binding.bind_output(OUTPUT, *place)

    def once() -> None:
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()

    return once


PREPARE: dict[str, Callable[[Network, Setting], Pass]] = {
    "pytorch": _pytorch,
    "onnxruntime": _onnxruntime,
}


def _options(onnxruntime: Any, setting: Setting) -> Any:
    """Threads as asked for, which rest between passes: waiting threads would slow the other
    runtime down."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setting.threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.force_spinning_stop", "1")
    return options


def _provider(setting: Setting) -> tuple[str, dict[str, str]]:
    index = setting.device.partition(":")[2]
    return provider(setting.device), {"device_id": index} if index else {}


def _images(setting: Setting) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(setting.batch, 3, *setting.size, generator=generator)
