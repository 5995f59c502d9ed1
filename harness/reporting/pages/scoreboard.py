"""The scoreboard, results/reports/index.html: a row per claim; retrospective claims, rehearsals and searches stand apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan, nan
from pathlib import Path
from textwrap import shorten
from typing import Any

from harness.analysis.verdicts import Verdict
from harness.errors import HarnessError
from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.pages import compare_page, search_summary
from harness.reporting.pages.compared import compared
from harness.reporting.pages.discoveries import claim_p, expected_false, q_values
from harness.reporting.pages.page import REFRESH_S, rendered
from harness.reporting.pages.report_data import ReportData, gather
from harness.reporting.pages.search_data import SearchReportData, gather_search
from harness.reporting.pages.summary import banner, device_word, hours
from harness.reporting.tables.model import kept_ids
from harness.store.atomic import is_file, make_folder, write_text
from harness.store.frame_cache import RunTables, load_tables
from harness.store.records import Store

# Order of the counts above the table.
WORDS = ("supported", "refuted", "equivalent", "inconclusive", "waiting", "contradicted")

LONGEST = 120  # characters of a claim and of its result; the report has them in full


@dataclass(frozen=True)
class ClaimLine:
    """A claim of a plan. `place` counts them from 1, as the report does."""

    place: int
    statement: str
    metric: str
    word: str
    outcome: str
    seeds: int
    registration: str  # short; empty if it was written before its results
    evidence: bool  # written before its results
    p: float  # of the claim; NaN without a test
    alpha: float
    ids: tuple[str, ...]
    cases: int = 0  # of a claim across cases
    q: float = nan  # only of evidence
    contradicted: bool = False
    optimistic: bool = False


@dataclass(frozen=True)
class PlanRow:
    """A plan on the scoreboard."""

    name: str
    question: str
    rehearsal: bool
    complete: bool
    claims: tuple[ClaimLine, ...]
    progress: str  # finished/requested runs
    cost: str
    date: str  # of the last run
    warnings: tuple[str, ...]
    flags: int
    task: str = ""
    scale: str = ""  # of a small version
    tags: tuple[str, ...] = ()
    compared: Mapping[str, Any] = field(default_factory=dict)  # for the comparison page


@dataclass(frozen=True)
class SearchRow:
    """A search on the scoreboard. Its comparison has rows like any plan."""

    name: str
    question: str
    complete: bool
    word: str
    sentence: str
    ids: tuple[str, ...]
    progress: str  # finished/planned trials
    cost: str
    date: str
    warnings: tuple[str, ...]
    task: str = ""
    scale: str = ""  # of a small version
    tags: tuple[str, ...] = ()


def search_row(report: SearchReportData) -> SearchRow:
    wording, study = search_summary.headline(report), report.study
    warnings = search_summary.banner(report)
    return SearchRow(
        name=study.name,
        question=study.question,
        scale=phrases.scale(study),
        complete=report.complete,
        word=wording.word,
        sentence=shorten(wording.sentence, LONGEST, placeholder=" …"),
        ids=wording.run_ids,
        progress=f"{report.finished:,d}/{study.trials:,d}",
        cost=hours(report.seconds, device_word(study)) if report.seconds else "",
        date=max((trial.ended for trial in report.trials if trial.ended), default="")[:10],
        warnings=tuple(line.partition(":")[0].capitalize() for line in warnings),
        task=phrases.trained(study),
        tags=study.tags,
    )


def plan_row(report: ReportData) -> PlanRow:
    plan, cost = report.plan, report.cost.seconds
    return PlanRow(
        name=plan.name,
        question=plan.question,
        scale=phrases.scale(plan),
        rehearsal=plan.rehearsal,
        complete=report.complete,
        claims=tuple(
            ClaimLine(
                place=place,
                statement=shorten(phrases.statement(verdict.claim), LONGEST, placeholder=" …"),
                metric=verdict.claim.metric,
                word=verdict.verdict,
                outcome=shorten(_outcome(verdict, report), LONGEST, placeholder=" …"),
                seeds=max((row.cases.seeds if row.cases else row.n for row in verdict.rows), default=0),
                cases=max((row.cases.n for row in verdict.rows if row.cases), default=0),
                registration=phrases.short_registration(verdict),
                evidence=verdict.registration is not None and not verdict.retrospective,
                p=claim_p(verdict, plan.alpha),
                alpha=plan.alpha,
                contradicted=verdict.contradicted,
                optimistic=verdict.optimistic,
                ids=kept_ids(verdict.run_ids),
            )
            for place, verdict in enumerate(report.judgement.verdicts, 1)
        ),
        progress=f"{report.finished:,d}/{len(report.requested):,d}",
        cost=hours(cost, device_word(plan)) if cost else "",
        date=report.last[:10] if report.last else "",
        warnings=tuple(line.partition(":")[0].capitalize() for line in banner(report) if line != phrases.rehearsal(plan)),
        flags=len(report.flags),
        task=phrases.trained(plan),
        tags=plan.tags,
        compared=compared(report),
    )


def _outcome(verdict: Verdict, report: ReportData) -> str:
    return phrases.outcome(verdict, report.metrics, chosen=phrases.as_chosen(report.plan))


def rows_of(report: ReportData | SearchReportData) -> list[PlanRow | SearchRow]:
    """The row of a plan; for a search its own and that of its comparison."""
    if isinstance(report, SearchReportData):
        return [search_row(report), *([plan_row(report.final)] if report.final else [])]
    return [plan_row(report)]


def write(store: Store, known: Iterable[PlanRow | SearchRow] = ()) -> Path:
    """Write the scoreboard of every plan and search in the store, and the page that compares variants of several plans.

    `known` rows are not read again. Raises StoreError.
    """
    folder = store.paths.reports
    make_folder(folder)
    board, comparison = pages(store, known, lambda shown: linked(store, shown), [folder])
    write_text(folder / compare_page.NAME, comparison)
    write_text(folder / "index.html", board)
    return folder / "index.html"


def pages(
    store: Store,
    known: Iterable[PlanRow | SearchRow],
    linked: Callable[[Iterable[Plan | Study]], frozenset[str]],
    folders: Sequence[Path],
) -> tuple[str, str]:
    """The scoreboard of every plan and search in the store, and the page that compares their variants.

    `known` rows are not read again; `linked`: which have a report; `folders`: of reports, the first with a plan's curves counts.
    Tuning and confirmation plans have no row. Errors are listed on the page. Raises StoreError.
    """
    given, given_searches = {}, {}
    for row in known:
        if isinstance(row, SearchRow):
            given_searches[row.name] = row
        else:
            given[row.name] = row
    plans, damaged = store.load_plans()
    studies, damaged_studies = store.load_studies()
    errors: list[HarnessError] = [*damaged, *damaged_studies]
    plans = [plan for plan in plans if plan.selection is None]
    rows, search_rows = [], []
    for study in studies:
        try:
            search_rows.append(given_searches.get(study.name) or search_row(gather_search(store, study)))
        except HarnessError as error:
            errors.append(error)
    loaded = tables(store, [plan for plan in plans if plan.name not in given])
    for plan in plans:
        try:
            rows.append(given.get(plan.name) or plan_row(gather(store, plan, predictions=False, loaded=loaded)))
        except HarnessError as error:
            errors.append(error)
    comparison, unread = compare_page.render([row.compared for row in rows], folders)
    texts = [str(error) for error in (*errors, *unread)]
    return render(rows, texts, linked([*plans, *studies]), search_rows), comparison


def tables(store: Store, plans: Iterable[Plan]) -> RunTables | None:
    """The tables of all their runs, so that the cache is read once; None if one is damaged: then they are loaded plan by plan."""
    try:
        return load_tables(store, list(dict.fromkeys(run.id for plan in plans for run in plan.runs)))
    except HarnessError:
        return None


def linked(store: Store, plans: Iterable[Plan | Study]) -> frozenset[str]:
    """The names of the plans and searches that have a report."""
    return frozenset(plan.name for plan in plans if is_file(store.paths.report(plan.name) / "index.html"))


def render(rows: Sequence[PlanRow], errors: Sequence[str], linked: frozenset[str], searches: Sequence[SearchRow] = ()) -> str:
    """The page; deterministic. `linked`: names of plans and searches with a report."""
    everything: list[PlanRow | SearchRow] = [*rows, *searches]
    claimed = [each for each in rows if not each.rehearsal]
    late = [_part(each, evidence=False) for each in claimed]
    own = [_part(each, evidence=True) for each in claimed]
    # A plan without claims stands with the evidence, as exploratory.
    evidence = _with_q([part for part, whole in zip(own, claimed, strict=True) if part.claims or not whole.claims])
    lines = [line for each in evidence for line in each.claims]
    words = Counter("contradicted" if line.contradicted else line.word for line in lines)
    tested = [line for line in lines if not isnan(line.p)]
    found = sum(line.word == "supported" and not line.contradicted for line in tested)
    return rendered(
        "scoreboard.html.j2",
        ("picks.js", "board.js"),
        sections=[
            ("evidence", "", evidence),
            ("retrospective", "Retrospective: written after results were known, not evidence", [p for p in late if p.claims]),
            ("rehearsals", "Rehearsals: not evidence", [each for each in rows if each.rehearsal]),
        ],
        tally=[(word, words[word]) for word in WORDS if words[word]],
        expected=expected_false([line.alpha for line in tested], found),
        searches=searches,
        tasks=sorted({row.task for row in everything} - {""}),
        words=list(dict.fromkeys(word for row in everything for word in verdicts(row))),
        tags=sorted({tag for row in everything for tag in row.tags}),
        verdicts=verdicts,
        errors=errors,
        linked=linked,
        refresh=None if all([*(each.complete for each in rows), *(each.complete for each in searches)]) else REFRESH_S,
    )


def verdicts(row: PlanRow | SearchRow) -> list[str]:
    """The words by which the filter finds a row."""
    if isinstance(row, SearchRow):
        return [row.word]
    words = dict.fromkeys(word for line in row.claims for word in (line.word, *(["contradicted"] if line.contradicted else [])))
    return list(words) or ["exploratory"]


def _part(row: PlanRow, evidence: bool) -> PlanRow:
    """The row with its claims that are evidence, or with the others."""
    return replace(row, claims=tuple(line for line in row.claims if line.evidence == evidence))


def _with_q(rows: Sequence[PlanRow]) -> list[PlanRow]:
    """The rows with the q values of their claims, over all of them."""
    q = iter(q_values([line.p for row in rows for line in row.claims]))
    return [replace(row, claims=tuple(replace(line, q=next(q)) for line in row.claims)) for row in rows]
