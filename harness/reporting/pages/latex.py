"""Findings -> table.tex: the tables of variants and of claims, to \\input into a paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from harness.analysis.verdicts import Estimate, Verdict
from harness.reporting import phrases
from harness.reporting.pages.report_data import Findings
from harness.reporting.pages.rows import ClaimPart, ClaimRow, Fact, Rows, VariantTable
from harness.reporting.pages.template import environment
from harness.reporting.pages.tex import escape, number

LONGEST = 30  # letters of a variant's label that stand on one line


@dataclass(frozen=True)
class Tabular:
    """A table in LaTeX: everything is escaped already."""

    label: str
    caption: str
    columns: str
    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: str


def render(findings: Findings) -> str:
    """The file's text; the same for the same findings."""
    # Braces and percent signs are TeX's own.
    templates = environment(block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>")
    rows = Rows(findings)
    tables = [variants(findings, table) for table in rows.tables]
    if rows.claims:
        tables.append(claims(findings, rows.claims))
    return templates.get_template("table.tex.j2").render(
        name=escape(findings.plan.name), label=re.sub(r"[^A-Za-z0-9]+", "-", findings.plan.name), tables=tables
    )


def variants(findings: Findings, table: VariantTable) -> Tabular:
    """A row a variant, by one metric."""
    titles = ["variant", "n", table.title]
    titles += [table.difference, table.confidence, "p"] if table.compared else []
    rows = []
    for row in table.rows:
        label = escape(f"{row.label} (baseline)" if row.baseline else row.label)
        # What follows the end of a row would be read as its argument, or as a star.
        cells = [f"{{}}{label}" if label.startswith(("[", "*")) else label, number(row.n.text), number(row.value.text)]
        if table.compared:
            cells += [number(row.difference.text), number(row.interval.text), number(row.p.text)]
        rows.append(cells)
    first = "l"
    if max(len(row.label) for row in table.rows) > LONGEST:
        first, rows = r"p{0.3\linewidth}", [[rf"\raggedright {label}", *cells] for label, *cells in rows]
    return Tabular(
        label=re.sub(r"[^A-Za-z0-9]+", "-", table.metric),
        caption=caption(findings, f"{phrases.label(table.metric).capitalize()} by variant."),
        columns=f"@{{}}{first}{'r' * (len(titles) - 1)}@{{}}",
        titles=list(map(escape, titles)),
        rows=rows,
        notes=escape(f"n counts completed runs; {table.reading}."),
    )


def claims(findings: Findings, rows: Sequence[ClaimRow]) -> Tabular:
    """A row a claim; below one about several variants, a row each."""
    found = []
    estimates = [estimate for verdict in findings.judgement.verdicts for estimate in verdict.rows]
    levels = {estimate.level for estimate in estimates if estimate.interval is not None}
    cells = partial(numbers, alpha=findings.plan.alpha, named=len(levels) > 1)
    for place, (verdict, row) in enumerate(zip(findings.judgement.verdicts, rows, strict=True), 1):
        own = verdict.rows[0] if len(verdict.rows) == 1 else None
        found.append([str(place), rf"\raggedright {escape(statement(findings, verdict))}", row.word, *cells(row.facts, own)])
        for part, estimate in zip(row.parts, verdict.rows if row.parts else (), strict=True):
            found.append(["", rf"\raggedright\quad {escape(about(part))}", part.word, *cells(part.facts, estimate)])
    notes = ["p is Holm-adjusted within its family"]
    if len(findings.plan.looks) > 1:
        notes[0] += " and valid at any look"
    if any(phrases.p_of(estimate, findings.plan.alpha)[0] == phrases.AGAINST for estimate in estimates):
        notes.append("of a refuted claim about a dose or a number, p is that of the contrary")
    notes.append("equiv.: p of equivalence within the margin; of no gain and no loss, that of the bound")
    notes += [f"each interval is a {phrases.confidence(*levels)}"] if len(levels) == 1 else []
    notes += ["behind each interval is its own level, as claims were decided at different looks"] if len(levels) > 1 else []
    notes += [f"claims digest {findings.plan.claims_digest}"]
    return Tabular(
        label="claims",
        caption=caption(findings, "Claims and what came of them."),
        columns=r"@{}rp{0.2\linewidth}lrrrrr@{}",
        titles=["", "claim", "verdict", "n", "estimate", "interval", "p", "equiv."],
        rows=found,
        notes=f"{escape('; '.join(notes))}.",
    )


def statement(findings: Findings, verdict: Verdict) -> str:
    """The claim, with its metric where that is not the report's own, its slice, and whether it came after the runs."""
    late = () if verdict.registered else ("claimed after runs were seen",)
    return phrases.asserted(verdict.claim, verdict.claim.metric != findings.metric, *late)


def about(part: ClaimPart) -> str:
    """The variant of a list, and what it is compared with."""
    return f"{part.subject} against {part.over}" if part.over else part.subject


def numbers(facts: Sequence[Fact], estimate: Estimate | None, *, alpha: float, named: bool) -> list[str]:
    """The cells of one estimate: n, its value with its unit, interval, p, p of equivalence; empty where there is none.

    `named`: intervals have their level behind them.
    """
    if estimate is None:
        return [""] * 5
    texts = [fact.number.text for fact in facts if fact.name not in ("p", phrases.AGAINST, "seeds")]
    value, interval = (*texts, "", "")[:2]
    interval += f" ({100 * (1 - estimate.level):.4g} %)" if interval and named else ""
    p_values = (phrases.p_value(phrases.p_of(estimate, alpha)[1]), phrases.p_value(estimate.p_equivalence))
    return [str(estimate.n), *map(number, (value, interval, *p_values))]


def caption(findings: Findings, title: str) -> str:
    """What the table shows, of which experiment; and whether it is evidence."""
    plan = findings.plan
    parts = [title, plan.question, f"({plan.name}: {', '.join(phrases.setting(plan))}.)"]
    parts += [] if findings.complete else [f"{findings.ended:,d} of {len(findings.asked):,d} runs in."]
    parts += [f"{marker}."] if (marker := phrases.rehearsal(plan)) else []
    parts += [f"{phrases.CHANGED.capitalize()}."] if plan.amended else []
    return escape(" ".join(parts))
