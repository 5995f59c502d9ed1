"""table.tex: a plan's tables of variants and claims, to \\input into a paper."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harness.reporting import phrases
from harness.reporting.pages.report_data import ReportData
from harness.reporting.pages.template import environment
from harness.reporting.pages.tex import escape, number
from harness.reporting.tables.claim_table import claim_table
from harness.reporting.tables.model import Cell, Column, DisplayTable
from harness.reporting.tables.variants import variant_tables
from harness.reporting.tables.versions import version_table

if TYPE_CHECKING:
    import jinja2

NOT_IN_LABELS = r"[^A-Za-z0-9]+"
LONGEST = 30  # letters of a label on one line


def render(report: ReportData) -> str:
    """The text of table.tex; deterministic."""
    labels = phrases.file_names(report.tables, NOT_IN_LABELS)
    tables = [
        tabular(report, table, labels[metric], f"{_counts(table)}{table.note}.")
        for metric, table in zip(report.tables, variant_tables(report), strict=True)
    ]
    if report.judgement.verdicts:
        claims = claim_table(report)
        tables.append(tabular(report, claims, "claims", f"{claims.note}."))
    if (versions := version_table(report.plan)) is not None:
        tables.append(tabular(report, versions, "code", f"{versions.note}."))
    return (
        tex_environment()
        .get_template("table.tex.j2")
        .render(name=escape(report.plan.name), label=label_of(report.plan.name), tables=tables)
    )


def tex_environment() -> jinja2.Environment:
    """The template environment; braces and percent signs are special in TeX."""
    return environment(block_start_string="<%", block_end_string="%>", variable_start_string="<<", variable_end_string=">>")


def tabular(report: ReportData, table: DisplayTable, label: str, notes: str) -> dict[str, object]:
    """The escaped parts of a table."""
    shown = table.shown_in("latex")
    widths = list(map(column_width, shown.columns))
    return {
        "label": label,
        "caption": caption(report, f"{table.title}."),
        "columns": f"@{{}}{''.join(widths)}@{{}}",
        "titles": [escape(column.title) for column in shown.columns],
        "rows": [list(map(_cell, shown.columns, widths, row)) for row in shown.rows],
        "notes": escape(notes),
    }


def column_width(column: Column) -> str:
    """A paragraph column for long text, else one as wide as its cells."""
    if column.holds == "remarks":
        return r"p{0.2\linewidth}"
    long = column.holds == "labels" and any(len(cell.text) > LONGEST for cell in column.cells)
    return r"p{0.3\linewidth}" if long else column.align[0]


def _cell(column: Column, width: str, cell: Cell) -> str:
    return number(cell.text) if column.align == "right" else text_cell(width, cell)


def text_cell(width: str, cell: Cell) -> str:
    """The escaped text of a cell with its notes, in a column of this `column_width`."""
    text = escape(f"{cell.text} ({', '.join(cell.notes)})" if cell.notes else cell.text)
    # At the start of a row these would be read as an argument or star of the preceding \\.
    text = f"{{}}{text}" if text.startswith(("[", "*")) else text
    indent = r"\quad" if cell.text.startswith(" ") else ""
    return rf"\raggedright{indent} {text}" if width.startswith("p") else text


def label_of(name: str) -> str:
    """The name in \\label."""
    return re.sub(NOT_IN_LABELS, "-", name)


def caption(report: ReportData, title: str) -> str:
    """Title, experiment, and whether the results are complete and evidence."""
    plan = report.plan
    parts = [title, plan.question, f"({plan.name}: {', '.join(phrases.shared_settings(plan))}.)"]
    parts += [f"A small version: {size}."] if (size := phrases.scale(plan)) else []
    parts += [f"{place[:1].upper()}{place[1:]}."] if (place := phrases.loop(plan)) else []
    parts += [] if report.complete else [f"{report.finished:,d} of {len(report.requested):,d} runs finished."]
    parts += [f"{marker}."] if (marker := phrases.rehearsal(plan)) else []
    parts += [f"{phrases.CHANGED.capitalize()}."] if plan.amended else []
    parts += [f"{line}." for line in phrases.retrospective_claims(report.judgement.verdicts, plan)]
    return escape(" ".join(parts))


def _counts(table: DisplayTable) -> str:
    return "" if "n counts" in table.note else "n counts completed runs; "
