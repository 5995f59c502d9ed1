"""The tests of comparisons that a plan will make, before it has any runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.statistics import Correction, Rule
from harness.analysis.verdicts.cases import merge
from harness.analysis.verdicts.comparisons import ComparisonCase
from harness.analysis.verdicts.kinds import make_case
from harness.analysis.verdicts.series import Series
from harness.analysis.verdicts.values import Floats, Values

if TYPE_CHECKING:
    from harness.analysis.verdicts.terms import Terms


@dataclass(frozen=True)
class PlannedTest:
    """A test that supports a claim about a difference or contrast, of a metric with spread.

    `level` is its overall level while no hypothesis of the plan is rejected; `together` of these tests must reject to support the
    claim; `scale` is the standard deviation of the tested values relative to that of the difference of two variants, if all
    variants vary alike.
    """

    metric: str
    rule: Rule
    margin: float
    level: float
    together: int = 1
    scale: float = 1.0


class _NoValues(Values):
    """The values of a plan without runs, made without pandas, whose import takes longer than planning."""

    def __init__(self, terms: Terms) -> None:
        self.terms, self.cases = terms, None
        self.order, self.seeds = [], 0
        self._states = {label: np.empty(0, dtype=str) for label in terms.labels}
        self._exist = {label: np.empty(0, dtype=bool) for label in terms.labels}

    def _metric(self, name: str) -> dict[str, Floats]:  # noqa: ARG002 - all metrics are the same
        return {label: np.empty(0) for label in self.terms.labels}


def planned_tests(terms: Terms) -> tuple[PlannedTest, ...]:
    """The tests over seeds of all registered comparisons and contrasts, in order; corrected for every hypothesis of every claim.

    Pure. Claims across cases are left out: how many cases differ is not known before.
    """
    values = _NoValues(terms)
    cases = [make_case(claim, values, Series(terms.looks, None, terms.spending)) for claim in terms.claims]
    slots = merge([case.slots() for case in cases])
    levels = Correction(slots, {}).first_levels(terms.alpha)
    return tuple(
        PlannedTest(
            metric=case.claim.metric,
            rule=case.rule,
            margin=case.claim.margin,
            level=levels[case.supporting(difference)],
            together=case.together,
            scale=difference.rounding,
        )
        for case in cases
        if isinstance(case, ComparisonCase) and not case.exact and case.across == "seeds"
        for difference in case.compared
    )
