"""The report of a plan or a search on disk: index.html, the same in other formats, and figures/."""

from __future__ import annotations

from pathlib import Path

from harness.experiment.study import Study
from harness.reporting.pages.report_data import ReportData, gather
from harness.reporting.pages.resolve import reported
from harness.reporting.pages.search_data import SearchReportData, gather_search
from harness.reporting.pages.write import write
from harness.store.records import Store

__all__ = ["ReportData", "SearchReportData", "gather", "gather_search", "reported", "write", "write_report"]


def write_report(name: str, results: str | Path = "results") -> Path:
    """Write every format of the report of the plan or the search `name`, and the scoreboard; the path of the one to open first.

    The same files in give the same bits out. Raises InputError for a name that is not there or a stage that has no report,
    StoreError where files cannot be read or written.
    """
    from harness.reporting.pages import scoreboard

    store = Store.open(Path(results), create=False)
    asked = reported(store, name)
    report = gather_search(store, asked) if isinstance(asked, Study) else gather(store, asked)
    path = write(report)
    scoreboard.write(store, scoreboard.rows_of(report))
    return path
