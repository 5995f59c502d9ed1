"""Findings -> the rows of the report: claims, variants, what to trust; each number with the runs it comes from."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean
from textwrap import shorten

from harness.analysis.verdicts import Estimate, Table, Verdict
from harness.analysis.verdicts.document import as_measured
from harness.analysis.verdicts.model import Row
from harness.experiment.claims import Claim, DeclineClaim, ProportionClaim, RangeClaim, ThresholdClaim
from harness.reporting import phrases
from harness.reporting.pages.explanations import reasons
from harness.reporting.pages.number import Number
from harness.reporting.pages.report_data import Findings
from harness.reporting.pages.sources import LISTED, Group, Sources, total
from harness.tasks.protocol import Metric

OUTCOME = 240  # characters of what is said of a claim: a long list of failed runs is cut short


@dataclass(frozen=True)
class Fact:
    """A number with its name."""

    name: str
    number: Number


@dataclass(frozen=True)
class ClaimPart:
    """What is said of one variant of a claim."""

    subject: str
    over: str | None
    word: str
    said: str
    facts: tuple[Fact, ...]

    def number(self, name: str) -> Number:
        """The fact of that name; empty where there is none."""
        return next((fact.number for fact in self.facts if fact.name == name), Number(""))


@dataclass(frozen=True)
class ClaimRow:
    """A claim. `parts` has a variant each where it is about several, `facts` the numbers where it has one estimate."""

    statement: str
    qualifiers: str
    registered: bool
    word: str
    outcome: Number
    facts: tuple[Fact, ...]
    parts: tuple[ClaimPart, ...]
    reasons: tuple[str, ...]
    groups: tuple[Group, ...]  # of its runs
    listed: bool  # whether they are few enough to be listed with the claim

    @property
    def runs(self) -> int:
        """How many it comes from."""
        return total(self.groups)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the facts that any part has."""
        return tuple(dict.fromkeys(fact.name for part in self.parts for fact in part.facts))


@dataclass(frozen=True)
class VariantRow:
    """A variant in the table of one metric."""

    label: str
    baseline: bool
    over: str | None
    place: int
    setting: str  # that it was tuned to
    n: Number
    value: Number
    difference: Number
    interval: Number
    p: Number
    exploratory: bool
    parameters: Number
    time: Number
    lost: Number  # failed and diverged runs


@dataclass(frozen=True)
class VariantTable:
    """The variants by one metric. What no row has is no column."""

    metric: str
    title: str
    reading: str
    difference: str  # the heading of that column, with its unit
    confidence: str
    compared: bool
    tuned: bool
    parameters: bool
    time: bool
    lost: bool
    rows: tuple[VariantRow, ...]


@dataclass(frozen=True)
class TrustRow:
    """How far a variant's numbers vary, and with what."""

    label: str
    sd: Number
    over: str | None
    rho: Number
    seeds: Number  # the interval for new seeds
    images: Number  # the interval for new seeds and new images


