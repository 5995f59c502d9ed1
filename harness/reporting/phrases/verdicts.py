"""Verdicts as text: short (`outcome`), as a sentence (`headline`), and their notes as sentences.

Estimates are oriented (positive is better); text shows differences as measured, with `better` or `worse`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from harness.analysis.verdicts import model
from harness.analysis.verdicts.document import as_measured
from harness.analysis.verdicts.model import Estimate, Interval, Verdict
from harness.experiment.claims import (
    Claim,
    ComparisonClaim,
    ContrastClaim,
    DeclineClaim,
    ProportionClaim,
    RangeClaim,
    ThresholdClaim,
)
from harness.reporting.phrases.numbers import decimals, difference_unit, figure, label, listed, plural, signed
from harness.tasks.protocol import Metric

# Note -> sentence.
NOTES: Mapping[str, str] = {
    model.NEGLIGIBLE: "There is a difference, but it is smaller than the margin.",
    model.EXCEEDS: "The whole interval lies beyond the margin.",
    model.NO_GAIN: "A gain as large as the margin can be ruled out.",
    model.NO_LOSS: "A loss as large as the margin can be ruled out.",
    model.DEGENERATE: "The seed had almost no effect, so no test is possible.",
    model.FEW: "Fewer than 3 seeds: no test is possible.",
}
UNTESTED: Mapping[str, str] = {
    model.DEGENERATE: "no test: the seed had no effect",
    model.FEW: "no test with fewer than 3 seeds",
}
AGAINST = "p against"
LOST = ("failed: ", "diverged: ", "not measured: ")


def p_value(p: float) -> str:
    """`.003`, `<.001`, `1`; empty for NaN."""
    if math.isnan(p):
        return ""
    if p < 0.001:
        return "<.001"
    return "1" if p >= 0.9995 else f"{p:.3f}"[1:]


def deciding_p(row: Estimate, alpha: float) -> tuple[str, float]:
    """(name, p value) that decided the row's verdict: that of the opposite claim where it refuted the claim."""
    if row.verdict == "refuted" and row.p_contrary < alpha:
        return AGAINST, row.p_contrary
    return "p", row.p_adjusted


def interval(bounds: Interval | None, places: int, sign: bool = True) -> str:
    """`[+0.21, +0.45]`; of values instead of differences `[86.90, 87.30]`; empty without bounds."""
    if bounds is None or any(map(math.isnan, bounds)):
        return ""
    low, high = (signed(bound, places) if sign else f"{bound:,.{places}f}" for bound in bounds)
    return f"[{low}, {high}]"


def confidence(level: float) -> str:
    """The name of an interval at 1 - `level`: `95 % interval`, at an early look `99.34 % interval`."""
    return f"{100 * (1 - level):.4g} % interval"


def outcome(verdict: Verdict, metrics: Mapping[str, Metric], next_look: int | None = None) -> str:
    """The result in short: `better by 0.33 pp`; for a list the number of rows by verdict.

    `next_look`: seeds of the next look; shown instead of the number of seeds that would settle the claim.
    """
    if not verdict.rows:
        return "no look yet"
    if len(verdict.rows) == 1:
        wording = part(verdict, verdict.rows[0], metrics, settle=not verdict.open)
    else:
        words = [row.verdict for row in verdict.rows]
        wording = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    if verdict.open and next_look is not None:
        wording += f"; next look at {plural(next_look, 'seed')}"
    return wording


def part(verdict: Verdict, row: Estimate, metrics: Mapping[str, Metric], settle: bool = True) -> str:
    """The result of one row. `settle`: add how many seeds would settle an inconclusive one."""
    wording = _words(verdict, _Estimate(row, verdict.claim, metrics))
    if settle and row.verdict == "inconclusive" and row.seeds_needed is not None:
        wording += f"; {seeds_needed_text(row.seeds_needed)} would settle it"
    return wording


