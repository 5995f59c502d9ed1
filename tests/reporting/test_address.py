"""Where the report is: at the server of the results folder while it runs, otherwise the file."""

from __future__ import annotations

from harness.reporting.address import address
from harness.store.records import Store
from harness.store.served import announced


def test_a_report_is_at_the_server_while_it_runs(store: Store) -> None:
    file = str(store.paths.report("toys") / "index.html")
    assert address(store.paths, "toys") == file
    with announced(store.paths.root, "http://127.0.0.1:8008"):
        assert address(store.paths, "toys") == "http://127.0.0.1:8008/reports/toys/index.html"
    assert address(store.paths, "toys") == file
