"""All findings -> results/reports/index.html: a row a claim, with a link to its report; rehearsals apart, searches below."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from harness.errors import HarnessError
from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting import phrases
from harness.reporting.pages.page import REFRESH_S, pages, shared
from harness.reporting.pages.report_data import Findings, gather
from harness.reporting.pages.searches import summary
from harness.reporting.pages.searches.report_data import SearchFindings, gather_search
from harness.reporting.pages.summary import banner, device_word, hours
from harness.store.atomic import make_folder, write_text
from harness.store.records import Store

# In this order the words are counted above the table.
WORDS = ("supported", "refuted", "equivalent", "inconclusive", "waiting")

LONGEST = 120  # characters of a claim and of what came of it; the report has them in full


@dataclass(frozen=True)
class ClaimLine:
    """A claim of a plan. `place` counts them from 1, as the report does."""

    place: int
    statement: str
    metric: str
    word: str
    outcome: str
    seeds: int
    registered: bool
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """What the scoreboard says of a plan."""

    name: str
    question: str
    rehearsal: bool
    complete: bool
    claims: tuple[ClaimLine, ...]
    progress: str  # how many runs are in
    cost: str
    date: str  # of the last run
    warnings: tuple[str, ...]
    flags: int


@dataclass(frozen=True)
class SearchEntry:
    """What the scoreboard says of a search. Its comparison has rows like any plan."""

    name: str
    question: str
    complete: bool
    word: str
    sentence: str
    ids: tuple[str, ...]
    progress: str  # how many trials are in
    cost: str
    date: str
    warnings: tuple[str, ...]


def search_entry(findings: SearchFindings) -> SearchEntry:
    """A search's row."""
    said, study = summary.headline(findings), findings.study
    warnings = summary.banner(findings)
    return SearchEntry(
        name=study.name,
        question=study.question,
        complete=findings.complete,
        word=said.word,
        sentence=shorten(said.sentence, LONGEST, placeholder=" …"),
        ids=said.ids,
        progress=f"{findings.over:,d}/{study.trials:,d}",
        cost=hours(findings.seconds, device_word(study)) if findings.seconds else "",
        date=max((trial.ended for trial in findings.trials if trial.ended), default="")[:10],
        warnings=tuple(line.partition(":")[0].capitalize() for line in warnings),
    )


def entry(findings: Findings) -> Entry:
    """A plan's rows."""
    plan, cost = findings.plan, findings.cost.seconds
    return Entry(
        name=plan.name,
        question=plan.question,
        rehearsal=plan.rehearsal,
        complete=findings.complete,
        claims=tuple(
            ClaimLine(
                place=place,
                statement=shorten(phrases.statement(verdict.claim), LONGEST, placeholder=" …"),
                metric=verdict.claim.metric,
                word=verdict.verdict,
                outcome=shorten(phrases.outcome(verdict, findings.metrics), LONGEST, placeholder=" …"),
                seeds=max((row.n for row in verdict.rows), default=0),
                registered=verdict.registered,
                ids=verdict.run_ids,
            )
            for place, verdict in enumerate(findings.judgement.verdicts, 1)
        ),
        progress=f"{findings.ended:,d}/{len(findings.asked):,d}",
        cost=hours(cost, device_word(plan)) if cost else "",
        date=findings.last[:10] if findings.last else "",
        warnings=tuple(line.partition(":")[0].capitalize() for line in banner(findings) if line != phrases.rehearsal(plan)),
        flags=len(findings.flags),
    )


def write(store: Store, known: Iterable[Entry] = (), searches: Iterable[SearchEntry] = ()) -> Path:
    """Write the scoreboard of every plan and search in the store; those that are given are not read again. Raises StoreError.

    Plans whose results only choose what is compared have no row. What cannot be read is named on the page.
    """
    given, given_searches = {each.name: each for each in known}, {each.name: each for each in searches}
    plans, damaged = store.load_plans()
    studies, damaged_studies = store.load_studies()
    troubles: list[HarnessError] = [*damaged, *damaged_studies]
    plans = [plan for plan in plans if plan.selection is None]
    entries, found = [], []
    for study in studies:
        try:
            found.append(given_searches.get(study.name) or search_entry(gather_search(store, study)))
        except HarnessError as error:
            # The page says so, as of plans.
            troubles.append(error)
    for plan in plans:
        try:
            entries.append(given.get(plan.name) or entry(gather(store, plan, predictions=False)))
        except HarnessError as error:
            # The page says so; the others have their rows all the same.
            troubles.append(error)
    path = store.paths.reports / "index.html"
    make_folder(path.parent)
    write_text(path, render(entries, [str(trouble) for trouble in troubles], linked(store, [*plans, *studies]), found))
    return path


def linked(store: Store, plans: Iterable[Plan | Study]) -> frozenset[str]:
    """The names of the plans and searches that have a report to link to."""
    return frozenset(plan.name for plan in plans if (store.paths.report(plan.name) / "index.html").is_file())


def render(
    entries: Sequence[Entry], troubles: Sequence[str], linked: frozenset[str], searches: Sequence[SearchEntry] = ()
) -> str:
    """The page's text; the same for the same entries. `linked` are the plans and searches whose report exists."""
    evidence = [each for each in entries if not each.rehearsal]
    words = Counter(line.word for each in evidence for line in each.claims)
    return (
        pages()
        .get_template("scoreboard.html.j2")
        .render(
            **shared("page.js"),
            sections=[
                ("evidence", "", evidence),
                ("rehearsals", "Rehearsals: no evidence", [each for each in entries if each.rehearsal]),
            ],
            tally=[(word, words[word]) for word in WORDS if words[word]],
            searches=searches,
            troubles=troubles,
            linked=linked,
            refresh=None if all([*(each.complete for each in entries), *(each.complete for each in searches)]) else REFRESH_S,
        )
    )
