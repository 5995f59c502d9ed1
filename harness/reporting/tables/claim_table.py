"""Tables of all claims of a plan: with their estimates for papers, with their results for report.md."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.analysis.verdicts import Estimate, Verdict
from harness.reporting import phrases
from harness.reporting.tables.claims import EFFECT, IMPROVEMENT, OUTCOMES, Fact, claim_results
from harness.reporting.tables.model import Column, DisplayTable

if TYPE_CHECKING:
    from harness.reporting.pages.report_data import ReportData


def claim_table(report: ReportData) -> DisplayTable:
    """A row per claim with its estimate; below a claim about several variants a row for each."""
    estimates = [estimate for verdict in report.judgement.verdicts for estimate in verdict.rows]
    levels = {estimate.level for estimate in estimates if estimate.interval is not None}
    alpha = report.plan.alpha
    rows = []
    for place, claim in enumerate(claim_results(report), 1):
        own = claim.verdict.rows[0] if len(claim.verdict.rows) == 1 else None
        rows.append([str(place), _asserted(report, claim.verdict), claim.word, *_numbers(claim.facts, own, alpha, levels)])
        for part in claim.parts:
            one = part.estimate
            about = f"{one.subject} against {one.over}" if one.over else one.subject
            rows.append(["", f" {about}", one.verdict, *_numbers(part.facts, one, alpha, levels)])
    columns = [Column("", "right"), Column("claim", holds="remarks"), Column("verdict")]
    columns += [Column("n", "right"), Column("estimate", "right"), Column("interval", "right", holds="intervals")]
    columns += [Column("p", "right"), Column("equiv.", "right")]
    notes = ["p is corrected for all hypotheses of the plan"]
    if len(report.plan.looks) > 1:
        notes[0] += " and valid at any look"
    if any(phrases.refuting_p(estimate, alpha)[0] == phrases.AGAINST for estimate in estimates):
        notes.append("for a refuted claim about a dose or a number, p is that of the opposite claim")
    notes.append("equiv.: p of the equivalence test (TOST); for no gain and no loss, of the non-inferiority test")
    notes += [f"each interval is a {phrases.confidence(*levels)}, of its claim alone"] if len(levels) == 1 else []
    notes += ["each interval is followed by its level, as claims were decided at different looks"] if len(levels) > 1 else []
    notes += [
        *(f"optimistic: {each}" for each in phrases.optimistic_results(report.metrics)),
        f"claims digest {report.plan.claims_digest}",
    ]
    table = DisplayTable.of_rows(columns, rows)
    return DisplayTable(table.columns, "Claims and results", "; ".join(notes))


def _asserted(report: ReportData, verdict: Verdict) -> str:
    """The claim in short, with its metric if it differs from the report's, its slice, and what makes its verdict doubtful."""
    late = phrases.short_registration(verdict)
    doubts = filter(None, [late, phrases.CONTRADICTED if verdict.contradicted else ""])
    return phrases.short_claim(verdict.claim, verdict.claim.metric != report.metric, *doubts)


def _numbers(facts: tuple[Fact, ...], estimate: Estimate | None, alpha: float, levels: set[float]) -> list[str]:
    """The cells of one estimate: n, its value with its unit, interval, p, p of equivalence; empty without a value."""
    if estimate is None:
        return [""] * 5
    others = ("p", phrases.AGAINST, "cases", "groups", "seeds", "runs", OUTCOMES, EFFECT, IMPROVEMENT)
    texts = [fact.number.text for fact in facts if fact.name not in others and not fact.name.startswith(phrases.OF)]
    value, interval = (*texts, "", "")[:2]
    interval += f" ({phrases.coverage(estimate.level)})" if interval and len(levels) > 1 else ""
    p_values = (phrases.p_value(phrases.refuting_p(estimate, alpha)[1]), phrases.p_value(estimate.p_equivalence))
    return [", ".join(map(str, estimate.runs)) or str(estimate.n), value, interval, *p_values]


def verdict_table(report: ReportData) -> DisplayTable:
    """A row per claim: verdict, claim, result."""
    rows = []
    for claim in claim_results(report):
        late = phrases.short_registration(claim.verdict)
        rows.append([phrases.word(claim.verdict), claim.statement, f"{claim.headline} {late}." if late else claim.headline])
    return DisplayTable.of_rows([Column("verdict"), Column("claim"), Column("result")], rows)
