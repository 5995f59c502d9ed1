"""The first claim on a page: its metric and its margin are its own, whatever the report's metric is."""

from __future__ import annotations

from reported import planned
from simulated import BASE, LEAKY, comparison

from harness.reporting.pages import gather, summary
from harness.store.records import Store


def test_a_first_claim_about_another_metric_names_it_and_its_own_margin(store: Store) -> None:
    claims = [comparison("improves", "leaky_relu", metric="test_loss", margin=0.75), comparison("no_loss", "leaky_relu")]
    found = summary.headline(gather(store, planned(store, {"base": BASE, "leaky_relu": LEAKY}, claims)))
    assert found is not None
    assert (found.statement, found.margin) == ("leaky_relu improves on base (test loss).", "0.75 nats")


def test_a_first_claim_about_the_metric_of_the_report_does_not_name_it(store: Store) -> None:
    plan = planned(store, {"base": BASE, "leaky_relu": LEAKY}, [comparison("improves", "leaky_relu")])
    found = summary.headline(gather(store, plan))
    assert found is not None
    assert (found.statement, found.margin) == ("leaky_relu improves on base.", "0.25 pp")
