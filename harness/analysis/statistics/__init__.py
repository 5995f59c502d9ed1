"""Tests and confidence intervals for arrays of values over seeds, with error rates that hold at 3 to 20 seeds.

Pure functions of numpy arrays; results are numbers, arrays and frozen dataclasses. Percentages give percentage points.
"""

from __future__ import annotations

from harness.analysis.statistics.doses import (
    Decline,
    ProportionalGain,
    best_in_range,
    declines_beyond,
    no_proportional_gain,
    possible_optima,
)
from harness.analysis.statistics.images import Crossed, crossed
from harness.analysis.statistics.multiple import benjamini_hochberg, holm
from harness.analysis.statistics.paired import Paired, Threshold, paired, threshold
from harness.analysis.statistics.power import detectable, power, seeds_needed, seeds_range
from harness.analysis.statistics.sequential import (
    Levels,
    SequentialPower,
    calibrate,
    default_draws,
    e_value,
    sequential_level,
    sequential_p,
    sequential_power,
    shipped,
)

__all__ = [
    "Crossed",
    "Decline",
    "Levels",
    "Paired",
    "ProportionalGain",
    "SequentialPower",
    "Threshold",
    "benjamini_hochberg",
    "best_in_range",
    "calibrate",
    "crossed",
    "declines_beyond",
    "default_draws",
    "detectable",
    "e_value",
    "holm",
    "no_proportional_gain",
    "paired",
    "possible_optima",
    "power",
    "seeds_needed",
    "seeds_range",
    "sequential_level",
    "sequential_p",
    "sequential_power",
    "shipped",
    "threshold",
]
