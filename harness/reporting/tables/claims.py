"""A plan's claims with their verdicts and estimates, for pages and tables; each number carries its run ids."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from textwrap import shorten
from typing import TYPE_CHECKING

from harness.analysis.verdicts import Estimate, Verdict
from harness.analysis.verdicts.document import as_measured
from harness.experiment.claims import Claim, DeclineClaim, ProportionClaim, RangeClaim, ThresholdClaim
from harness.reporting import phrases
from harness.reporting.pages.explanations import reasons
from harness.reporting.tables.model import Cell, Column, DisplayTable
from harness.reporting.tables.sources import Group, Sources
from harness.tasks.protocol import Metric

if TYPE_CHECKING:
    from harness.reporting.pages.report_data import ReportData

OUTCOME = 240  # characters of a claim's result: a long list of failed runs is cut
EFFECT = "effect size g_z [95 %]"
IMPROVEMENT = "P(better) [95 %]"
INTERVAL = " interval"  # after the confidence level
OUTCOMES = "cases with outcome 1"
LISTED = 120  # most runs that a claim lists; runs.csv has all


@dataclass(frozen=True)
class Fact:
    """A number with its name."""

    name: str
    number: Cell


@dataclass(frozen=True)
class ClaimPart:
    """The result for one variant of a claim."""

    estimate: Estimate
    wording: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class ClaimResult:
    """A claim with its result: `facts` for a single estimate, `parts` for several variants."""

    verdict: Verdict
    statement: str
    qualifiers: str
    headline: str  # the result in a sentence
    outcome: Cell  # the result in short
    registration: str  # when it was written
    facts: tuple[Fact, ...]
    parts: tuple[ClaimPart, ...]
    remarks: tuple[str, ...]  # what to know beside the verdict
    reasons: tuple[str, ...]
    groups: tuple[Group, ...]  # of its runs

    @property
    def word(self) -> str:
        """The verdict."""
        return self.verdict.verdict

    @property
    def metric(self) -> str:
        """The label of the metric that is claimed."""
        return phrases.label(self.verdict.claim.metric)

    @property
    def retrospective(self) -> bool:
        """Whether some of its results were known when it was written."""
        return self.verdict.retrospective

    @property
    def written(self) -> str:
        """`registration` as a sentence, for below the mark RETROSPECTIVE."""
        return _unmarked(f"{self.registration}.", phrases.RETROSPECTIVE)

    @property
    def beside(self) -> list[str]:
        """`remarks`, for below the mark CONTRADICTED BY LATER SEEDS."""
        return [_unmarked(remark, phrases.CONTRADICTED) for remark in self.remarks]

    @property
    def contradicted(self) -> str:
        """`CONTRADICTED BY LATER SEEDS`, if they say the opposite; else empty."""
        return phrases.CONTRADICTED if self.verdict.contradicted else ""

    @property
    def runs(self) -> int:
        """Their number."""
        return sum(len(group.runs) for group in self.groups)

    @property
    def listed(self) -> bool:
        """Whether the claim lists its runs."""
        return self.runs <= LISTED

    @property
    def part_table(self) -> DisplayTable:
        """A row per variant, a column per fact."""
        columns = [
            Column("variant", cells=[Cell(part.estimate.subject) for part in self.parts]),
            Column("verdict", holds="verdicts", cells=[Cell(part.estimate.verdict) for part in self.parts]),
        ]
        if len({part.estimate.over for part in self.parts}) > 1:  # else the claim names it
            columns.insert(1, Column("against", cells=[Cell(part.estimate.over or "") for part in self.parts]))
        names = {fact.name for part in self.parts for fact in part.facts}
        facts = [dict(_by_column(part.facts, names)) for part in self.parts]
        for name in sorted(dict.fromkeys(name for own in facts for name in own), key=_order):
            columns.append(Column(name, "right", cells=[own.get(name, Cell()) for own in facts]))
        return DisplayTable(columns, f"By variant: {self.statement}")


def _unmarked(text: str, mark: str) -> str:
    """A sentence without the mark that it begins with."""
    text = text.removeprefix(f"{mark}: ")
    return f"{text[:1].upper()}{text[1:]}"


def _by_column(facts: Sequence[Fact], names: Collection[str]) -> Iterator[tuple[str, Cell]]:
    """Facts by column. Where rows have intervals of several levels, or p values of several tests, a note says of which."""
    levels, tests = ({name for name in names if kind(name)} for kind in (_is_interval, _is_p))
    for fact in facts:
        if fact.name in levels and len(levels) > 1:
            yield INTERVAL.strip(), replace(fact.number, notes=(fact.name.removesuffix(INTERVAL),))
        elif fact.name in tests and len(tests) > 1:
            test = fact.name.removeprefix("p").strip().removeprefix("of ").removeprefix("the ")
            yield "p", replace(fact.number, notes=(test,) if test else ())
        else:
            yield fact.name, fact.number


def _is_interval(name: str) -> bool:
    return name.endswith(INTERVAL)


def _is_p(name: str) -> bool:
    return name in ("p", phrases.AGAINST) or name.startswith(phrases.OF)


def _order(name: str) -> int:
    """The place of a fact's column: the estimate, its interval, p values, seeds, effect sizes."""
    if name.endswith(INTERVAL.strip()):
        return 1
    if _is_p(name):
        return 2
    return {"cases": 4, "groups": 4, "seeds": 4, OUTCOMES: 5, EFFECT: 5, IMPROVEMENT: 6}.get(name, 0)


