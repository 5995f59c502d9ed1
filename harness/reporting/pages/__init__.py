"""The report of a plan or a search: index.html, other formats, and figures/."""

from __future__ import annotations

from pathlib import Path

from harness.execution.recording import record_looks
from harness.experiment.study import Study
from harness.reporting.pages.report_data import ReportData, gather
from harness.reporting.pages.resolve import find
from harness.reporting.pages.search_data import SearchReportData, gather_search
from harness.reporting.pages.write import write
from harness.store.records import Store

__all__ = ["ReportData", "SearchReportData", "find", "gather", "gather_search", "record", "write", "write_report"]


def record(report: ReportData | SearchReportData) -> None:
    """Record in the ledger the look that the report shows. Raises StoreError."""
    judged = report.final if isinstance(report, SearchReportData) else report
    if judged is not None and judged.store is not None:
        record_looks(judged.store, judged.plan, judged.records, judged.judgement, known=judged.digests)


def write_report(name: str, results: str | Path = "results") -> Path:
    """Write all formats of the report of the plan or search `name`, and the scoreboard; returns the path of index.html.

    Reproducible bit for bit. Raises InputError for an unknown name or a stage without a report, StoreError if files cannot be
    read or written.
    """
    from harness.reporting.pages import scoreboard

    store = Store.open(Path(results), create=False)
    found = find(store, name)
    report = gather_search(store, found) if isinstance(found, Study) else gather(store, found)
    record(report)
    path = write(report)
    scoreboard.write(store, scoreboard.rows_of(report))
    return path
