"""Bytes of a program's output -> lines of text as a person sees them."""

from __future__ import annotations

import re

LONGEST_LINE = 1 << 16  # bytes of a line that are read
# Progress bars end with a carriage return, a move to the first column, or backspaces.
LINE_END = re.compile(rb"[\r\n]|\x08+|\x1b\[[01]?G")
LAST_NUMBER = re.compile(rb"[-+\w.,'%]+\Z")
# Colours, cursor moves, titles and links of terminals (ECMA-48), which are not text.
CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[()*+][0-9A-Za-z]|[@-Z\\^_=>78])")


class Lines:
    """Chunks of bytes -> complete lines; of one with more than `longest` bytes only these, without a number at their end."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self.longest = longest
        self._rest = b""

    def add(self, data: bytes) -> list[str]:
        """The lines that `data` completes."""
        *whole, rest = LINE_END.split(self._rest + data)
        self._rest = rest[: self.longest + 1]  # one more shows that it is too long
        return [_text(self._short(line)) for line in whole if line]

    def end(self) -> list[str]:
        """The rest after the last line end."""
        rest, self._rest = self._rest, b""
        return [_text(self._short(rest))] if rest else []

    def _short(self, line: bytes) -> bytes:
        """The line, or its beginning without half a number at the end."""
        return line if len(line) <= self.longest else LAST_NUMBER.sub(b"", line[: self.longest])


def _text(line: bytes) -> str:
    text = line.decode(errors="backslashreplace")
    return CONTROL.sub("", text) if "\x1b" in text else text
