"""A plan's tables of variants and of claims as LaTeX, to \\input into a paper: table.tex."""

from __future__ import annotations

import re

from harness.reporting import phrases
from harness.reporting.pages.report_data import ReportData
from harness.reporting.pages.template import environment
from harness.reporting.pages.tex import escape, number
from harness.reporting.tables.claims import claim_table
from harness.reporting.tables.model import Cell, Column, DisplayTable
from harness.reporting.tables.variants import variant_tables

LONGEST = 30  # letters of a label that stand on one line


def render(report: ReportData) -> str:
    """The file's text; the same for the same data."""
    # Braces and percent signs are TeX's own.
    templates = environment(block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>")
    tables = [
        tabular(report, table, metric, f"n counts completed runs; {table.reading}.")
        for metric, table in zip(report.tables, variant_tables(report), strict=True)
    ]
    if report.judgement.verdicts:
        claims = claim_table(report)
        tables.append(tabular(report, claims, "claims", f"{claims.reading}."))
    return templates.get_template("table.tex.j2").render(
        name=escape(report.plan.name), label=_label(report.plan.name), tables=tables
    )


def tabular(report: ReportData, table: DisplayTable, label: str, notes: str) -> dict[str, object]:
    """The parts of a table, all of them escaped already."""
    shown = table.shown_in("latex")
    widths = list(map(_width, shown.columns))
    return {
        "label": _label(label),
        "caption": caption(report, f"{table.title}."),
        "columns": f"@{{}}{''.join(widths)}@{{}}",
        "titles": [escape(column.title) for column in shown.columns],
        "rows": [list(map(_cell, shown.columns, widths, row)) for row in shown.rows],
        "notes": escape(notes),
    }


def _width(column: Column) -> str:
    """A column that is a paragraph, where it holds more than a line, or one that is as wide as its cells."""
    if column.holds == "remarks":
        return r"p{0.2\linewidth}"
    long = column.holds == "labels" and any(len(cell.text) > LONGEST for cell in column.cells)
    return r"p{0.3\linewidth}" if long else column.align[0]


def _cell(column: Column, width: str, cell: Cell) -> str:
    if column.align == "right":
        return number(cell.text)
    text = escape(f"{cell.text} ({', '.join(cell.notes)})" if cell.notes else cell.text)
    # What follows the end of a row would be read as its argument, or as a star.
    text = f"{{}}{text}" if text.startswith(("[", "*")) else text
    indent = r"\quad" if cell.text.startswith(" ") else ""
    return rf"\raggedright{indent} {text}" if width.startswith("p") else text


def _label(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", name)


def caption(report: ReportData, title: str) -> str:
    """What the table shows, of which experiment; and whether it is evidence."""
    plan = report.plan
    parts = [title, plan.question, f"({plan.name}: {', '.join(phrases.setting(plan))}.)"]
    parts += [] if report.complete else [f"{report.ended:,d} of {len(report.asked):,d} runs in."]
    parts += [f"{marker}."] if (marker := phrases.rehearsal(plan)) else []
    parts += [f"{phrases.CHANGED.capitalize()}."] if plan.amended else []
    return escape(" ".join(parts))
