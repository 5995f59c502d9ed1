"""State of a training <-> checksummed bytes of `checkpoint.pt`.

The file is what torch.save writes, so torch.load(path, weights_only=True) reads it too (zip readers allow what follows the
archive), or JSON where the state is plain values only, so that tasks without torch need none; then `sha256:` and the digest of
all before it. One file, renamed into place once, holds both: content and checksum cannot be of different age.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from harness.store import atomic

MARK = b"sha256:"
TRAILER = len(MARK) + 64
CODEC = "harness.tasks.cifar_resnet.checkpoint"  # imports torch: by string, and only when a state holds tensors


class DamagedError(Exception):
    """A checkpoint whose checksum is wrong, or that cannot be read in spite of it."""


def pack(state: Mapping[str, Any]) -> bytes:
    """`state` (dicts, lists, tensors, numbers, strings) with its checksum."""
    payload = json.dumps(state).encode() if _is_plain(state) else cast(bytes, importlib.import_module(CODEC).dumps(state))
    return payload + MARK + hashlib.sha256(payload).hexdigest().encode()


def unpack(data: bytes) -> dict[str, Any]:
    """What `pack` was given; tensors on the CPU. Raises DamagedError."""
    payload, trailer = data[:-TRAILER], data[-TRAILER:]
    if trailer != MARK + hashlib.sha256(payload).hexdigest().encode():
        raise DamagedError("its checksum does not match")
    try:
        return cast(dict[str, Any], json.loads(payload) if payload[:1] == b"{" else importlib.import_module(CODEC).loads(payload))
    except Exception as error:  # whatever a reader raises on content it does not know
        raise DamagedError(f"{type(error).__name__}: {error}") from error


def mark(path: Path) -> str | None:
    """Tells one checkpoint from the next without reading it; None when there is none. Raises StoreError."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise atomic.unusable(path, "be read", error) from error
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns"


def _is_plain(value: Any) -> bool:
    """Whether JSON gives `value` back as it is: tuples, tensors and keys that are no strings would not come back."""
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)
