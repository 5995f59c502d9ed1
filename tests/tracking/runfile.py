"""A run's `.wandb` file -> the records in it, read without wandb's own reader."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BLOCK = 32768
HEADER = struct.Struct("<IHB")
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def chunks(data: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, after W&B's 7 bytes; ends where the file was cut off."""
    if not data:  # just created
        return
    assert data[:4] == b":W&B"
    place, parts = 7, b""
    while place + HEADER.size <= len(data):
        if BLOCK - place % BLOCK < HEADER.size:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = HEADER.unpack_from(data, place)
        if kind not in (FULL, FIRST, MIDDLE, LAST) or place + HEADER.size + length > len(data):
            return
        parts += data[place + HEADER.size : place + HEADER.size + length]
        place += HEADER.size + length
        if kind in (FULL, LAST):
            yield parts
            parts = b""


def records(file: Path) -> Iterator[Any]:
    """The protocol buffers of a file."""
    from wandb.proto.wandb_internal_pb2 import Record

    for chunk in chunks(file.read_bytes()):
        record = Record()
        record.ParseFromString(chunk)
        yield record


def rows(file: Path) -> list[dict[str, Any]]:
    """What was logged, without W&B's own columns."""
    found = []
    for record in records(file):
        if record.WhichOneof("record_type") == "history":
            items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            found.append({name: value for name, value in items.items() if not name.startswith("_")})
    return found


def exit_code(file: Path) -> int | None:
    """How the run ended, or None."""
    codes = [record.exit.exit_code for record in records(file) if record.WhichOneof("record_type") == "exit"]
    return codes[-1] if codes else None