def claim_results(report: ReportData) -> list[ClaimResult]:
    """One per verdict, in order."""
    sources = Sources(report.plan, report.records)
    return [_result(report, sources, verdict) for verdict in report.judgement.verdicts]


def _result(report: ReportData, sources: Sources, verdict: Verdict) -> ClaimResult:
    claim, metrics, look = verdict.claim, report.metrics, report.judgement.look
    facts = [tuple(_facts(report, sources, verdict, row)) for row in verdict.rows]
    several = len(verdict.rows) > 1
    words = [phrases.part(verdict, row, metrics, settle=not verdict.open) for row in verdict.rows]
    parts = [ClaimPart(*each) for each in zip(verdict.rows, words, facts, strict=True)]
    next_look = next((planned for planned in report.plan.looks if planned > look), None) if verdict.open else None
    chosen = phrases.as_chosen(report.plan, report.tuning.seed_count if report.tuning else None)
    wording = phrases.outcome(verdict, metrics, next_look, chosen)
    return ClaimResult(
        verdict=verdict,
        statement=phrases.statement(claim),
        qualifiers="; ".join([phrases.label(claim.metric), *phrases.qualifiers(claim, metrics)]),
        headline=phrases.headline(verdict, metrics, chosen),
        outcome=Cell(shorten(wording, OUTCOME, placeholder=" …"), verdict.run_ids),
        registration=phrases.registration(verdict, report.plan),
        facts=facts[0] if len(facts) == 1 else (),
        parts=tuple(parts) if several else (),
        remarks=tuple(_remarks(verdict, metrics)),
        reasons=reasons(verdict, report.plan, metrics),
        groups=tuple(sources.groups(verdict.run_ids)),
    )


def _remarks(verdict: Verdict, metrics: Mapping[str, Metric]) -> Iterator[str]:
    """Later seeds that contradict, single seeds that stand apart, drift, the failure rate that is not excluded."""
    for wording in (phrases.contradiction(verdict, metrics), *phrases.seed_remarks(verdict), phrases.failure_limit(verdict)):
        if wording:
            yield f"{wording[:1].upper()}{wording[1:]}."


def _facts(report: ReportData, sources: Sources, verdict: Verdict, row: Estimate) -> Iterator[Fact]:
    """The estimate, its interval, p value and seeds, if available."""
    claim, metric = verdict.claim, report.metrics[verdict.claim.metric]
    ids = sources.of_row(verdict, row)
    shown = as_measured(row, claim, report.metrics)
    bounds = None if shown.interval is None or any(map(math.isnan, shown.interval)) else shown.interval
    name, size, unit = quantity(claim, metric, row)
    mean, bounds = size * shown.mean, None if bounds is None else (size * bounds[0], size * bounds[1])
    places = phrases.decimals([mean, *(bounds or ())], Metric("", metric.goal) if "per" in unit.split() else metric)
    if "per" in unit.split() or (metric.unit != "%" and not metric.exact):
        places = max(places - 1, 0)  # three significant figures, as in the text
    if not math.isnan(mean):
        plain = isinstance(claim, ThresholdClaim)
        text = phrases.number(mean, places) if plain else phrases.signed(mean, places)
        yield Fact(name, Cell(f"{text} {unit}".rstrip(), ids))
        if bounds is not None:
            yield Fact(phrases.confidence(row.level), Cell(phrases.interval(bounds, places, sign=not plain), ids))
    name, p = phrases.deciding_p(verdict, row, report.plan.alpha)
    if not math.isnan(p):
        yield Fact(name, Cell(phrases.p_value(p), ids))
    yield from _replicates(row, ids)
    for name, wording in ((EFFECT, phrases.effect_size(row)), (IMPROVEMENT, phrases.improvement(row))):
        if wording:
            yield Fact(name, Cell(wording, ids))


def _replicates(row: Estimate, ids: tuple[str, ...]) -> Iterator[Fact]:
    """The number of seeds, of runs that are not paired, or of cases and what is known of them."""
    if row.runs:
        yield Fact("runs", Cell(phrases.listed([f"{count:,d}" for count in row.runs]), ids))
        return
    if row.cases is None:
        yield Fact("seeds", Cell(f"{row.n:,d}", ids))
        return
    yield Fact("cases", Cell(f"{row.cases.n:,d}", ids))
    if row.cases.groups is not None:
        yield Fact("groups", Cell(f"{row.cases.groups:,d}", ids))
    if row.cases.seeds > 1:
        yield Fact("seeds", Cell(f"{row.cases.seeds:,d}", ids))
    if (outcomes := row.cases.outcomes) is not None:
        counts = f"both {outcomes.both:,d}, only {row.subject} {outcomes.only_variant:,d}, only {row.over}"
        yield Fact(OUTCOMES, Cell(f"{counts} {outcomes.only_baseline:,d}, neither {outcomes.neither:,d}", ids))


def quantity(claim: Claim, metric: Metric, row: Estimate) -> tuple[str, float, str]:
    """(name, factor, unit) by which a claim's estimate is shown."""
    unit = phrases.difference_unit(metric.unit)
    match claim:
        case ThresholdClaim():
            return "mean", 1.0, metric.unit
        case RangeClaim():
            return "inside minus outside", 1.0, unit
        case DeclineClaim() | ProportionClaim():
            size, step = phrases.slope_step(row, claim)
            name = "decline" if isinstance(claim, DeclineClaim) else "slope before minus after"
            return name, size, f"{unit} per {step}"
        case _:
            return "difference", 1.0, unit
