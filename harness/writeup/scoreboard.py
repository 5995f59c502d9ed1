"""All plans' findings -> results/reports/index.html: a row a claim, with a link to its report; rehearsals apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from harness import wording
from harness.errors import HarnessError
from harness.plan import Plan
from harness.store.atomic import make_folder, write_text
from harness.store.records import Store
from harness.writeup.findings import Findings, gather
from harness.writeup.page import REFRESH_S, pages, shared
from harness.writeup.summary import banner, device_word, hours

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
                statement=shorten(wording.statement(verdict.claim), LONGEST, placeholder=" …"),
                metric=verdict.claim.metric,
                word=verdict.verdict,
                outcome=shorten(wording.outcome(verdict, findings.metrics), LONGEST, placeholder=" …"),
                seeds=max((row.n for row in verdict.rows), default=0),
                registered=verdict.registered,
                ids=verdict.run_ids,
            )
            for place, verdict in enumerate(findings.judgement.verdicts, 1)
        ),
        progress=f"{findings.ended:,d}/{len(findings.asked):,d}",
        cost=hours(cost, device_word(plan)) if cost else "",
        date=findings.last[:10] if findings.last else "",
        warnings=tuple(line.partition(":")[0].capitalize() for line in banner(findings) if line != wording.rehearsal(plan)),
        flags=len(findings.flags),
    )


def write(store: Store, known: Iterable[Entry] = ()) -> Path:
    """Write the scoreboard of every plan in the store; those of `known` are not read again. Raises StoreError.

    A plan that cannot be read is named on the page.
    """
    given = {each.name: each for each in known}
    plans, damaged = store.load_plans()
    troubles: list[HarnessError] = list(damaged)
    entries = []
    for plan in plans:
        try:
            entries.append(given.get(plan.name) or entry(gather(store, plan, predictions=False)))
        except HarnessError as error:
            # The page says so; the others have their rows all the same.
            troubles.append(error)
    path = store.paths.reports / "index.html"
    make_folder(path.parent)
    write_text(path, render(entries, [str(trouble) for trouble in troubles], reported(store, plans)))
    return path


def reported(store: Store, plans: Iterable[Plan]) -> frozenset[str]:
    """The names of the plans that have a report to link to."""
    return frozenset(plan.name for plan in plans if (store.paths.report(plan.name) / "index.html").is_file())


def render(entries: Sequence[Entry], troubles: Sequence[str], linked: frozenset[str]) -> str:
    """The page's text; the same for the same entries. `linked` are the plans whose report exists."""
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
            troubles=troubles,
            linked=linked,
            refresh=None if all(each.complete for each in entries) else REFRESH_S,
        )
    )
