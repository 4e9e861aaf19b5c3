"""Under which conditions a latency is measured, and which are refused."""

from __future__ import annotations

import platform
import sys

import onnxruntime
import pytest
import torch

from atrous.core.errors import AtrousError
from atrous.model.latency.conditions import (
    check_runtime,
    device_name,
    make_conditions,
    parse_runtimes,
    provider,
    runtime_version,
)


def test_a_setting_is_complete() -> None:
    conditions = make_conditions((33, 65), device="cpu", threads=1)
    assert (conditions.batch, conditions.threads, conditions.precision) == (1, 1, "float32")
    assert conditions.device_name == device_name("cpu") != ""
    assert make_conditions((33, 65), device="cpu").threads == torch.get_num_threads()


@pytest.mark.skipif(platform.system() != "Linux", reason="reads /proc/cpuinfo")
def test_the_name_of_a_cpu_is_more_than_its_kind() -> None:
    assert device_name("cpu") not in ("", "cpu")


def test_runtimes_are_named_once_each_in_order() -> None:
    conditions = make_conditions((33, 65), device="cpu")
    assert parse_runtimes("onnxruntime, pytorch,pytorch", conditions) == ("onnxruntime", "pytorch")
    with pytest.raises(AtrousError, match="--runtime: expected pytorch or onnxruntime, got 'jax'"):
        parse_runtimes("pytorch,jax", conditions)


def test_what_onnxruntime_cannot_do_is_said() -> None:
    reduced = make_conditions((33, 65), device="cpu", precision="bfloat16")
    check_runtime("pytorch", reduced)
    with pytest.raises(AtrousError, match="--precision bfloat16 is for --runtime pytorch"):
        check_runtime("onnxruntime", reduced)


def test_a_missing_onnxruntime_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    conditions = make_conditions((33, 65), device="cpu")
    check_runtime("onnxruntime", conditions)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(AtrousError, match=r"pip install 'atrous\[export\]'"):
        check_runtime("onnxruntime", conditions)


def test_versions_are_those_installed() -> None:
    assert runtime_version("pytorch") == torch.__version__
    assert runtime_version("onnxruntime") == onnxruntime.__version__


def test_providers_are_onnxruntimes_own_names() -> None:
    known = onnxruntime.get_all_providers()
    assert provider("cpu") in known
    assert provider("cuda:1") in known
