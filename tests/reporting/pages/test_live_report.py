"""LiveReport: when it rewrites the report, and how it handles errors."""

from __future__ import annotations

import pytest
from reported import planned

from harness.reporting.pages import live_report
from harness.reporting.pages.live_report import LiveReport
from harness.store.records import Store

VALUES = {"base": [93.0, 93.2]}


def test_it_is_written_again_once_more_runs_have_finished(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_report, "EVERY_S", 0.0)
    page = store.paths.report(planned(store, VALUES).name) / "index.html"
    warnings: list[str] = []
    report = LiveReport("activations", store.paths.root, 1, warnings.append)
    report.update(1)
    assert not page.exists()
    report.update(2)
    assert page.exists()
    assert warnings == []


def test_soon_after_the_last_time_it_waits(store: Store) -> None:
    plan = planned(store, VALUES)
    LiveReport(plan.name, store.paths.root, 1, print).update(2)
    assert not store.paths.report(plan.name).exists()


def test_an_error_is_shown_and_not_raised(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_report, "EVERY_S", 0.0)
    warnings: list[str] = []
    LiveReport("unplanned", store.paths.root, 0, warnings.append).update(1)
    (line,) = warnings
    assert line.startswith("the report is not up to date: no plan or search 'unplanned'")
