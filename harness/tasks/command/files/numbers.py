"""A number as text -> float. Stands in for harness/tasks/command/reading/numbers.py, which has the same function."""

from __future__ import annotations

import re

PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?|[+-]?(nan|inf|infinity)", re.ASCII | re.IGNORECASE)


def number(text: str, decimal: str | None = None) -> float:
    """The number that is the whole text. Raises ValueError with a message."""
    plain = text.strip().replace(",", ".") if decimal == "," else text.strip()
    if not PLAIN.fullmatch(plain):
        raise ValueError(f"{text.strip()[:60]!r} is not a number")
    return float(plain.rstrip("%"))
