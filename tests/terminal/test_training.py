"""What trains now: which rows are read for it, and how a run is worded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.store.records import Record, Store, write_rows
from harness.terminal import training
from harness.terminal.training import NewestRows, Now


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The runs whose files are opened, in order."""
    found: list[str] = []
    own = training.newest_rows

    def opened(path: Path) -> list[dict[str, Any]]:
        found.append(path.parent.name)
        return own(path)

    monkeypatch.setattr(training, "newest_rows", opened)
    return found


def running(store: Store, number: int, epochs: int) -> Record:
    run_id = f"{number:012x}"
    store.paths.run(run_id).folder.mkdir(parents=True, exist_ok=True)
    write_rows(store.paths.run(run_id).metrics, [{"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, epochs + 1)])
    return Record(run_id, "running", epoch=epochs)


def test_a_few_rows_are_read_at_a_look_and_only_those_of_runs_that_went_on(store: Store, read: list[str]) -> None:
    records = [running(store, number, 3) for number in range(12)]
    rows = NewestRows(store.paths)
    rows.look(records, 2)
    assert len(read) == 2
    for _ in range(20):
        rows.look(records, 2)
    assert sorted(read) == [record.id for record in records]
    assert {row["epoch"] for row in rows.rows.values()} == {3}
    records[4] = running(store, 4, 5)
    rows.look(records, 2)
    assert read[12:] == [records[4].id]
    assert rows.of(records[4].id)["epoch"] == 5


def test_runs_that_have_not_trained_an_epoch_are_not_read_and_those_that_left_are_forgotten(
    store: Store, read: list[str]
) -> None:
    record = running(store, 1, 3)
    rows = NewestRows(store.paths)
    rows.look([record, Record("b" * 12, "running")], 2)
    assert (read, rows.of("b" * 12)) == ([record.id], {})
    rows.look([], 2)
    assert rows.rows == {}


def test_a_run_is_worded_by_what_is_known_of_it() -> None:
    record = Record("a" * 12, "running", epoch=9)
    whole = Now.of("seed 1", record, 400, "94.1 %", {"seconds": 2.0, "samples_per_second": 41_000.4})
    assert whole.parts == ["seed 1", "epoch   9/400", "94.1 %", "41,000/s", "13 min left"]
    assert whole.in_log == "seed 1 epoch 9/400 94.1 %"
    assert Now.of("seed 1", record, None, "", {"seconds": 2.0, "samples_per_second": None}).parts == ["seed 1", "epoch 9"]
    assert Now.of("seed 1", Record("a" * 12, "running"), 400, "", {}).parts == ["seed 1", "starting"]
