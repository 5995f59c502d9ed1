"""The table model: what each format shows of a table, and that all of them show the same columns and cells."""

from __future__ import annotations

import re

import pytest
from parsed import Element, parsed
from reported import planned
from simulated import ACTIVATIONS, comparison

from harness.reporting.pages import gather, latex, markdown, page
from harness.reporting.tables.model import Cell, Column, DisplayTable
from harness.reporting.tables.variants import variant_tables
from harness.store.records import Store
from harness.terminal.tables import TerminalTable

TABLE = DisplayTable(
    [
        Column("variant", holds="labels", cells=[Cell("base", notes=("baseline",)), Cell("b", notes=("against a",))]),
        Column("accuracy", "right", unit="%", cells=[Cell("93.04", ("a" * 12,), 93.04), Cell("93.37", ("b" * 12,), 93.37)]),
        Column("time", "right", unit="s", cells=[Cell("1"), Cell("2")], formats=("html",)),
        Column("failed", "right", cells=[Cell(), Cell()], optional=True),
        Column("p", "right", cells=[Cell(), Cell(notes=("exploratory",))], optional=True),
    ]
)


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        ("html", ["variant", "accuracy", "time", "p"]),
        ("markdown", ["variant", "accuracy", "p"]),
        ("latex", ["variant", "accuracy", "p"]),
        ("terminal", ["variant", "accuracy"]),
    ],
)
def test_a_format_shows_its_own_columns_and_no_empty_optional_ones(form: str, headers: list[str]) -> None:
    shown = TABLE.shown_in(form)  # type: ignore[arg-type]  # one of the formats
    assert [column.header for column in shown.columns] == headers
    assert all(len(row) == len(headers) for row in shown.rows)


def test_a_column_that_is_not_optional_stays_though_it_is_empty() -> None:
    empty = DisplayTable([Column("n", cells=[Cell()])])
    assert [column.header for column in empty.shown_in("terminal").columns] == ["n"]


def test_rows_of_text_become_cells_in_their_columns() -> None:
    table = DisplayTable.of_rows([Column("a"), Column("b")], [["1", "2"], ["3", "4"]])
    assert [[cell.text for cell in row] for row in table.rows] == [["1", "2"], ["3", "4"]]
    assert DisplayTable.of_rows([Column("a"), Column("b")], []).rows == []


def test_a_row_that_lacks_a_cell_is_an_error() -> None:
    with pytest.raises(ValueError, match="zip"):
        DisplayTable.of_rows([Column("a"), Column("b")], [["1"]])


def test_a_cell_names_the_first_runs_that_it_comes_from() -> None:
    assert Cell("5", tuple("abcdefgh")).title == "from 8 runs: a, b, c, d, e, f and 2 more"
    assert Cell("5").title == ""


def test_a_terminal_stars_the_baseline_and_leaves_the_unit_of_a_percentage_out() -> None:
    assert TerminalTable(TABLE, indent=0).lines(80) == ["variant   accuracy", "base *       93.04", "b            93.37"]


def test_html_sorts_by_values_and_names_runs() -> None:
    template = page.pages().from_string('{% from "macros.html.j2" import table %}{{ table(whole) }}')
    root = parsed(template.render(whole=TABLE))
    first, second = root.one("tbody").all("tr")
    assert [cell.words for cell in first.all() if cell.tag in ("th", "td")] == ["base baseline", "93.04", "1", ""]
    assert second.all("td")[0].attributes["data-value"] == "93.37"
    assert second.one("span", class_="number").attributes["data-runs"] == "b" * 12
    assert second.all("td")[2].words == "exploratory"


def test_every_format_shows_the_same_numbers_of_the_variants(store: Store) -> None:
    claims = [comparison("improves", "leaky_relu"), comparison("improves", "gelu")]
    report = gather(store, planned(store, ACTIVATIONS, claims))
    (table,) = variant_tables(report)
    wanted = [["93.04 ± 0.15", "", ""], ["93.37 ± 0.12", "+0.33", "[+0.21, +0.45]"]]
    html = parsed(page.render(report, ())).one("section", id="variants").all("tbody")[0]
    markdown_lines = [line for line in markdown.render(report, ()).splitlines() if line.startswith("| ")]
    latex_text = latex.render(report)
    terminal = [re.split(r" {3,}", line.strip()) for line in TerminalTable(table).lines(120)]
    for place, (label, numbers) in enumerate(zip(("base", "leaky_relu"), wanted, strict=True)):
        assert words(html.all("tr")[place])[2:5] == numbers
        line = next(each for each in markdown_lines if each.startswith(f"| {label} ") and "±" in each)
        assert [cell.strip() for cell in line.split("|")][3:6] == numbers
        (line,) = [
            each for each in latex_text.splitlines() if each.strip().startswith(label.replace("_", r"\_")) and "pm" in each
        ]
        assert [cell.replace(r"$\pm$", "±").strip() for cell in line.split("&")][2:5] == numbers
        assert terminal[place + 1][2:5] == list(filter(None, numbers))


def words(row: Element) -> list[str]:
    return [cell.words for cell in row.all() if cell.tag in ("th", "td")]