def _words(verdict: Verdict, estimate: _Estimate) -> str:
    """The estimate as text, and why it has no test."""
    claim, row = verdict.claim, estimate.row
    # This is the p value of the claim, which does not refute it.
    shown = estimate.in_brackets(math.nan if row.verdict == "refuted" else row.p_adjusted)
    match claim:
        case RangeClaim():
            wording = _optima(verdict) + estimate.behind() + shown
        case DeclineClaim() | ProportionClaim():
            wording = estimate.slope(claim) + shown
        case ThresholdClaim():
            wording = estimate.against(claim)
        case _ if row.verdict == "inconclusive" or isinstance(claim, ContrastClaim):
            wording = estimate.within() if _negligible(row, claim) else estimate.number()
        case ComparisonClaim(kind="no_gain" | "no_loss") if row.verdict == "supported":
            change = "gain" if claim.kind == "no_gain" else "loss"
            wording = f"{estimate.number()}, no {change} of {claim.margin:g} {estimate.unit}".rstrip()
        case _:
            wording = estimate.within() if _negligible(row, claim) else estimate.by()
    return "; ".join(filter(None, [wording, *_untested(row)]))


def headline(verdict: Verdict, metrics: Mapping[str, Metric]) -> str:
    """A whole sentence: `Better by 0.33 pp, 95 % interval 0.21 to 0.45, 5 paired seeds.`"""
    if not verdict.rows:
        return "Not judged yet."
    if len(verdict.rows) > 1:
        parts = [f"{row.subject} {row.verdict}, {part(verdict, row, metrics)}" for row in verdict.rows]
        return f"{'; '.join(parts)}."
    (row,) = verdict.rows
    estimate = _Estimate(row, verdict.claim, metrics, bracketed=False)
    wording = [_words(verdict, estimate)]
    if estimate.bounds is not None:
        wording.append(f"{confidence(row.level)} {estimate.range()}")
    if row.n:
        paired = isinstance(verdict.claim, ComparisonClaim | ContrastClaim)
        wording.append(plural(row.n, "paired seed" if paired else "seed"))
    sentence = ", ".join(wording)
    if row.verdict == "inconclusive" and row.seeds_needed is not None:
        sentence += f"; {seeds_needed_text(row.seeds_needed)} would settle it"
    return f"{sentence[0].upper()}{sentence[1:]}."


def notes(verdict: Verdict) -> tuple[str, ...]:
    """The notes of a verdict and of its rows as sentences, then the e-value."""
    wording = []
    for note in merge_notes([*verdict.notes, *(note for row in verdict.rows for note in row.notes)]):
        if note == model.EARLY:
            at = "" if verdict.decided_at is None else f" at {plural(verdict.decided_at, 'seed')}"
            wording.append(f"Decided{at}, before the last look: effects at an early stop are inflated.")
        elif note in NOTES:
            wording.append(NOTES[note])
        else:
            wording.append(f"{note[0].upper()}{note[1:]}.")
    return tuple(wording)


def seeds_needed_text(seeds: model.SeedsNeeded) -> str:
    """`6 to 17 fresh seeds`, `6 to more than 1,000 fresh seeds`."""
    low, high = ("more than 1,000" if count is None else f"{count:,d}" for count in seeds)
    return f"{low} fresh seeds" if low == high else f"{low} to {high} fresh seeds"


def _negligible(row: Estimate, claim: Claim) -> bool:
    """Whether the verdict is that the difference is within the margin."""
    claimed = getattr(claim, "kind", "") == "equivalent" or getattr(claim, "sign", "") == "negligible"
    return row.verdict == "equivalent" or (claimed and row.verdict == "supported")


def _untested(row: Estimate) -> list[str]:
    """Short notes on why a row has no test or is refuted regardless of its estimate."""
    relevant = (
        note
        for note in merge_notes(row.notes)
        if note in UNTESTED or note.startswith((*LOST, model.RISES)) or model.NO_DOSE in note
    )
    return [UNTESTED.get(note, note) for note in relevant]


def merge_notes(found: Iterable[str]) -> list[str]:
    """Notes with those of one variant merged: `failed: b seed 0`, `failed: b seed 2` -> `failed: b seeds 0, 2`."""
    seeds: dict[str, list[str]] = {}
    for note in dict.fromkeys(found):
        start, between, seed = note.rpartition(" seed ") if note.startswith(LOST) else (note, "", "")
        seeds.setdefault(start if between else note, []).extend([seed] if between else [])
    return [
        f"{start} {'seed' if len(each) == 1 else 'seeds'} {', '.join(each)}" if each else start for start, each in seeds.items()
    ]


