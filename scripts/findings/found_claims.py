"""Reports -> an entry for each claim, with its verdict and estimate; and sentences: how many claims have which verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from found_results import Evidence, Found, Tuning, running
from lessons import Lesson

from harness.reporting import phrases
from harness.reporting.pages import SearchReportData
from harness.reporting.pages.report_data import ReportData
from harness.reporting.pages.search_summary import headline
from harness.reporting.phrases.estimates import EstimateText
from harness.reporting.tables.claims import INTERVAL, ClaimResult, claim_results

RUNNING, WAITING = "still running", "not begun"
NOT_ESTIMATES = ("p", phrases.AGAINST, "seeds", "runs", "cases")  # facts beside an estimate
WORDS = ("supported", "refuted", "equivalent", "inconclusive")  # in the order of the counts


@dataclass(frozen=True)
class FoundClaim:
    """A claim of an experiment, or an experiment that has no verdict yet (`result` None)."""

    experiment: str
    statement: str
    word: str  # the verdict; while it is open RUNNING or WAITING
    remark: str  # what makes the verdict doubtful, and while it is open how far it is
    estimate: str
    interval: str
    seeds: str
    result: ClaimResult | None = None
    report: ReportData | None = None

    @property
    def counts(self) -> bool:
        """Whether the claim is evidence: registered before its results, and not of a rehearsal."""
        if self.result is None or self.report is None:
            return False
        verdict = self.result.verdict
        return not self.report.plan.rehearsal and verdict.registration is not None and not verdict.retrospective


def of_lesson(evidence: Evidence, lesson: Lesson) -> list[FoundClaim]:
    """The claims of the lesson's experiments, in order."""
    return [each for name, found in evidence.reports(lesson).items() for each in of_report(name, found)]


def of_report(experiment: str, found: Found | None) -> Iterator[FoundClaim]:
    """The claims of one experiment; an entry without a result if it has no claim yet."""
    if found is None:
        yield FoundClaim(experiment, experiment, WAITING, "", "", "", "")
    elif isinstance(found, Tuning):
        yield FoundClaim(experiment, experiment, RUNNING, tuned(found), "", "", "")
    elif isinstance(found, SearchReportData):
        if found.final is not None:
            yield from of_report(experiment, found.final)
        elif found.complete:
            yield FoundClaim(experiment, experiment, headline(found).word, "", "", "", "")
        else:
            progress = f"{found.finished:,d} of {phrases.plural(found.study.trials, 'trial')}"
            yield FoundClaim(experiment, experiment, RUNNING, progress, "", "", "")
    else:
        yield from (_of_claim(experiment, found, result) for result in claim_results(found))


def _of_claim(experiment: str, report: ReportData, result: ClaimResult) -> FoundClaim:
    verdict = result.verdict
    named = verdict.claim.metric != report.metric
    remarks = [phrases.short_registration(verdict), result.contradicted]
    facts = {fact.name: fact.number.text for fact in result.facts}
    level = next((name.removesuffix(INTERVAL) for name in facts if name.endswith(INTERVAL)), "")
    interval = facts.pop(f"{level}{INTERVAL}", "")
    own = next((text for name, text in facts.items() if name not in NOT_ESTIMATES), "")
    if own and EstimateText(verdict.rows[0], verdict.claim, report.metrics).less_is_better:
        own += " (less is better)"
    if running(verdict):
        remarks.insert(0, f"{report.finished:,d} of {phrases.plural(len(report.requested), 'run')}")
    elif result.parts:
        own = ", ".join(f"{count} {word}" for word, count in Counter(row.verdict for row in verdict.rows).items())
    return FoundClaim(
        experiment=experiment,
        statement=phrases.short_claim(verdict.claim, named),
        word=RUNNING if running(verdict) else verdict.verdict,
        remark="; ".join(filter(None, remarks)),
        estimate=own,
        interval=interval,
        seeds=str(max((row.n for row in verdict.rows), default=0) or ""),
        result=result,
        report=report,
    )


def tuned(found: Tuning) -> str:
    """How far the tuning is."""
    return f"choosing settings, {found.finished:,d} of {phrases.plural(len(found.plan.runs), 'run')}"


def sentences(lessons: list[FoundClaim], further: list[FoundClaim]) -> str:
    """What was found, in a few sentences: how many claims have which verdict, which are refuted, which are open."""
    claims = [*lessons, *further]
    known = [each for each in claims if each.counts]
    others = [each for each in claims if each.result is None and each.word in (RUNNING, WAITING)]
    text = [_counted("{} about the lessons", lessons), _counted("{} beyond them", further)]
    if doubtful := sum(each.result is not None for each in claims) - len(known):
        which = "claim does" if doubtful == 1 else "claims do"
        text.append(f"{doubtful} more {which} not count as evidence: retrospective, or of a rehearsal.")
    for word in ("refuted", "inconclusive"):
        if own := [_estimated(each) for each in known if each.word == word]:
            text.append(f"{word.capitalize()}: {'; '.join(own)}.")
    text += [f"{each.experiment}: {each.word}." for each in claims if each.result is None and each not in others]
    if others:
        text.append(f"Experiments without results so far: {phrases.listed([each.experiment for each in others])}.")
    return " ".join(filter(None, text))


def _estimated(each: FoundClaim) -> str:
    """`lookahead loses nothing against plain (-1.33 pp [-1.92, -0.74])`."""
    estimate = f"{each.estimate} {each.interval}".strip()
    return f"{each.statement} ({estimate})" if estimate else each.statement


def _counted(which: str, claims: list[FoundClaim]) -> str:
    """The number of claims with each verdict, and of those without one; empty if none counts as evidence."""
    known = [each for each in claims if each.counts]
    if not known:
        return ""
    every = Counter(each.word for each in known)
    number = {word: every[word] for word in WORDS if every[word]}
    left = len(known) - sum(number.values())
    of = f"Of {which.format(phrases.plural(len(known), 'claim'))}"
    if not number:
        return f"{of}, none is decided yet."
    first, *rest = number.items()
    parts = [f"{first[1]} {_are(first[1])} {first[0]}", *(f"{count} {word}" for word, count in rest)]
    return f"{of}, {phrases.listed(parts)}" + (f"; {left} {_are(left)} not decided yet." if left else ".")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
