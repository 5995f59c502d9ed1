"""Numbers, durations and units as short text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.tasks.protocol import Metric
from harness.tasks.results import LARGEST

NOTHING = "·"
MOST_PLACES = 8
MANY_DIGITS = 1e15  # from here on numbers have an exponent, and below 1e-5 where no number of a column is larger


def count(number: float) -> str:
    """Thousands separated: 4903082 -> 4,903,082."""
    return f"{number:,.0f}" if abs(number) < MANY_DIGITS else f"{number:.3e}"


def fixed(value: float, places: int, sign: str = "") -> str:
    """A number with thousands separators and `places` decimals, or with an exponent: 1.700e+75. `sign`: of the format."""
    tiny = places >= MOST_PLACES and 0 < abs(value) < 1e-5
    if tiny or MANY_DIGITS <= abs(value) < math.inf:
        return f"{value:{sign}.3e}"
    return f"{value:{sign},.{places}f}"


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
    largest = max((abs(value) for value in values if abs(value) < MANY_DIGITS), default=0.0)
    return 3 if largest == 0 else min(max(3 - math.floor(math.log10(largest)), 0), MOST_PLACES)


def number(value: float, places: int) -> str:
    """A value with thousands separators; NOTHING for NaN."""
    return NOTHING if math.isnan(value) else fixed(value, places)


def spread(mean: float, sd: float, places: int) -> str:
    """`93.04 ± 0.15`; without ± where `sd` is NaN."""
    return number(mean, places) if math.isnan(sd) else f"{number(mean, places)} ± {fixed(sd, places)}"


def signed(value: float, places: int) -> str:
    """A difference with its sign; empty for NaN."""
    return "" if math.isnan(value) else fixed(value, places, "+z")


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


def nothing_drawn(name: str, values: Iterable[float]) -> str:
    """Why none of the values of the metric `name` can be drawn."""
    beyond = any(value is not None and abs(value) > LARGEST for value in values)  # False for NaN
    return f"every {name} is infinite or beyond 1e75, too large to draw" if beyond else f"no {name} measured"


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def margin(size: float, unit: str) -> str:
    """`margin 0.25 pp, the smallest that matters`."""
    amount = f"{size:g} {difference_unit(unit)}".rstrip()
    return f"margin {amount}, the smallest that matters"
