"""A plan's or a search's name -> its report on disk: index.html, the same in other formats, and figures/."""

from __future__ import annotations

from pathlib import Path

from harness.experiment.study import Study
from harness.reporting.pages.report_data import Findings, gather
from harness.reporting.pages.resolve import reported
from harness.reporting.pages.searches import SearchFindings, gather_search, write_search
from harness.reporting.pages.write import write_findings
from harness.store.records import Store

__all__ = [
    "Findings",
    "SearchFindings",
    "gather",
    "gather_search",
    "reported",
    "write_findings",
    "write_report",
    "write_search",
]


def write_report(name: str, results: str | Path = "results") -> Path:
    """Write every format of the report of the plan or the search `name`, and the scoreboard; the path of the one to open first.

    The same files in give the same bits out. Raises InputError for a name that is not there or a stage that has no report,
    StoreError where files cannot be read or written.
    """
    from harness.reporting.pages import scoreboard

    store = Store.open(Path(results), create=False)
    asked = reported(store, name)
    if isinstance(asked, Study):
        search = gather_search(store, asked)
        path, known = write_search(search), [search.final] if search.final else []
        scoreboard.write(store, map(scoreboard.entry, known), [scoreboard.search_entry(search)])
        return path
    findings = gather(store, asked)
    path = write_findings(findings)
    scoreboard.write(store, [scoreboard.entry(findings)])
    return path
