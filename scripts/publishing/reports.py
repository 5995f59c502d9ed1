"""A results folder -> its reports and its scoreboard, and whether another state of the folder would give the same verdicts."""

from __future__ import annotations

from pathlib import Path

from harness.errors import InputError
from harness.experiment.plan import Plan
from harness.experiment.study import Study
from harness.reporting.pages import SearchReportData, gather, gather_search, record, scoreboard, write
from harness.reporting.pages.data_files import verdicts
from harness.reporting.pages.report_data import ReportData
from harness.store.atomic import to_json
from harness.store.records import Store

Verdicts = dict[str, bytes]  # by plan: verdicts.json; by search: nothing


def write_all(results: Path) -> Verdicts:
    """Write every report and the scoreboard.

    Raises InputError if a finished look is missing in the ledger: it would be recorded with the time of this publication.
    """
    store = Store.open(results, create=False)
    before = _entries(results)
    written: Verdicts = {}
    rows: list[scoreboard.PlanRow | scoreboard.SearchRow] = []
    for one in shown(store):
        if one.name in written:
            continue
        report = gathered(store, one)
        record(report)
        if _entries(results) != before:
            raise InputError(f"a look of {one.name} is not in the ledger yet; record it with: harness report --results SOURCE")
        _refuse_inconsistent(one.name, report)
        write(report)
        rows += scoreboard.rows_of(report)
        written |= texts(report)
    scoreboard.write(store, rows)
    return written


def refuse_others(results: Path, written: Verdicts) -> None:
    """Raises InputError if the folder gives other verdicts than those that were written."""
    store = Store.open(results, create=False)
    now: Verdicts = {}
    for one in shown(store):
        report = gathered(store, one, predictions=False)
        _refuse_inconsistent(one.name, report)
        now |= texts(report)
    if other := [name for name, text in now.items() if text != written[name]]:
        raise InputError(f"without the files that are left out, {other[0]} has other verdicts")


def shown(store: Store) -> list[Plan | Study]:
    """The plans and searches that have a report, searches first. Raises HarnessError for a damaged one."""
    plans, damaged = store.load_plans()
    studies, damaged_studies = store.load_studies()
    for error in (*damaged, *damaged_studies):
        raise error
    return [*studies, *(plan for plan in plans if plan.selection is None)]


def gathered(store: Store, one: Plan | Study, *, predictions: bool = True) -> ReportData | SearchReportData:
    """The data of a report."""
    return gather_search(store, one) if isinstance(one, Study) else gather(store, one, predictions)


def texts(report: ReportData | SearchReportData) -> Verdicts:
    """The verdicts of a report, of a search also those of its comparison."""
    if not isinstance(report, SearchReportData):
        return {report.plan.name: to_json(verdicts(report))}
    return {report.study.name: b"", **(texts(report.final) if report.final else {})}


def _refuse_inconsistent(name: str, report: ReportData | SearchReportData) -> None:
    if wrong := (*report.inconsistencies, *report.mismatches):
        raise InputError(f"{name}: the files of these results do not fit: {wrong[0]}; see: harness verify --results SOURCE")


def _entries(results: Path) -> list[Path]:
    """The entries of the ledger."""
    return sorted(results.glob("ledger/*/*.json"))
