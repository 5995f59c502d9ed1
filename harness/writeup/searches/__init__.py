"""A search's name -> its report on disk: index.html, the same as Markdown, trials.csv, and figures/."""

from __future__ import annotations

from pathlib import Path

from harness.store.atomic import make_folder, write_text
from harness.writeup.searches.findings import SearchFindings, gather_search

__all__ = ["SearchFindings", "gather_search", "write_search"]


def write_search(findings: SearchFindings) -> Path:
    """Write every format of the report of a search; the path of the one to open first.

    The same files in give the same bits out. Raises StoreError where files cannot be written.
    """
    from harness.writeup.searches import markdown, page, pictures, trialscsv

    drawn = pictures.write(findings)
    texts = {
        "report.md": markdown.render(findings, drawn),
        "trials.csv": trialscsv.render(findings),
        "index.html": page.render(findings, drawn),
    }
    make_folder(findings.folder)
    for name, text in texts.items():
        write_text(findings.folder / name, text)
    return findings.folder / "index.html"
