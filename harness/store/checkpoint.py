"""Training state <-> the bytes of `checkpoint.pt`, with a checksum.

The file is what torch.save writes, so torch.load(path, weights_only=True) reads it too (zip readers allow what follows the
archive), or JSON if the state holds plain values only, so that tasks without torch do not need it; then `sha256:` and the digest
of everything before. Content and checksum are one file, renamed into place once, so they always match.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from harness.common.optional_packages import load
from harness.store import atomic

MARK = b"sha256:"
TRAILER = len(MARK) + 64
CODEC = "harness.tasks.cifar_resnet.checkpoint"  # imports torch: named by a string, imported only for states that hold tensors


class DamagedError(Exception):
    """The checksum does not match, or the content cannot be read."""


def pack(state: Mapping[str, Any]) -> bytes:
    """Serialize `state` (dicts, lists, tensors, numbers, strings) and append the checksum."""
    payload = json.dumps(state).encode() if _is_plain(state) else cast(bytes, importlib.import_module(CODEC).dumps(state))
    return payload + MARK + hashlib.sha256(payload).hexdigest().encode()


def unpack(data: bytes) -> dict[str, Any]:
    """The inverse of `pack`; tensors are on the CPU. Raises DamagedError, or PackageError if only torch could read it."""
    payload, trailer = data[:-TRAILER], data[-TRAILER:]
    if trailer != MARK + hashlib.sha256(payload).hexdigest().encode():
        raise DamagedError("its checksum does not match")
    plain = payload[:1] == b"{"
    if not plain:  # else an intact checkpoint would seem damaged, and its run would restart
        load("torch", "checkpoints that hold tensors")
    try:
        return cast(dict[str, Any], json.loads(payload) if plain else importlib.import_module(CODEC).loads(payload))
    except Exception as error:  # readers raise many types for unexpected content
        raise DamagedError(f"{type(error).__name__}: {error}") from error


def stamp(path: Path) -> str | None:
    """A string that changes with every checkpoint (size and time); None without one. Raises StoreError."""
    found = atomic.status(path)
    return None if found is None else f"{found.st_size} bytes, {found.st_mtime_ns} ns"


def _is_plain(value: Any) -> bool:
    """Whether `value` survives JSON unchanged, unlike tuples, tensors and keys that are not strings."""
    if type(value) is dict:
        return all(type(key) is str and _is_plain(item) for key, item in value.items())
    if type(value) is list:
        return all(map(_is_plain, value))
    return value is None or type(value) in (str, int, float, bool)
