"""Paths with bytes that are not UTF-8, which Python holds as lone surrogates -> text that can be written: `caf\\xe9`."""

from __future__ import annotations

import codecs

SHOWN = "harness.shown"  # the name of the error handler, for `str.encode` and streams
FIRST, LAST = 0xDC80, 0xDCFF  # a surrogate stands for the byte 0x80 to 0xFF


def shown(text: str) -> str:
    """The text with escaped bytes; other lone surrogates become question marks."""
    return text.encode(errors=SHOWN).decode()


def _escaped(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    characters = map(ord, error.object[error.start : error.end])
    return "".join(f"\\x{one - 0xDC00:02x}" if FIRST <= one <= LAST else "?" for one in characters), error.end


codecs.register_error(SHOWN, _escaped)
