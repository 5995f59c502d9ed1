"""Numbers of a verdict as text: p values, intervals, and the estimate that a verdict is about.

Estimates are oriented (positive is better); text shows differences as measured, with `better` or `worse`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal

from harness.analysis.verdicts.document import as_measured
from harness.analysis.verdicts.model import Estimate, Interval
from harness.experiment.claims import Claim, DeclineClaim, ProportionClaim, ThresholdClaim
from harness.reporting.phrases.numbers import coverage, decimals, difference_unit, figure, fixed, label, signed
from harness.tasks.protocol import Metric

LARGE = 1000.0


def p_value(p: float) -> str:
    """`.003`, `<.001`, `1`; empty for NaN."""
    if math.isnan(p):
        return ""
    if p < 0.001:
        return "<.001"
    return "1" if p >= 0.9995 else f"{p:.3f}"[1:]


def interval(bounds: Interval | None, places: int, sign: bool = True) -> str:
    """`[+0.21, +0.45]`; of values instead of differences `[86.90, 87.30]`; empty without bounds."""
    if bounds is None or any(map(math.isnan, bounds)):
        return ""
    low, high = (signed(bound, places) if sign else fixed(bound, places) for bound in bounds)
    return f"[{low}, {high}]"


def confidence(level: float) -> str:
    """The name of an interval at 1 - `level`: `95 % interval`, at an early look `99.34 % interval`."""
    return f"{coverage(level)} interval"


def three_figures(value: float) -> str:
    """`13.6`, `0.0021`; large ones without an exponent: `12,100`."""
    return f"{value:.3g}" if abs(value) < LARGE or math.isnan(value) else fixed(float(f"{value:.3g}"), 0)


def slope_step(row: Estimate, claim: Claim) -> tuple[float, str]:
    """(number of units of the dose, its name) of which a slope is shown.

    One unit; where the claim is about doses beyond 0.5 or 0.02 nothing is as large, and it is for 0.1 or 0.01. The slope for one
    parameter would round to 0: it is for a million, and for a thousand where that makes it large.
    """
    match claim:
        case ProportionClaim(dose="parameters"):
            shown = [value for value in (row.mean, *(row.interval or ())) if not math.isnan(value)]
            return (1e3, "thousand") if any(abs(value) * 1e6 >= LARGE for value in shown) else (1e6, "million")
        case DeclineClaim(beyond=beyond) | ProportionClaim(dose=None, beyond=beyond) if 0 < abs(beyond) < 1:
            power = 10.0 ** int(f"{beyond:e}".partition("e")[2])
            return power, figure(power)
    return 1.0, "1"


Form = Literal["short", "sentence", "line"]


class EstimateText:
    """A row's numbers for display: as measured, rounded alike, with unit.

    `form`: in short the interval is in brackets where it is needed; in a sentence it is left out; in a line there is always the
    estimate with its unit, and then the interval.
    """

    def __init__(self, row: Estimate, claim: Claim, metrics: Mapping[str, Metric], form: Form = "short") -> None:
        self.row, self.claim, self.margin = row, claim, getattr(claim, "margin", None)
        self.scale, self.step = slope_step(row, claim)
        metric = metrics[claim.metric]
        shown = as_measured(row, claim, metrics)
        self.less_is_better = not isinstance(claim, DeclineClaim | ThresholdClaim) and metric.goal == "minimize"
        self.unit = metric.unit if isinstance(claim, ThresholdClaim) else difference_unit(metric.unit)
        self.mean = shown.mean
        self.bounds = None if shown.interval is None or any(map(math.isnan, shown.interval)) else shown.interval
        self.places = decimals([row.mean, *(self.bounds or ())], metric)
        if metric.unit != "%" and not metric.exact:
            self.places = max(self.places - 1, 0)  # three significant figures: differences are less precise than values
        self.form = form
        self.brackets = "" if form == "sentence" else self._brackets()

    def _brackets(self) -> str:
        if self.bounds is not None and isinstance(self.claim, DeclineClaim | ProportionClaim):
            return f"[{self.range().replace(' to ', ', ')}]"
        return interval(self.bounds, self.places, sign=not isinstance(self.claim, ThresholdClaim))

    def range(self) -> str:
        """`0.21 to 0.45`: the interval in a sentence."""
        if isinstance(self.claim, DeclineClaim | ProportionClaim):
            low, high = (three_figures(self.scale * bound) for bound in self.bounds or ())
        else:
            low, high = (fixed(bound, self.places) for bound in self.bounds or ())
        return f"{low} to {high}"

    def size(self) -> str:
        """The absolute value with its unit: `0.33 pp`."""
        return f"{fixed(abs(self.mean), self.places)} {self.unit}".rstrip()

    def by(self) -> str:
        """`better by 0.33 pp`; in a line `better by 0.33 pp [+0.21, +0.45]`."""
        wording = "no difference"
        if self.row.mean != 0:
            wording = f"{'better' if self.row.mean > 0 else 'worse'} by {self.size()}"
        return self.with_interval(wording)

    def number(self) -> str:
        """`+0.29 [-0.11, +0.69]`, in a line `+0.29 pp [-0.11, +0.69]`; says so if less is better. Empty without a value."""
        if math.isnan(self.mean):
            return ""
        behind = {"short": self.brackets, "sentence": self.unit, "line": self.with_interval(self.unit)}[self.form]
        return f"{signed(self.mean, self.places)} {behind}".rstrip() + (" (less is better)" if self.less_is_better else "")

    def plain(self) -> str:
        """`-1.05 [-1.80, -0.30]`: the value and its interval, whatever the kind of claim."""
        if isinstance(self.claim, DeclineClaim | ProportionClaim):
            per = f"per {self.step}" if self.step != "1" else ""
            return " ".join(filter(None, [three_figures(self.scale * self.mean), self.brackets, per]))
        if isinstance(self.claim, ThresholdClaim):
            return f"{fixed(self.mean, self.places)} {self.brackets}".rstrip()
        return f"{signed(self.mean, self.places)} {self.brackets}".rstrip()

    def with_interval(self, wording: str) -> str:
        """`wording`, in a line followed by the interval."""
        return " ".join(filter(None, [wording, self.brackets])) if self.form == "line" else wording

    def within(self) -> str:
        """`within ±0.25 pp (p .009)`; in a line `within ±0.25 pp (p .009): +0.02 pp [-0.10, +0.14]`."""
        wording = f"within ±{self.margin:g} {self.unit}".rstrip() + self.in_brackets(self.row.p_equivalence)
        return f"{wording}: {self.number()}" if self.form == "line" else wording

    def behind(self) -> str:
        """`, by less than 0.25 pp`: by how much a dose outside the range may be better than those inside."""
        if self.row.verdict != "supported" or not self.row.mean < 0:
            return ""
        return f", by less than {self.margin:g} {self.unit}".rstrip()

    def in_brackets(self, p: float) -> str:
        return "" if math.isnan(p) else f" (p {p_value(p)})"

    def against(self, claim: ThresholdClaim) -> str:
        """`reaches 87.10, at least 86.97: [86.90, 87.30]`."""
        if math.isnan(self.mean):
            return ""
        if self.row.verdict == "refuted":
            bound = f", {'below' if claim.kind == 'at_least' else 'above'} {figure(claim.value)}"
        elif self.row.verdict == "supported":
            bound = f", {label(claim.kind)} {figure(claim.value)}"
        else:
            bound = f", against {figure(claim.value)}"
        reached = f"reaches {fixed(self.mean, self.places)} {self.unit}".rstrip() + bound
        return f"{reached}: {self.brackets}" if self.brackets else reached

    def slope(self, claim: DeclineClaim | ProportionClaim) -> str:
        """`worse by 1.2 pp for each 0.1 of dropout beyond 0.5`."""
        if math.isnan(self.row.mean):
            return ""
        dose = getattr(claim, "dose", None) or claim.factor
        dose = f"{self.step} parameters" if dose == "parameters" else f"{self.step} of {label(dose)}"
        change = f"{three_figures(self.scale * abs(self.row.mean))} {self.unit}".rstrip()
        where = f"for each {dose} beyond {figure(claim.beyond)}"
        if isinstance(claim, DeclineClaim):
            changed = f"{'better' if self.mean < 0 else 'worse'} by {change}"
            return f"{self.with_interval(changed)} {where}"
        changed = f"{change} {'more' if self.mean < 0 else 'less'}"
        wording = f"{self.with_interval(changed)} {where} than up to it"
        return f"{wording} (less is better)" if self.less_is_better else wording