def _optima(verdict: Verdict) -> str:
    """`0.1, 0.2 or 0.3 may be best`; empty without a test."""
    return f"{listed(verdict.optima, 'or')} may be best" if verdict.optima else ""


class _Estimate:
    """A row's numbers for display: as measured, rounded alike, with unit; the interval in brackets or left out."""

    def __init__(self, row: Estimate, claim: Claim, metrics: Mapping[str, Metric], bracketed: bool = True) -> None:
        self.row, self.claim, self.margin = row, claim, getattr(claim, "margin", None)
        # The slope for a single parameter would round to 0.
        self.scale = 1e6 if getattr(claim, "dose", None) == "parameters" else 1.0
        metric = metrics[claim.metric]
        shown = as_measured(row, claim, metrics)
        self.less_is_better = not isinstance(claim, DeclineClaim | ThresholdClaim) and metric.goal == "minimize"
        self.unit = metric.unit if isinstance(claim, ThresholdClaim) else difference_unit(metric.unit)
        self.mean = shown.mean
        self.bounds = None if shown.interval is None or any(map(math.isnan, shown.interval)) else shown.interval
        self.places = decimals([row.mean, *(self.bounds or ())], metric)
        if metric.unit != "%" and not metric.exact:
            self.places = max(self.places - 1, 0)  # three significant figures: differences are less precise than values
        self.bracketed = bracketed
        self.brackets = interval(self.bounds, self.places, sign=not isinstance(claim, ThresholdClaim)) if bracketed else ""

    def range(self) -> str:
        """`0.21 to 0.45`: the interval in a sentence."""
        if isinstance(self.claim, DeclineClaim | ProportionClaim):
            low, high = (f"{self.scale * bound:.3g}" for bound in self.bounds or ())
        else:
            low, high = (f"{bound:,.{self.places}f}" for bound in self.bounds or ())
        return f"{low} to {high}"

    def size(self) -> str:
        """The absolute value with its unit: `0.33 pp`."""
        return f"{abs(self.mean):,.{self.places}f} {self.unit}".rstrip()

    def by(self) -> str:
        """`better by 0.33 pp`."""
        if self.row.mean == 0:
            return "no difference"
        return f"{'better' if self.row.mean > 0 else 'worse'} by {self.size()}"

    def number(self) -> str:
        """`+0.29 [-0.11, +0.69]`; says so if less is better. Empty without a value."""
        if math.isnan(self.mean):
            return ""
        behind = self.brackets if self.bracketed else self.unit
        return f"{signed(self.mean, self.places)} {behind}".rstrip() + (" (less is better)" if self.less_is_better else "")

    def within(self) -> str:
        """`within ±0.25 pp (p .009)`."""
        return f"within ±{self.margin:g} {self.unit}".rstrip() + self.in_brackets(self.row.p_equivalence)

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
        reached = f"reaches {self.mean:,.{self.places}f} {self.unit}".rstrip() + bound
        return f"{reached}: {self.brackets}" if self.brackets else reached

    def slope(self, claim: DeclineClaim | ProportionClaim) -> str:
        """`worse by 1.20 pp for each 1 of dropout beyond 0.5`."""
        if math.isnan(self.row.mean):
            return ""
        dose = getattr(claim, "dose", None) or claim.factor
        dose = "million parameters" if dose == "parameters" else f"1 of {label(dose)}"
        change = f"{self.scale * abs(self.row.mean):.3g} {self.unit}".rstrip()
        where = f"for each {dose} beyond {figure(claim.beyond)}"
        if isinstance(claim, DeclineClaim):
            return f"{'better' if self.mean < 0 else 'worse'} by {change} {where}"
        wording = f"{change} {'more' if self.mean < 0 else 'less'} {where} than up to it"
        return f"{wording} (less is better)" if self.less_is_better else wording
