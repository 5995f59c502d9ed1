"""Numbers, durations and units as short text."""

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
    """A duration: 0:24, 12:05, 1:12:05."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ago(seconds: float) -> str:
    """An age in its largest unit: 12 s ago, 5 min ago, 2 h ago, 3 d ago."""
    seconds = max(0, int(seconds))
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"


def label(metric: str) -> str:
    """A metric's label: test_accuracy -> test accuracy."""
    return metric.replace("_", " ")


def axis(metric: str, unit: str) -> str:
    """An axis label: test accuracy (%)."""
    return f"{label(metric)} ({unit})" if unit else label(metric)


def difference_unit(unit: str) -> str:
    """The unit of differences: percentage points for percentages."""
    return "pp" if unit == "%" else unit


def decimals(values: Iterable[float], metric: Metric) -> int:
    """Decimals for a table column: 2 for percentages, 0 for counts, else four significant figures of the largest value."""
    if metric.unit == "%":
        return 2
    if metric.exact:
        return 0
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    return 3 if largest == 0 else min(max(3 - math.floor(math.log10(largest)), 0), 8)


def number(value: float, places: int) -> str:
    """A value with thousands separators; NOTHING for NaN."""
    return NOTHING if math.isnan(value) else f"{value:,.{places}f}"


def spread(mean: float, sd: float, places: int) -> str:
    """`93.04 ± 0.15`; without ± where `sd` is NaN."""
    return number(mean, places) if math.isnan(sd) else f"{number(mean, places)} ± {sd:,.{places}f}"


def signed(value: float, places: int) -> str:
    """A difference with its sign; empty for NaN."""
    return "" if math.isnan(value) else f"{value:+z,.{places}f}"


def figure(value: float) -> str:
    """Up to ten significant figures, no trailing zeros: 32 for 32.0, 4,903,082."""
    return f"{value:,.10g}"


def small(value: float) -> str:
    """Two significant figures without an exponent, however small: 0.0031, 0.000027."""
    return f"{value:.2g}" if value >= 1e-4 or value == 0 else f"{value:.{1 - math.floor(math.log10(value))}f}"


def coverage(level: float) -> str:
    """The probability of an interval at 1 - `level`: `95 %`, `99.34 %`, `99.99973 %`; never 100 %."""
    percent = 100 * (1 - level)
    if 0 < level < 5e-4:
        return f"{percent:.{1 - math.floor(math.log10(100 * level))}f} %"
    return f"{percent:.4g} %"


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def margin(size: float, unit: str) -> str:
    """`margin 0.25 pp, the smallest that matters`."""
    amount = f"{size:g} {difference_unit(unit)}".rstrip()
    return f"margin {amount}, the smallest that matters"
