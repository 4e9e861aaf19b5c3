"""One detector of lacking memory, whoever tells of it."""

from __future__ import annotations

import errno

import numpy as np
import pytest
import torch

from atrous.core.errors import AtrousError, NoRoomError, lacks_memory, within_memory
from tests.cases import each

CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: x"
LACKS = (
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError(CPU),
    RuntimeError("[enforce fail at alloc_cpu.cpp:116] DefaultCPUAllocator: not enough memory: y"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("CUDA error: out of memory"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    NoRoomError("Not enough memory on cpu for a training step."),
)
OTHERS = (
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    OSError(errno.ENOSPC, "No space left on device"),
    AtrousError("Not enough memory on cpu. Lower --batch."),
    None,
)


@each("error", LACKS)
def test_a_lack_of_memory_is_known(error: Exception) -> None:
    assert lacks_memory(error)


@each("error", OTHERS)
def test_other_errors_are_none(error: Exception | None) -> None:
    assert not lacks_memory(error)


def test_what_torch_and_numpy_raise_is_known() -> None:
    with pytest.raises(RuntimeError) as told:
        torch.empty(1 << 62, dtype=torch.uint8)
    assert lacks_memory(told.value)
    with pytest.raises(MemoryError) as refused:
        np.empty(1 << 62, np.uint8)
    assert lacks_memory(refused.value)


def test_an_error_in_the_handling_of_one_is_known_too() -> None:
    later = ValueError("later")
    later.__context__ = RuntimeError(CPU)
    assert lacks_memory(later)


def test_it_ends_in_a_sentence_with_its_first_line_and_how_to_mend_it() -> None:
    with (
        pytest.raises(AtrousError) as told,
        within_memory("on cpu to count", "Count less."),
    ):
        raise RuntimeError("std::bad_alloc\nframe #0")
    assert str(told.value) == "Not enough memory on cpu to count (std::bad_alloc). Count less."
    with pytest.raises(NoRoomError, match=r"^foreseen$"), within_memory("on cpu", "Count less."):
        raise NoRoomError("foreseen")
    with pytest.raises(ValueError, match="another"), within_memory("on cpu", "Count less."):
        raise ValueError("another")
