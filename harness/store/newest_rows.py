"""The end of a run's metrics.jsonl -> its newest rows, at the same cost however long the file is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.common.shared_files import SharedFile
from harness.store import atomic
from harness.store.records import decode

TAIL = 16384  # bytes at the end of the file that are read


def newest_rows(path: Path, most: int = 1) -> list[dict[str, Any]]:
    """The last `most` complete rows, oldest first; fewer where the file has fewer or damaged ones. Raises StoreError."""
    try:
        with SharedFile(path) as file:
            start = max(0, file.status().st_size - TAIL)
            file.seek(start)
            lines = file.readall().split(b"\n")[:-1]  # what follows the last line break is being written
    except FileNotFoundError:
        return []
    except OSError as error:
        raise atomic.unusable(path, "be read", error) from error
    rows: list[dict[str, Any]] = []
    for line in reversed(lines[1:] if start else lines):
        if len(rows) == most:
            break
        try:
            rows.append({name: decode(value) for name, value in json.loads(line).items()})
        except (ValueError, AttributeError, TypeError, RecursionError):
            continue
    return rows[::-1]
