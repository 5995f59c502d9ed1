"""Verdicts as text: short (`outcome`), as a sentence (`headline`), and their notes as sentences.

Estimates are oriented (positive is better); text shows differences as measured, with `better` or `worse`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from harness.analysis.verdicts import model
from harness.analysis.verdicts.model import Estimate, Verdict
from harness.experiment.claims import (
    Claim,
    ComparisonClaim,
    ContrastClaim,
    DeclineClaim,
    ProportionClaim,
    RangeClaim,
    ThresholdClaim,
)
from harness.reporting.phrases.estimates import EstimateText, confidence, p_value
from harness.reporting.phrases.numbers import difference_unit, listed, plural
from harness.tasks.protocol import Metric

# Verdict -> what it means, for readers who see one for the first time.
MEANINGS: Mapping[str, str] = {
    "supported": "the seeds show what the claim says",
    "refuted": "the seeds show the opposite of the claim",
    "equivalent": "any difference is smaller than the margin, the smallest that matters",
    "inconclusive": "the seeds leave the claim open, which does not mean that there is no difference; more seeds would decide it",
}
# Note -> sentence.
NOTES: Mapping[str, str] = {
    model.NEGLIGIBLE: "There is a difference, but it is smaller than the margin.",
    model.EXCEEDS: "The whole interval lies beyond the margin.",
    model.NO_GAIN: "A gain as large as the margin can be ruled out.",
    model.NO_LOSS: "A loss as large as the margin can be ruled out.",
    model.DEGENERATE: "The values do not vary with the seed, so no test is possible.",
    model.FEW: "Fewer than 3 seeds: no test is possible.",
    model.FEW_RUNS: "Fewer than 3 runs of a variant: no test is possible.",
    model.NO_COMMON: "The variants have no seed in common, so that nothing can be compared seed by seed.",
    model.INEXACT: "Fewer than 5 runs of a variant: unpaired, the test errs somewhat more often than alpha says.",
    model.FEW_CASES: "Fewer than 5 cases: no test is possible.",
    model.FEW_GROUPS: "Fewer than 10 groups of cases: no test is possible.",
    model.SAME_CASES: "All cases have the same difference or value, so no test is possible.",
}
UNTESTED: Mapping[str, str] = {
    model.DEGENERATE: "no test: the seed had no effect",
    model.FEW: "no test with fewer than 3 seeds",
    model.FEW_RUNS: "no test with fewer than 3 runs of a variant",
    model.NO_COMMON: "no test: no seed in common",
    model.FEW_CASES: "no test with fewer than 5 cases",
    model.FEW_GROUPS: "no test with fewer than 10 groups",
    model.SAME_CASES: "no test: all cases are the same",
}
AGAINST = "p against"
OF = "p of "  # equivalence, the bound, the joint bound
BOUNDS = ("no_gain", "no_loss")
LOST = ("failed: ", "diverged: ", "not measured: ", f"{model.OUT_OF_RANGE}: ")


def deciding_p(verdict: Verdict, row: Estimate, alpha: float) -> tuple[str, float]:
    """(name, p value) of the test that decided the row's verdict, or would.

    It is called `p`, `p against`, `p of equivalence`, `p of the bound` or, where a list is open, `p of the joint bound`.
    """
    if row.verdict == "refuted":
        return refuting_p(row, alpha)
    kind, sign = (getattr(verdict.claim, name, "") for name in ("kind", "sign"))
    if kind in BOUNDS:
        joint = len(verdict.rows) > 1 and row.verdict != "supported"
        return f"{OF}the {'joint ' if joint else ''}bound", row.p_equivalence
    if row.verdict == "equivalent" or kind == "equivalent" or sign == "negligible":
        return f"{OF}equivalence", row.p_equivalence
    return "p", row.p_adjusted


def refuting_p(row: Estimate, alpha: float) -> tuple[str, float]:
    """(name, p value) of a difference, or of the opposite claim where this refuted the claim."""
    if row.verdict == "refuted" and row.p_contrary < alpha:
        return AGAINST, row.p_contrary
    return "p", row.p_adjusted


def outcome(
    verdict: Verdict, metrics: Mapping[str, Metric], next_look: int | None = None, chosen: str = "", alpha: float | None = None
) -> str:
    """The result in short: `better by 0.33 pp`; for a list the number of rows by verdict. Then runs lost after the deciding look.

    `next_look`: seeds of the next look; shown instead of the number of seeds that would settle the claim. `chosen`: how the
    variants were chosen (`phrases.as_chosen`). `alpha` as in `part`.
    """
    if not verdict.rows:
        return "no look yet"
    if len(verdict.rows) == 1:
        wording = part(verdict, verdict.rows[0], metrics, settle=not verdict.open, alpha=alpha)
    else:
        words = [row.verdict for row in verdict.rows]
        wording = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))
    if verdict.open and next_look is not None:
        wording += f"; next look at {plural(next_look, 'seed')}"
    return "; ".join(filter(None, [wording, *lost_later(verdict), chosen]))


def part(verdict: Verdict, row: Estimate, metrics: Mapping[str, Metric], settle: bool = True, alpha: float | None = None) -> str:
    """The result of one row. `settle`: add how many seeds would settle an inconclusive one.

    `alpha`: of the plan; with it the result is a whole line: `better by 0.33 pp [+0.21, +0.45], n 5, p .004`.
    """
    if alpha is None:
        text = "; ".join(filter(None, [_words(verdict, EstimateText(row, verdict.claim, metrics)), *_untested(row)]))
        wording = ", ".join(filter(None, [text, over_cases(row)]))
        return "; ".join([wording, *_prospects(row, settle)])
    words = _words(verdict, EstimateText(row, verdict.claim, metrics, "line"))
    wording = ", ".join(filter(None, [words, _counted(row), _tested(verdict, row, alpha)])) if words else ""
    return "; ".join(filter(None, [wording, *_untested(row), *_prospects(row, settle)]))


def _counted(row: Estimate) -> str:
    """`n 5`, `n 5 of 6`, `n 5 and 6 runs`, `over 1,319 cases`; empty for an estimate of nothing."""
    if row.cases is not None or not row.n:
        return over_cases(row)
    if row.runs:
        return f"n {counted_runs(row.runs)}"
    return f"n {row.n:,d}" + (f" of {row.n + row.absent:,d}" if row.absent else "")


def _tested(verdict: Verdict, row: Estimate, alpha: float) -> str:
    """`p .004` of the test that decided the row, or would; empty if there is none, or if the words have it."""
    kind = getattr(verdict.claim, "kind", "")
    if _negligible(row, verdict.claim) or (kind in BOUNDS and row.verdict == "supported"):
        return ""
    name, p = deciding_p(verdict, row, alpha)
    return "" if math.isnan(p) else f"{name} {p_value(p)}"


def _prospects(row: Estimate, settle: bool = True) -> list[str]:
    """What an inconclusive row may expect: whether it holds its list up; why it was closed, else how many seeds would decide it.

    Never both of these: the number of seeds assumes a true difference that the row makes unlikely.
    """
    closed = [note for note in row.notes if note.startswith(model.FUTILE)]
    found = [note for note in row.notes if note == model.ALONE] + closed
    if settle and not closed and row.verdict == "inconclusive" and row.seeds_needed is not None:
        text = seeds_needed_text(row.seeds_needed, cases=row.cases is not None, unpaired=bool(row.runs))
        found.append(f"{text} would settle it")
    return found


def _words(verdict: Verdict, estimate: EstimateText) -> str:
    """The estimate as text."""
    claim, row, line = verdict.claim, estimate.row, estimate.form == "line"
    # This is the p value of the claim, which does not refute it; in a line it is behind the estimate.
    shown = estimate.in_brackets(math.nan if line or row.verdict == "refuted" else row.p_adjusted)
    match claim:
        case RangeClaim():
            found = estimate.number() if line else ""
            inside = f"inside minus outside {found}" if found else ""
            return ": ".join(filter(None, [_optima(verdict) + estimate.behind() + shown, inside]))
        case DeclineClaim() | ProportionClaim():
            return estimate.slope(claim) + shown
        case ThresholdClaim():
            return estimate.against(claim)
        case _ if row.verdict == "inconclusive" or isinstance(claim, ContrastClaim):
            return estimate.within() if _negligible(row, claim) else estimate.number()
        case ComparisonClaim(kind="no_gain" | "no_loss") if row.verdict == "supported":
            change = "gain" if claim.kind == "no_gain" else "loss"
            bound = f"{estimate.number()}, no {change} of {claim.margin:g} {estimate.unit}".rstrip()
            return bound + (estimate.in_brackets(row.p_equivalence) if line else "")
        case _:
            return estimate.within() if _negligible(row, claim) else estimate.by()


def over_cases(row: Estimate) -> str:
    """`over 1,319 cases in 40 groups and 3 seeds`; empty for a claim over seeds."""
    if row.cases is None or not row.cases.n:
        return ""
    grouped = "" if row.cases.groups is None else f" in {plural(row.cases.groups, 'group')}"
    return f"over {plural(row.cases.n, 'case')}{grouped}" + (f" and {row.cases.seeds} seeds" if row.cases.seeds > 1 else "")


def headline(verdict: Verdict, metrics: Mapping[str, Metric], chosen: str = "") -> str:
    """A whole sentence: `Better by 0.33 pp, 95 % interval 0.21 to 0.45, 5 paired seeds.` `chosen` as in `outcome`."""
    if not verdict.rows:
        return "Not judged yet."
    ending = [*lost_later(verdict), *filter(None, [chosen])]
    if len(verdict.rows) > 1:
        parts = [f"{row.subject} {row.verdict}, {part(verdict, row, metrics, not verdict.open)}" for row in verdict.rows]
        return f"{'; '.join([*parts, *ending])}."
    (row,) = verdict.rows
    estimate = EstimateText(row, verdict.claim, metrics, "sentence")
    wording = ["; ".join(filter(None, [_words(verdict, estimate), *_untested(row)]))]
    if estimate.bounds is not None:
        wording.append(f"{confidence(row.level)} {estimate.range()}")
    if row.cases is not None:
        wording += filter(None, [over_cases(row)])
    elif row.runs:
        wording.append(f"unpaired, {counted_runs(row.runs)}")
    elif row.n:
        paired = isinstance(verdict.claim, ComparisonClaim | ContrastClaim)
        wording.append(plural(row.n, "paired seed" if paired else "seed") + (f" of {row.n + row.absent}" if row.absent else ""))
    sentence = "; ".join([", ".join(wording), *_prospects(row, not verdict.open), *ending])
    return f"{sentence[0].upper()}{sentence[1:]}."


def lost_later(verdict: Verdict) -> list[str]:
    """`diverged after the deciding look: b seed 7`: runs beyond the verdict's seeds that have no value."""
    return merge_notes(note for note in verdict.notes if model.LATER in note)


