"""log.txt of a run -> its text for W&B: at most two megabytes, without secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from harness.common.shared_files import SharedFile
from harness.tracking.page import without_secrets

END_BYTES = 2**20  # of a longer log, so much of its beginning and of its end


def log_text(path: Path, environment: Mapping[str, str] = os.environ) -> str | None:
    """The log, or its first and last lines. None: there is none, or WANDB_CONSOLE=off, W&B's own setting against output.

    Raises StoreError, OSError.
    """
    if environment.get("WANDB_CONSOLE") == "off":
        return None
    try:
        with SharedFile(path) as file:
            size = file.status().st_size
            if size <= 2 * END_BYTES:
                data = file.readall()
            else:
                begin = file.read(END_BYTES)
                file.seek(size - END_BYTES)
                data = _whole_lines(begin, file.readall(), size)
    except FileNotFoundError:
        return None
    return str(without_secrets(data.decode(errors="replace"), environment))


def _whole_lines(begin: bytes, end: bytes, size: int) -> bytes:
    """Both ends without the lines that were cut: of a cut secret, the rest would not be recognised. Progress bars end by \\r."""
    begin, end = begin[: max(begin.rfind(b"\n"), begin.rfind(b"\r")) + 1], re.sub(rb"\A[^\r\n]*[\r\n]?", b"", end)
    return b"%s[%d bytes left out]\n%s" % (begin, size - len(begin) - len(end), end)
