"""The numbers beside each claim of a report: the p value is that of the test that its verdict comes from, and says of which."""

from __future__ import annotations

import pytest
from reported import planned
from simulated import BASE, comparison

from harness.reporting import phrases
from harness.reporting.pages import gather
from harness.reporting.tables.claims import ClaimResult, claim_results
from harness.store.records import Store

SAME = [value + 0.02 * (-1) ** seed for seed, value in enumerate(BASE)]
WORSE, BETTER = ([value + gain + 0.01 * seed for seed, value in enumerate(BASE)] for gain in (-2.0, 2.0))
UNSURE = [value + 1.5 * (-1) ** seed for seed, value in enumerate(BASE)]
VALUES = {"base": BASE, "same": SAME, "worse": WORSE, "better": BETTER, "unsure": UNSURE}


def shown(store: Store, kind: str, *labels: str) -> ClaimResult:
    values = {label: own for label, own in VALUES.items() if label in ("base", *labels)}
    (found,) = claim_results(gather(store, planned(store, values, [comparison(kind, *labels)])))
    return found


@pytest.mark.parametrize(
    ("kind", "label", "word", "name"),
    [
        ("improves", "better", "supported", "p"),
        ("improves", "same", "equivalent", "p of equivalence"),
        ("improves", "unsure", "inconclusive", "p"),
        ("equivalent", "same", "supported", "p of equivalence"),
        ("equivalent", "better", "refuted", "p against"),
        ("equivalent", "unsure", "inconclusive", "p of equivalence"),
        ("no_gain", "same", "supported", "p of the bound"),
        ("no_gain", "better", "refuted", "p"),
        ("no_gain", "unsure", "inconclusive", "p of the bound"),
    ],
)
def test_the_p_value_is_that_of_the_test_that_decides(store: Store, kind: str, label: str, word: str, name: str) -> None:
    found = shown(store, kind, label)
    facts = {fact.name: fact.number.text for fact in found.facts}
    assert (found.word, [each for each in facts if each.startswith("p ") or each == "p"]) == (word, [name])
    row = found.verdict.rows[0]
    own = {"p": row.p_adjusted, "p against": row.p_contrary}.get(name, row.p_equivalence)
    assert facts[name] == phrases.p_value(own)
    assert (own < 0.05) == (word != "inconclusive")


def test_the_p_values_of_a_list_have_one_column_that_says_of_which_test_they_are(store: Store) -> None:
    table = shown(store, "no_gain", "worse", "unsure", "better").part_table
    (column,) = (column for column in table.columns if column.header == "p" or column.header.startswith("p "))
    assert column.header == "p"
    assert [cell.notes for cell in column.cells] == [("bound",), ("joint bound",), ()]
    alike = shown(store, "no_gain", "worse", "same").part_table
    assert "p of the bound" in [column.header for column in alike.columns]


def test_beside_a_difference_under_a_bound_is_the_p_value_of_the_bound_and_the_note_says_so(store: Store) -> None:
    labels = ("worse", "unsure", "better")
    values = {label: own for label, own in VALUES.items() if label in ("base", *labels)}
    report = gather(store, planned(store, values, [comparison("no_gain", *labels)]))
    rows = {row.variant: row for row in report.table.rows}
    estimates = {row.subject: row for row in report.judgement.verdicts[0].rows}
    assert [rows[label].p for label in labels[:2]] == [estimates[label].p_equivalence for label in labels[:2]]
    assert rows["better"].p == estimates["better"].p_adjusted
    assert rows["worse"].p < 0.05 < estimates["worse"].p_adjusted
    note = phrases.table_note(report.plan, report.table, "%")
    assert "p corrected for all hypotheses of the plan, of worse and unsure that of the bound" in note
