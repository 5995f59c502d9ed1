"""Stored results against computed ones: the order in which a processor's vector instructions add numbers decides the last digits."""

from __future__ import annotations

from typing import Any

import pytest

RELATIVE, ABSOLUTE = 1e-9, 1e-12


def within_last_digits(value: Any) -> Any:
    """Equal to the same JSON value, of whose fractions the last digits may differ."""
    match value:
        case dict():
            return {name: within_last_digits(each) for name, each in value.items()}
        case list():
            return [within_last_digits(each) for each in value]
        case float():
            return pytest.approx(value, rel=RELATIVE, abs=ABSOLUTE)
        case _:
            return value
