"""Writes a report's files: all formats, and the figures."""

from __future__ import annotations

from pathlib import Path

from harness.reporting.pages.report_data import ReportData
from harness.reporting.pages.search_data import SearchReportData
from harness.store.atomic import make_folder, to_json, write_text


def write(report: ReportData | SearchReportData) -> Path:
    """Write all formats of a report, for a search also its comparison's; returns index.html. Raises StoreError."""
    # Jinja2 and matplotlib are slow to import and not needed for gathering.
    from harness.reporting.pages import curves_file, data_files, latex, markdown, page, paper, pictures, search_pictures

    make_folder(report.folder)
    if isinstance(report, SearchReportData):
        drawn = pictures.save(search_pictures.draw(report), report.folder)
        texts = {
            "report.md": markdown.render_search(report, drawn),
            "trials.csv": data_files.trials_csv(report),
            "index.html": page.render_search(report, drawn),
        }
    else:
        drawn = pictures.save(pictures.draw(report), report.folder)
        texts = {
            # First: by it a report of existing results is recognised, also one whose writing was interrupted.
            "verdicts.json": to_json(data_files.verdicts(report)).decode(),
            "report.md": markdown.render(report, drawn),
            "table.tex": latex.render(report),
            "table_paper.tex": paper.rendered(report).texts["LaTeX"],
            "runs.csv": data_files.runs_csv(report),
            "curves.json": curves_file.text_of(curves_file.curves_of(report)),
            "index.html": page.render(report, drawn),
        }
    for name, text in texts.items():
        write_text(report.folder / name, text)
    if isinstance(report, SearchReportData) and report.final is not None:
        write(report.final)  # the two link to each other
    return report.folder / "index.html"
