"""Plans and searches as JSON files with a seal: the SHA-256 of the rest of the file, in its first line.

A seal shows that a file was changed by other means than the harness. Whoever changes a file on purpose can renew it.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from harness.store import atomic

ModelT = TypeVar("ModelT", bound=BaseModel)

_LINE = re.compile(rb'\{\n "seal": "([0-9a-f]{64})",\n')


def sealed_json(value: BaseModel) -> bytes:
    """`value` as `atomic.to_json` writes it, with its seal."""
    rest = atomic.to_json(value).removeprefix(b"{\n")
    return b'{\n "seal": "%s",\n' % hashlib.sha256(rest).hexdigest().encode() + rest


def read_sealed(path: Path, model: type[ModelT]) -> ModelT:
    """As `atomic.read_json`, with or without a seal, which is not compared."""
    data = atomic.read_bytes(path)
    found = _LINE.match(data)
    if found is not None:
        return atomic.parse_json(b"{\n" + data[found.end() :], path, model)
    return atomic.parse_json(_without_seal(data), path, model)


def seal_broken(path: Path) -> bool:
    """Whether the file has a seal that it does not match; False without a seal, and if it cannot be read."""
    try:
        data = atomic.read_bytes(path)
    except OSError:
        return False
    found = _LINE.match(data)
    if found is None:
        return b'"seal"' in data
    return hashlib.sha256(data[found.end() :]).hexdigest().encode() != found[1]


def _without_seal(data: bytes) -> bytes:
    """JSON that an editor has written in another form; unchanged if it has no seal or is not a JSON object."""
    if b'"seal"' not in data:
        return data
    try:
        fields = json.loads(data)
        fields.pop("seal", None)
    except (ValueError, AttributeError):
        return data
    return json.dumps(fields).encode()
