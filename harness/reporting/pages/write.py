"""Findings of a plan, texts -> files in a report's folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.reporting.pages.report_data import Findings
from harness.store.atomic import make_folder, write_text


def write_findings(findings: Findings) -> Path:
    """Write every format of the report of findings that are in memory already; the path of the one to open first.

    Raises StoreError where files cannot be written.
    """
    # Jinja2 and matplotlib take a while to import; gathering alone needs neither.
    from harness.reporting.pages import latex, markdown, page, pictures, runs_csv, verdicts_json

    drawn = pictures.write(findings)
    texts = {
        "report.md": markdown.render(findings, drawn),
        "table.tex": latex.render(findings),
        "runs.csv": runs_csv.render(findings),
        "verdicts.json": verdicts_json.render(findings),
        "index.html": page.render(findings, drawn),
    }
    return write_texts(findings.folder, texts)


def write_texts(folder: Path, texts: Mapping[str, str]) -> Path:
    """Write the files; the path of the one to open first."""
    make_folder(folder)
    for name, text in texts.items():
        write_text(folder / name, text)
    return folder / "index.html"
