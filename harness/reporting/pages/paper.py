"""The table for a paper as LaTeX (table_paper.tex), Markdown and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.reporting.pages import markdown
from harness.reporting.pages.data_files import csv_text
from harness.reporting.pages.latex import caption, column_width, label_of, tex_environment, text_cell
from harness.reporting.pages.report_data import ReportData
from harness.reporting.pages.tex import escape
from harness.reporting.pages.tex_numbers import aligned
from harness.reporting.tables.model import Column, DisplayTable
from harness.reporting.tables.paper import paper_table, paper_values


@dataclass(frozen=True)
class PaperTable:
    """The table and its texts by format, in the order of the page."""

    table: DisplayTable
    texts: dict[str, str]


def rendered(report: ReportData) -> PaperTable:
    """All formats of the table; deterministic."""
    table = paper_table(report)
    texts = {"LaTeX": latex(report, table), "Markdown": as_markdown(report, table), "CSV": as_csv(paper_values(report))}
    return PaperTable(table, texts)


def latex(report: ReportData, table: DisplayTable) -> str:
    """The text of table_paper.tex."""
    shown = table.shown_in("latex")
    widths = ["c" if column.holds == "marks" else column_width(column) for column in shown.columns]
    cells = list(map(_cells, shown.columns, widths))
    groups, rules = _groups(shown.groups)
    return (
        tex_environment()
        .get_template("table_paper.tex.j2")
        .render(
            name=escape(report.plan.name),
            caption=f"{caption(report, f'{table.title}.')} {escape(table.note)}.",
            label=label_of(report.plan.name),
            columns=f"@{{}}{''.join(widths)}@{{}}",
            groups=groups,
            rules=rules,
            titles=[escape(column.title) for column in shown.columns],
            rows=list(zip(*cells, strict=True)),
        )
    )


def _groups(groups: Sequence[tuple[str, int]]) -> tuple[str, str]:
    """The row of headings above several columns, and the rules below them."""
    names, rules, place = [], [], 1
    for name, span in groups:
        names.append(rf"\multicolumn{{{span}}}{{c}}{{{escape(name)}}}" if name else " &" * (span - 1))
        rules += [rf"\cmidrule(lr){{{place}-{place + span - 1}}}"] if name else []
        place += span
    return " & ".join(names), " ".join(rules)


def _cells(column: Column, width: str) -> list[str]:
    texts = [cell.text for cell in column.cells]
    if column.holds == "marks":
        return [r"\checkmark" if text else "" for text in texts]
    if column.align == "right":
        return aligned(texts, [place for place, cell in enumerate(column.cells) if cell.bold])
    return [text_cell(width, cell) for cell in column.cells]


def as_markdown(report: ReportData, table: DisplayTable) -> str:
    """Caption and table."""
    return f"{markdown.escape(f'{table.title}. {report.plan.question} {table.note}.')}\n\n{markdown.table(table)}\n"


def as_csv(values: DisplayTable) -> str:
    """A row per variant, numbers not rounded."""
    return csv_text(
        [column.title for column in values.columns],
        [[cell.text if cell.value is None else cell.value for cell in row] for row in values.rows],
    )
