"""The differences by seed that other tools draw."""

from __future__ import annotations

import pytest
from reported import planned

from harness.reporting.pages import gather
from harness.reporting.tables.paired import differences
from harness.store.records import Store

VALUES = {"relu": [60.0, 62.0, 61.0, 63.0], "leaky_relu": [61.0, 62.5, 62.0, 64.0], "gelu": [60.5, 61.0, "failed", 63.0]}


def test_each_variant_and_seed_has_its_difference_with_the_mean_and_the_interval_of_the_table(store: Store) -> None:
    report = gather(store, planned(store, VALUES, looks=(4,)), predictions=False)
    found = differences(report)
    leaky = [row for row in found["rows"] if row[0] == "leaky_relu"]
    assert [row[:4] for row in leaky] == [("leaky_relu", "relu", seed, value) for seed, value in enumerate([1.0, 0.5, 1.0, 1.0])]
    interval = next(row.interval for row in report.table.rows if row.variant == "leaky_relu")
    assert interval is not None
    assert leaky[0][4:] == pytest.approx((0.875, *interval))
    assert found["axis"] == "difference in test accuracy [pp]"
    assert found["title"].startswith("activations: difference in test accuracy, ")


def test_a_seed_without_a_value_has_no_row(store: Store) -> None:
    report = gather(store, planned(store, VALUES, looks=(4,)), predictions=False)
    assert [row[2] for row in differences(report)["rows"] if row[0] == "gelu"] == [0, 1, 3]


def test_before_the_first_look_there_are_no_differences(store: Store) -> None:
    report = gather(store, planned(store, {"relu": [60.0], "gelu": [61.0]}, looks=(4,)), predictions=False)
    assert differences(report)["rows"] == []
