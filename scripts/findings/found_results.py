"""A results folder -> the reports of the lessons' experiments, in whatever state they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lessons import FURTHER, LESSONS, PAPER, Lesson, canonical

from harness.analysis.verdicts import Verdict
from harness.errors import InputError
from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting.pages import SearchReportData, gather, gather_search
from harness.reporting.pages.report_data import ReportData
from harness.store.records import Store


@dataclass(frozen=True)
class Tuning:
    """A tuned experiment whose comparison has not begun: the plan that chooses its settings."""

    plan: Plan
    finished: int  # runs


Found = ReportData | SearchReportData | Tuning


@dataclass(frozen=True)
class Evidence:
    """The folder's reports by the name of the large experiment; an experiment that has not begun is missing."""

    store: Store
    found: Mapping[str, Found]

    def reports(self, lesson: Lesson) -> dict[str, Found | None]:
        """The lesson's experiments with their reports; None: not begun."""
        return {name: self.found.get(name) for name in lesson.experiments}

    @property
    def plan(self) -> Plan:
        """A plan that shows what all of them share, if possible that of the recipe. Raises InputError without any."""
        for each in sorted(self.found.values(), key=lambda each: each is not self.found.get(PAPER)):
            if not isinstance(each, SearchReportData):
                return each.plan
        raise InputError(f"{self.store.paths.root}: has no plan of an experiment of the lessons")

    def paper(self) -> ReportData | None:
        """The report of the recipe itself, if it has begun."""
        found = self.found.get(PAPER)
        return found if isinstance(found, ReportData) else None


def load(results: Path) -> Evidence:
    """Read the folder, which stays as it is. Raises HarnessError for damaged files, or if it has two plans of an experiment."""
    store = Store.open(results, create=False)
    plans, damaged = store.load_plans()
    studies, damaged_studies = store.load_studies()
    for error in (*damaged, *damaged_studies):
        raise error
    wanted = {name for lesson in (*LESSONS, *FURTHER) for name in lesson.experiments}
    chosen: dict[str, Plan | Study] = {}
    every: list[Plan | Study] = [*studies, *sorted(plans, key=lambda plan: plan.stage != "evidence")]
    for one in every:
        name = canonical(one.experiment)
        if name not in wanted or (isinstance(one, Plan) and one.confirms):
            continue
        before = chosen.get(name, one)
        chosen[name] = before
        if before.family != one.family:
            raise InputError(f"{results}: {before.family} and {one.family} are both plans of {name}; remove one")
    return Evidence(store, {name: _found(store, chosen[name]) for name in sorted(chosen)})


def _found(store: Store, one: Plan | Study) -> Found:
    if isinstance(one, Study):
        return gather_search(store, one)
    if one.selection is None:
        return gather(store, one, predictions=False)
    records = store.records([run.id for run in one.runs])
    return Tuning(one, sum(record.finished for record in records.values()))


def verdicts_of(found: Found) -> tuple[Verdict, ...]:
    """The verdicts of a report, of a search those of its comparison."""
    report = found.final if isinstance(found, SearchReportData) else found
    return report.judgement.verdicts if isinstance(report, ReportData) else ()


def running(verdict: Verdict) -> bool:
    """Whether further runs may still decide the claim."""
    return verdict.open or verdict.verdict == "waiting"
