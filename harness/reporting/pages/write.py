"""Writes a report's files: the verdicts and all that is text, then the figures, then the pages that show them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.reporting.pages.report_data import ReportData
from harness.reporting.pages.search_data import SearchReportData
from harness.store.atomic import make_folder, to_json, write_text


def write(report: ReportData | SearchReportData) -> Path:
    """Write all formats of a report, for a search also its comparison's; returns index.html. Raises StoreError.

    If it is interrupted, each file is whole: the old one or the new one.
    """
    # Jinja2 is slow to import and not needed for gathering.
    from harness.reporting.pages import curves_file, data_files, latex, markdown, page, paper, pictures, search_pictures

    make_folder(report.folder)
    record = None if report.store is None else report.store.paths.figures(report.folder.name)
    if isinstance(report, SearchReportData):
        _write(report.folder, {"trials.csv": data_files.trials_csv(report)})
        drawn = pictures.save(search_pictures.draw(report), report.folder, record)
        _write(
            report.folder,
            {"report.md": markdown.render_search(report, drawn), "index.html": page.render_search(report, drawn)},
        )
        if report.final is not None:
            write(report.final)  # the two link to each other
    else:
        texts = {
            # First: by it a report of existing results is recognised, also one whose writing was interrupted.
            "verdicts.json": to_json(data_files.verdicts(report)).decode(),
            "table.tex": latex.render(report),
            "table_paper.tex": paper.rendered(report).texts["LaTeX"],
            "runs.csv": data_files.runs_csv(report),
            "curves.json": curves_file.text_of(curves_file.curves_of(report)),
        }
        _write(report.folder, texts)
        drawn = pictures.save(pictures.draw(report), report.folder, record)
        _write(report.folder, {"report.md": markdown.render(report, drawn), "index.html": page.render(report, drawn)})
    return report.folder / "index.html"


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    for name, text in texts.items():
        write_text(folder / name, text)
