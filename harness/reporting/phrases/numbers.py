"""Plain values -> short words and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.tasks.protocol import Metric

NOTHING = "·"


def count(number: float) -> str:
    """Thousands separated: 4903082 -> 4,903,082."""
    return f"{number:,.0f}"


def plural(number: int, noun: str) -> str:
    return f"{number:,d} {noun}" if number == 1 else f"{number:,d} {noun}s"


def clock(seconds: float) -> str:
    """A length of time: 0:24, 12:05, 1:12:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ago(seconds: float) -> str:
    """How long something is back, in its largest unit: 12 s ago, 5 min ago, 2 h ago, 3 d ago."""
    seconds = max(0, int(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def label(metric: str) -> str:
    """How a metric is called: test_accuracy -> test accuracy."""
    return metric.replace("_", " ")


def axis(metric: str, unit: str) -> str:
    """A metric with its unit: test accuracy (%)."""
    return f"{label(metric)} ({unit})" if unit else label(metric)


def difference_unit(unit: str) -> str:
    """The unit of a difference: percentages differ by percentage points."""
    return "pp" if unit == "%" else unit


def decimals(values: Iterable[float], metric: Metric) -> int:
    """Decimals for a table's column: 2 for percentages, 0 for counts, else four figures of the largest value."""
    if metric.unit == "%":
        return 2
    if metric.exact:
        return 0
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 3 if largest == 0 else min(max(3 - math.floor(math.log10(largest)), 0), 8)


def number(value: float, places: int) -> str:
    """A value with thousands separators; a dot where there is none."""
    return NOTHING if math.isnan(value) else f"{value:,.{places}f}"


def spread(mean: float, sd: float, places: int) -> str:
    """`93.04 ± 0.15`; without the part behind ± where one value has no spread."""
    return number(mean, places) if math.isnan(sd) else f"{number(mean, places)} ± {sd:,.{places}f}"


def signed(value: float, places: int) -> str:
    """A difference, always with its sign; empty where there is none."""
    return "" if math.isnan(value) else f"{value:+z,.{places}f}"


def figure(value: float) -> str:
    """A number as a person writes it: 32 for 32.0, 4,903,082."""
    return f"{value:,.10g}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def margin(size: float, unit: str) -> str:
    """Differences that do not matter: under 0.25 pp."""
    return f"under {size:g} {difference_unit(unit)}".rstrip()