def all_notes(verdict: Verdict) -> tuple[str, ...]:
    """The notes of a verdict and of its rows, each once."""
    return tuple(dict.fromkeys([*verdict.notes, *(note for row in verdict.rows for note in row.notes)]))


def notes(verdict: Verdict, metrics: Mapping[str, Metric]) -> tuple[str, ...]:
    """The notes of a verdict and of its rows as sentences; not `seed_remarks`."""
    wording = []
    unit = difference_unit(metrics[verdict.claim.metric].unit) if verdict.claim.metric in metrics else ""
    for note in merge_notes(all_notes(verdict)):
        if model.APART in note or note in (model.DRIFTS, model.ALONE):
            continue
        if note == model.EARLY:
            at = "" if verdict.decided_at is None else f" at {plural(verdict.decided_at, 'seed')}"
            wording.append(f"Decided{at}, before the last look: effects at an early stop are inflated.")
        elif note in NOTES:
            wording.append(NOTES[note])
        elif note.startswith(model.RESOLUTION):
            size = f"{note.removeprefix(model.RESOLUTION)} {unit}".rstrip()
            wording.append(f"{_capital(model.RESOLUTION)}{size}, and were tested against its rounding error.")
        else:
            wording.append(f"{_capital(note)}.")
    if alone := [row.subject for row in verdict.rows if model.ALONE in row.notes]:
        wording.append(f"{listed(alone)}: {'each ' if len(alone) > 1 else ''}{model.ALONE}.")
    return tuple(wording)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def counted_runs(runs: Sequence[int]) -> str:
    """`5 and 6 runs`: of each variant of an unpaired comparison."""
    return f"{listed([f'{count:,d}' for count in runs])} runs"


