"""A search -> its report on disk: index.html, the same as Markdown, trials.csv, and figures/."""

from __future__ import annotations

from pathlib import Path

from harness.reporting.pages.searches.report_data import SearchFindings, gather_search
from harness.reporting.pages.write import write_findings, write_texts

__all__ = ["SearchFindings", "gather_search", "write_search"]


def write_search(findings: SearchFindings) -> Path:
    """Write every format of the report of a search, and of the comparison of its winner; the path of the one to open first.

    The same files in give the same bits out. Raises StoreError where files cannot be written.
    """
    from harness.reporting.pages.searches import markdown, page, pictures, trials_csv

    drawn = pictures.write(findings)
    texts = {
        "report.md": markdown.render(findings, drawn),
        "trials.csv": trials_csv.render(findings),
        "index.html": page.render(findings, drawn),
    }
    path = write_texts(findings.folder, texts)
    if findings.final is not None:
        write_findings(findings.final)  # each of the two links to the other, so both are there
    return path
