"""A plan's name -> its report on disk: index.html, the same in other formats, and figures/."""

from __future__ import annotations

from pathlib import Path

from harness.frames import stored_plan
from harness.store.atomic import make_folder, write_text
from harness.store.records import Store
from harness.writeup.findings import Findings, gather

__all__ = ["Findings", "gather", "write_findings", "write_report"]


def write_report(name: str, results: str | Path = "results") -> Path:
    """Write every format of the report of the plan `name`, and the scoreboard; the path of the one to open first.

    The same files in give the same bits out. Raises InputError for a plan that is not there, StoreError where files cannot be
    read or written.
    """
    from harness.writeup import scoreboard

    store = Store.open(Path(results), create=False)
    findings = gather(store, stored_plan(store, name))
    path = write_findings(findings)
    scoreboard.write(store, [scoreboard.entry(findings)])
    return path


def write_findings(findings: Findings) -> Path:
    """Write every format of the report of findings that are in memory already; the path of the one to open first.

    Raises StoreError where files cannot be written.
    """
    # Jinja2 and matplotlib take a while to import; gathering alone needs neither.
    from harness.writeup import latex, markdown, page, pictures, runscsv, verdictsjson

    drawn = pictures.write(findings)
    texts = {
        "report.md": markdown.render(findings, drawn),
        "table.tex": latex.render(findings),
        "runs.csv": runscsv.render(findings),
        "verdicts.json": verdictsjson.render(findings),
        "index.html": page.render(findings, drawn),
    }
    make_folder(findings.folder)
    for name, text in texts.items():
        write_text(findings.folder / name, text)
    return findings.folder / "index.html"
