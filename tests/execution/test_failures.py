import errno

import pytest

from harness.errors import DataError, StoreError
from harness.execution.failures import classify, is_accelerator_error


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError(), "oom"),
        (OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"), "oom"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:124] . DefaultCPUAllocator: can't allocate memory"), "oom"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "oom"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "oom"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk"),
        (StoreError("results: cannot be written"), "disk"),
        (DataError("image 7 cannot be decoded"), "data"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "bug"),
        (ValueError("out of memory of what was meant"), "bug"),
        (KeyError("x"), "bug"),
    ],
)
def test_an_exception_gets_its_reason(error, reason):
    assert classify(error).reason == reason


def raised(message, kind=ValueError):
    try:
        raise kind(message)
    except kind as error:
        return error


def raised_elsewhere(message):
    try:
        raise ValueError(message)
    except ValueError as error:
        return error


def test_the_error_is_one_line():
    assert classify(raised("first\nsecond")).error == "ValueError: first"


def test_the_same_place_gives_the_same_digest_whatever_the_message():
    assert classify(raised("at 0x7f01")).digest == classify(raised("at 0x7f02")).digest


def test_another_place_or_type_of_exception_gives_another_digest():
    digests = {classify(error).digest for error in (raised("x"), raised("x", TypeError), raised_elsewhere("x"))}
    assert len(digests) == 3


def test_an_accelerator_error_needs_a_new_process_but_a_lack_of_memory_does_not():
    assert is_accelerator_error("AcceleratorError: CUDA error: device-side assert triggered")
    assert is_accelerator_error("RuntimeError: Triton Error [CUDA]: an illegal memory access was encountered")
    assert not is_accelerator_error("OutOfMemoryError: CUDA out of memory")
