"""Tests and confidence intervals for arrays of values over seeds, with error rates that hold at 3 to 20 seeds; and over cases.

Pure functions of numpy arrays; results are numbers, arrays and frozen dataclasses. Percentages give percentage points. Modules
import scipy, never a part of it: scipy loads its parts at their first use, and most commands use few of them or none.
"""

from __future__ import annotations

from harness.analysis.statistics.cases import CaseMean, CasePairs, case_mean, case_pairs, cases_needed
from harness.analysis.statistics.doses import (
    Decline,
    ProportionalGain,
    best_in_range,
    best_outside_range,
    declines_beyond,
    no_proportional_gain,
    possible_optima,
)
from harness.analysis.statistics.effect import Effect, effect
from harness.analysis.statistics.images import Crossed, crossed
from harness.analysis.statistics.multiple import Correction, Hypothesis, Slot, benjamini_hochberg, holm
from harness.analysis.statistics.paired import Paired, Threshold, paired, threshold
from harness.analysis.statistics.power import Rule, detectable, power, seeds_needed, seeds_range, single_power
from harness.analysis.statistics.predictive import FurtherLook, predictive_best_in_range, predictive_power
from harness.analysis.statistics.proportions import Outcomes
from harness.analysis.statistics.scatter import MIN_CASES, MIN_GROUPS
from harness.analysis.statistics.sequential import (
    Levels,
    SequentialPower,
    Spending,
    calibrate,
    default_draws,
    e_value,
    sequential_level,
    sequential_p,
    sequential_power,
    shipped,
)
from harness.analysis.statistics.unpaired import Unpaired, runs_needed, unpaired, unpaired_threshold

__all__ = [
    "MIN_CASES",
    "MIN_GROUPS",
    "CaseMean",
    "CasePairs",
    "Correction",
    "Crossed",
    "Decline",
    "Effect",
    "FurtherLook",
    "Hypothesis",
    "Levels",
    "Outcomes",
    "Paired",
    "ProportionalGain",
    "Rule",
    "SequentialPower",
    "Slot",
    "Spending",
    "Threshold",
    "Unpaired",
    "benjamini_hochberg",
    "best_in_range",
    "best_outside_range",
    "calibrate",
    "case_mean",
    "case_pairs",
    "cases_needed",
    "crossed",
    "declines_beyond",
    "default_draws",
    "detectable",
    "e_value",
    "effect",
    "holm",
    "no_proportional_gain",
    "paired",
    "possible_optima",
    "power",
    "predictive_best_in_range",
    "predictive_power",
    "runs_needed",
    "seeds_needed",
    "seeds_range",
    "sequential_level",
    "sequential_p",
    "sequential_power",
    "shipped",
    "single_power",
    "threshold",
    "unpaired",
    "unpaired_threshold",
]
