"""Which case judges a claim of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from harness.analysis.verdicts.bounds import BoundListCase
from harness.analysis.verdicts.comparisons import RULES, ComparisonCase
from harness.analysis.verdicts.doses import DeclineCase, ProportionCase, RangeCase
from harness.analysis.verdicts.singles import ThresholdCase
from harness.experiment.claims import COMPARISONS, ComparisonClaim

if TYPE_CHECKING:
    from harness.analysis.verdicts.cases import Case
    from harness.analysis.verdicts.series import Series
    from harness.analysis.verdicts.values import Values
    from harness.experiment.claims import Claim

CASES: Mapping[str, type[Case]] = {
    **dict.fromkeys(COMPARISONS, ComparisonCase),
    "contrast": ComparisonCase,
    "best_in_range": RangeCase,
    "declines_beyond": DeclineCase,
    "no_proportional_gain": ProportionCase,
    "at_least": ThresholdCase,
    "at_most": ThresholdCase,
}


def make_case(claim: Claim, values: Values, series: Series) -> Case:
    """Create the case of a claim."""
    if isinstance(claim, ComparisonClaim) and RULES[claim.kind][0] == "bound" and len(claim.variants) > 1:
        return BoundListCase(claim, values, series)
    return CASES[claim.kind](claim, values, series)