class Rows:
    """The rows of a plan's findings."""

    def __init__(self, findings: Findings) -> None:
        self.findings, self.plan = findings, findings.plan
        self.sources = Sources(findings)

    @cached_property
    def claims(self) -> tuple[ClaimRow, ...]:
        """One a verdict, in their order."""
        return tuple(map(self._claim, self.findings.judgement.verdicts))

    @cached_property
    def tables(self) -> tuple[VariantTable, ...]:
        """One a metric that is compared, the first with parameters, time and failures."""
        return tuple(self._table(table, whole=place == 0) for place, table in enumerate(self.findings.tables.values()))

    def _claim(self, verdict: Verdict) -> ClaimRow:
        findings, claim = self.findings, verdict.claim
        several = len(verdict.rows) > 1
        groups = tuple(self.sources.groups(verdict.run_ids))
        said = phrases.outcome(verdict, findings.metrics, self._next_look(verdict))
        return ClaimRow(
            statement=phrases.statement(claim),
            qualifiers="; ".join([phrases.label(claim.metric), *phrases.qualifiers(claim, findings.metrics)]),
            registered=verdict.registered,
            word=verdict.verdict,
            outcome=Number(shorten(said, OUTCOME, placeholder=" …"), verdict.run_ids),
            facts=() if several else tuple(fact for row in verdict.rows for fact in self._facts(verdict, row)),
            parts=tuple(self._part(verdict, row) for row in verdict.rows) if several else (),
            reasons=reasons(verdict, self.plan, findings.metrics),
            groups=groups,
            listed=total(groups) <= LISTED,
        )

    def _next_look(self, verdict: Verdict) -> int | None:
        look = self.findings.judgement.look
        return next((planned for planned in self.plan.looks if planned > look), None) if verdict.open else None

    def _part(self, verdict: Verdict, row: Estimate) -> ClaimPart:
        said = phrases.part(verdict, row, self.findings.metrics)
        return ClaimPart(row.subject, row.over, row.verdict, said, tuple(self._facts(verdict, row)))

    def _facts(self, verdict: Verdict, row: Estimate) -> Iterator[Fact]:
        """The estimate, its interval, its p value and its seeds, as far as there are any."""
        claim, metric = verdict.claim, self.findings.metrics[verdict.claim.metric]
        ids = self.sources.of_row(verdict, row)
        shown = as_measured(row, claim, self.findings.metrics)
        bounds = None if shown.interval is None or any(map(math.isnan, shown.interval)) else shown.interval
        name, size, unit = quantity(claim, metric)
        mean, bounds = size * shown.mean, None if bounds is None else (size * bounds[0], size * bounds[1])
        places = phrases.decimals([mean, *(bounds or ())], Metric("", metric.goal) if "per" in unit.split() else metric)
        if "per" in unit.split() or (metric.unit != "%" and not metric.exact):
            places = max(places - 1, 0)  # three figures, as in the words beside them
        if not math.isnan(mean):
            plain = isinstance(claim, ThresholdClaim)
            text = phrases.number(mean, places) if plain else phrases.signed(mean, places)
            yield Fact(name, Number(f"{text} {unit}".rstrip(), ids))
            if bounds is not None:
                yield Fact(phrases.confidence(row.level), Number(phrases.interval(bounds, places, sign=not plain), ids))
        name, p = phrases.p_of(row, self.plan.alpha)
        if not math.isnan(p):
            yield Fact(name, Number(phrases.p_value(p), ids))
        yield Fact("seeds", Number(f"{row.n:,d}", ids))

    def _table(self, table: Table, whole: bool) -> VariantTable:
        metric = self.findings.metrics[table.metric]
        compared = bool(table.seeds) and any(row.over is not None for row in table.rows)
        unit = phrases.difference_unit(metric.unit)
        spread = [bound for row in table.rows for bound in row.interval or ()]
        places = phrases.decimals([*(row.mean for row in table.rows), *spread], metric)
        rows = tuple(self._variant(place, row, table, places) for place, row in enumerate(table.rows))
        return VariantTable(
            metric=table.metric,
            title=phrases.axis(table.metric, metric.unit),
            reading=phrases.reading(self.plan, table, metric.unit),
            difference=f"difference ({unit})" if unit else "difference",
            confidence=phrases.confidence(table.level),
            compared=compared,
            tuned=any(row.setting for row in rows),
            parameters=whole and table.metric != "parameters" and any(row.parameters.text for row in rows),
            time=whole and any(row.time.text for row in rows),
            lost=whole and any(row.lost.ids for row in rows),
            rows=rows,
        )

    def _variant(self, place: int, row: Row, table: Table, places: int) -> VariantRow:
        own = self.sources.of(row.variant, table.seeds)
        both = self.sources.pairs(row.variant, row.over, table.seeds) if row.over else ()
        records = self.findings.records
        lost = tuple(
            run.id
            for run in self.findings.asked
            if run.variant == row.variant and records[run.id].state in ("failed", "diverged")
        )
        seconds = [taken for run_id in own if (taken := records[run_id].seconds) is not None]
        parameters = {records[run_id].metrics.get("parameters") for run_id in own} - {None}
        counted = parameters.pop() if len(parameters) == 1 else None
        return VariantRow(
            label=row.variant,
            baseline=row.variant == self.plan.baseline and len(self.plan.variants) > 1,
            over=row.over if row.over != self.plan.baseline else None,
            place=place,
            setting=self.findings.tuning.words(row.variant) if self.findings.tuning else "",
            n=Number(f"{row.n:,d}", own, row.n),
            value=Number(phrases.spread(row.mean, row.sd, places), own, finite(row.mean)),
            difference=Number(phrases.signed(row.difference, places), both, finite(row.difference)),
            interval=Number(phrases.interval(row.interval, places), both, finite(row.difference)),
            p=Number(phrases.p_value(row.p), both, finite(row.p)),
            exploratory=row.over is not None and not row.claimed,
            parameters=Number("" if counted is None else phrases.count(counted), own, counted),
            time=Number(phrases.clock(fmean(seconds)) if seconds else "", own, fmean(seconds) if seconds else None),
            lost=Number(f"{len(lost):,d}" if lost else "", lost, len(lost)),
        )

    @cached_property
    def trust(self) -> tuple[TrustRow, ...]:
        """One a variant; empty before there is any spread to tell of."""
        table, metric = self.findings.table, self.findings.metrics[self.findings.metric]
        crossed = self.findings.images
        bounds = [bound for row in table.rows for bound in row.interval or ()]
        places = phrases.decimals([*(row.mean for row in table.rows), *bounds], metric)
        found = []
        for row in table.rows:
            own = self.sources.of(row.variant, table.seeds)
            both = self.sources.pairs(row.variant, row.over, table.seeds) if row.over else ()
            images = crossed.get((row.variant, row.over)) if row.over else None
            found.append(
                TrustRow(
                    label=row.variant,
                    sd=Number(phrases.number(row.sd, places), own),
                    over=row.over,
                    rho=Number("" if math.isnan(row.rho) else f"{row.rho:z.2f}", both),
                    seeds=Number(phrases.interval(row.interval, places), both),
                    images=Number("" if images is None else phrases.interval(images.ci95, places), both),
                )
            )
        return tuple(found) if any(not math.isnan(row.sd) for row in table.rows) else ()


def quantity(claim: Claim, metric: Metric) -> tuple[str, float, str]:
    """What a claim's estimate is called, what it is multiplied by to be read easily, and its unit then."""
    unit = phrases.difference_unit(metric.unit)
    match claim:
        case ThresholdClaim():
            return "mean", 1.0, metric.unit
        case RangeClaim():
            return "inside minus outside", 1.0, unit
        case DeclineClaim():
            return "decline", 1.0, f"{unit} per 1"
        case ProportionClaim(dose="parameters"):
            return "slope before minus after", 1e6, f"{unit} per million"
        case ProportionClaim():
            return "slope before minus after", 1.0, f"{unit} per 1"
        case _:
            return "difference", 1.0, unit


def finite(value: float) -> float | None:
    """The number that a column is sorted by."""
    return value if math.isfinite(value) else None
