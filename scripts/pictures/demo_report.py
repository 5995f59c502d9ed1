"""The demo's results as they are shown: its report, its table for a paper, and the end of `harness run` on a narrow terminal."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from devtools import CHART_SHOWN, LAST_POINT, Browser
from picture_files import screenshot, svg, terminal

ROOT = Path(__file__).parents[2]
PLAN = "leakyrelu_vs_relu@smoke"
README_COLUMNS, NARROW = 80, 60
FIRST_SCREEN, END, TABLE = "report.png", f"end_{NARROW}.svg", "table_paper.pdf"
HOVERED = {"report_light.png": False, "report_dark.png": True}
PHONE = "report_phone.png"
NAMES = (END, FIRST_SCREEN, *HOVERED, PHONE, TABLE)
DESK, TELEPHONE = (1280, 800), (390, 1500)  # pixels; the phone's page is scrolled
PAGE = r"""\documentclass{article}
\usepackage[paperwidth=150mm, paperheight=65mm, margin=8mm]{geometry}
\usepackage{booktabs,amssymb}
\setlength{\belowcaptionskip}{6pt}
\pagestyle{empty}
\begin{document}
%s
\end{document}
"""


def printed(results: Path, columns: int) -> str:
    """What `harness report` prints on a terminal of this width; the results folder is called `results`."""
    command = [sys.executable, "-m", "harness.report", PLAN, "--results", str(results)]
    environment = {**os.environ, "COLUMNS": str(columns)}
    text = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment).stdout
    return text.replace(f"{results}/", "results/").strip("\n") + "\n"


def write(folder: Path, results: Path, browser: Browser) -> str:
    """Write the files NAMES; returns what the README shows, which is in the first picture too."""
    shown = printed(results, README_COLUMNS)
    report = results / "reports" / PLAN
    (folder / END).write_text(end(printed(results, NARROW)))
    browser.open(report / "index.html", DESK)
    browser.value(CHART_SHOWN)
    screenshot(browser, folder / FIRST_SCREEN, shown)
    for name, dark in HOVERED.items():
        hovered(browser, report / "index.html", dark)
        screenshot(browser, folder / name)
    browser.open(report / "index.html", TELEPHONE)
    browser.value(CHART_SHOWN)
    screenshot(browser, folder / PHONE)
    compiled((report / "table_paper.tex").read_text(), folder / TABLE)
    return shown


def hovered(browser: Browser, page: Path, dark: bool) -> None:
    """The curves of a report, with the mouse on the end of the second variant's mean."""
    browser.open(page, DESK, dark)
    browser.value(CHART_SHOWN)
    browser.value("document.querySelector('.chart').closest('section').scrollIntoView()")
    browser.value("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")  # it may be drawn once more
    browser.point(*browser.value(LAST_POINT.format(kind="mean", place=1)))
    if not browser.value("document.querySelector('.chart .tip').checkVisibility()"):
        raise RuntimeError(f"{page}: the mouse shows no value")


def end(text: str) -> str:
    """The screen as SVG."""
    out = terminal(NARROW)
    out.print(text, end="")
    return svg(out, "harness run leakyrelu_vs_relu --profile smoke")


def compiled(table: str, out: Path) -> None:
    """A LaTeX table as a page of its size; the same table gives the same file."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "table.tex").write_text(PAGE % table)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "table.tex"]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}
        subprocess.run(command, check=True, capture_output=True, cwd=folder, env=environment)
        out.write_bytes((Path(folder) / "table.pdf").read_bytes())
