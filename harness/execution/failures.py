"""Classify the exception that failed a run: a one-word reason, one line of text, and a digest of the place in the code."""

from __future__ import annotations

import errno
import hashlib
import traceback
from dataclasses import dataclass
from pathlib import Path

from harness.common.undecodable import shown
from harness.errors import DataError, StoreError
from harness.store.records import Reason
from harness.tasks.protocol import TrainingFailed

# A retry of the same run may succeed, so it resumes from the checkpoint.
MACHINE_REASONS = frozenset({"oom", "disk", "killed"})

DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}
OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "cannot allocate memory", "not enough memory", "alloc_failed")

ACCELERATOR_ERRORS = ("AcceleratorError", "CUDA error", "CUDA driver error", "Triton Error [CUDA]", "cuDNN error")


@dataclass(frozen=True)
class Failure:
    """Why a run failed. `digest` is equal for failures at the same place; None: no traceback."""

    reason: Reason
    error: str
    digest: str | None = None


KILLED = Failure("killed", "the process died three times in a row without a new checkpoint (killed, out of memory, or a crash)")


def classify(error: BaseException) -> Failure:
    """Classify `error`, raised during training."""
    if isinstance(error, TrainingFailed):
        return Failure(error.reason, shown(str(error)), hashlib.sha256(error.place.encode()).hexdigest())
    last = "".join(traceback.format_exception_only(error)).strip().splitlines()
    return Failure(_reason(error), shown(last[0]) if last else type(error).__name__, traceback_digest(error))


def traceback_digest(error: BaseException) -> str:
    """SHA-256 over the exception's type and the frames' files, functions and lines: no addresses, values or messages."""
    frames = traceback.extract_tb(error.__traceback__)
    parts = [type(error).__qualname__, *(f"{Path(frame.filename).name}:{frame.name}:{frame.lineno}" for frame in frames)]
    return hashlib.sha256("\n".join(parts).encode(errors="surrogateescape")).hexdigest()


def is_accelerator_error(error: str) -> bool:
    """Whether a failure means that this process can no longer use the accelerator, so that the next run needs a new process."""
    return any(words in error for words in ACCELERATOR_ERRORS)


def _reason(error: BaseException) -> Reason:
    text = str(error).lower()
    # torch's OutOfMemoryError is recognized by name, as only tasks import torch; its CPU allocator raises a RuntimeError.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "oom"
    if isinstance(error, RuntimeError | OSError) and any(words in text for words in OUT_OF_MEMORY):
        return "oom"
    if isinstance(error, StoreError) or (isinstance(error, OSError) and error.errno in DISK):
        return "disk"
    return "data" if isinstance(error, DataError) else "bug"
