"""The conditions under which a latency is measured: no number without them."""

from __future__ import annotations

import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from atrous.core.errors import AtrousError
from atrous.data.canvas import Size
from atrous.model.export import onnx_file
from atrous.networks.compute import LatencyConditions, Precision, pick_device

RUNTIMES = {"pytorch": "torch", "onnxruntime": "onnxruntime"}
"""The package of each runtime."""


def make_conditions(
    size: Size,
    batch: int = 1,
    device: str = "auto",
    threads: int | None = None,
    precision: Precision = "float32",
) -> LatencyConditions:
    """Completes the conditions with what this machine has and is; raises AtrousError."""
    device = pick_device(device)
    return LatencyConditions(
        size, batch, device, device_name(device), threads or torch.get_num_threads(), precision
    )


def parse_runtimes(text: str, conditions: LatencyConditions) -> tuple[str, ...]:
    """Reads `pytorch,onnxruntime` as names; raises AtrousError for what cannot be measured here."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        check_runtime(name, conditions)
    return names


def check_runtime(name: str, conditions: LatencyConditions) -> None:
    """Raises AtrousError when the runtime is unknown, not installed, or lacks the device."""
    if name not in RUNTIMES:
        raise AtrousError(f"--runtime: expected {' or '.join(RUNTIMES)}, got {name!r}.")
    if name != "onnxruntime":
        return
    onnx_file.require()
    if conditions.precision != "float32":
        raise AtrousError(
            f"--precision {conditions.precision} is for --runtime pytorch; onnxruntime is measured "
            "with float32."
        )
    import onnxruntime

    device, needed = conditions.device, provider(conditions.device)
    if needed not in onnxruntime.get_available_providers():
        raise AtrousError(
            f"onnxruntime {onnxruntime.__version__} has no {needed} for --device {device}. Install "
            "onnxruntime-gpu, or use --runtime pytorch or --device cpu."
        )


def provider(device: str) -> str:
    """Returns onnxruntime's name for what computes on a device."""
    return "CPUExecutionProvider" if device == "cpu" else "CUDAExecutionProvider"


def runtime_version(runtime: str) -> str:
    """Returns the version that is installed."""
    return torch.__version__ if runtime == "pytorch" else version(RUNTIMES[runtime])


def device_name(device: str) -> str:
    """Returns the maker's name of a GPU or of this machine's CPU."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    return _cpu_name() or platform.processor() or platform.machine()


def _cpu_name() -> str:
    """Reads the name as Linux or macOS gives it; "" elsewhere."""
    try:
        if platform.system() == "Darwin":
            command = ["sysctl", "-n", "machdep.cpu.brand_string"]
            return subprocess.run(command, capture_output=True, text=True).stdout.strip()
        found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found[1].strip() if found else ""
