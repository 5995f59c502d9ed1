"""The end of a log as plain text, without colours and control characters; of progress bars, the last state."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from harness.common.shared_files import SharedFile

LINES = 200
LONGEST_LINE = 1000  # characters
READ_BYTES = 256 * 2**10
# ECMA-48: control sequences (colours, cursor), strings up to their terminator (titles, links), other escapes.
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)|\x1b[ -/]*[0-~]?")
CUT = " …"


def log_tail(log: Path, lines: int = LINES) -> str:
    """The last lines of `log`; empty without a log. Raises StoreError, OSError."""
    try:
        with SharedFile(log) as file:
            size = file.status().st_size
            file.seek(max(0, size - READ_BYTES))
            text = file.readall().decode(errors="replace")
    except FileNotFoundError:
        return ""
    found = text.split("\n")
    if size > READ_BYTES:
        found = found[1:]  # the rest of a line
    if found and not found[-1]:
        found.pop()
    return "\n".join(plain(line) for line in found[-lines:])


def plain(line: str) -> str:
    """A line as a terminal would show it at its end."""
    shown = ESCAPES.sub("", line).rstrip("\r").rpartition("\r")[2]
    shown = "".join(character for character in shown if character == "\t" or unicodedata.category(character)[0] != "C")
    return shown if len(shown) <= LONGEST_LINE else shown[:LONGEST_LINE] + CUT