def left_out(row: Estimate) -> str:
    """`3 seeds are left out: not every variant has a run with them.`; empty without any."""
    if not row.absent:
        return ""
    verb, pronoun = ("is", "it") if row.absent == 1 else ("are", "them")
    return f"{plural(row.absent, 'seed')} {verb} left out: not every variant has a run with {pronoun}."


def seeds_needed_text(seeds: model.SeedsNeeded, *, cases: bool = False, unpaired: bool = False) -> str:
    """`6 to 17 fresh seeds`, `6 to more than 1,000 fresh seeds`; `6 to 17 fresh runs of each variant`; `1,700 to 1,900 cases`."""
    most, noun = ("more than 1,000,000", "cases") if cases else ("more than 1,000", "fresh seeds")
    noun = "fresh runs of each variant" if unpaired else noun
    low, high = (most if count is None else f"{count:,d}" for count in seeds)
    return f"{low} {noun}" if low == high else f"{low} to {high} {noun}"


def _negligible(row: Estimate, claim: Claim) -> bool:
    """Whether the verdict is that the difference is within the margin."""
    claimed = getattr(claim, "kind", "") == "equivalent" or getattr(claim, "sign", "") == "negligible"
    return row.verdict == "equivalent" or (claimed and row.verdict == "supported")


def _untested(row: Estimate) -> list[str]:
    """Short notes on why a row has no test or is refuted regardless of its estimate."""
    relevant = (
        note
        for note in merge_notes(row.notes)
        if note in UNTESTED or note.startswith((*LOST, model.RISES, model.CASES_OF)) or model.NO_DOSE in note
    )
    return [UNTESTED.get(note, note) for note in relevant]


def merge_notes(found: Iterable[str]) -> list[str]:
    """Notes with those of one variant merged: `failed: b seed 0`, `failed: b seed 2` -> `failed: b seeds 0, 2`."""
    seeds: dict[str, list[str]] = {}
    for note in dict.fromkeys(found):
        one_run = note.startswith(LOST) or model.LATER in note
        start, between, seed = note.rpartition(" seed ") if one_run else (note, "", "")
        seeds.setdefault(start if between else note, []).extend([seed] if between else [])
    return [
        f"{start} {'seed' if len(each) == 1 else 'seeds'} {', '.join(each)}" if each else start for start, each in seeds.items()
    ]


def _optima(verdict: Verdict) -> str:
    """`0.1, 0.2 or 0.3 may be best`; empty without a test."""
    return f"{listed(verdict.optima, 'or')} may be best" if verdict.optima else ""
