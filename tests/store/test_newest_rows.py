"""The newest rows of a run: from the end of the file alone, whatever else is in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.store.newest_rows import TAIL, newest_rows
from harness.store.records import write_rows


def test_they_are_in_order_from_the_end_of_a_long_file(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    write_rows(path, [{"epoch": epoch, "loss": 1 / epoch} for epoch in range(1, 5001)])
    assert path.stat().st_size > 2 * TAIL
    assert newest_rows(path) == [{"epoch": 5000, "loss": 1 / 5000}]
    assert [row["epoch"] for row in newest_rows(path, 3)] == [4998, 4999, 5000]
    assert 100 < len(newest_rows(path, 5000)) < 5000


@pytest.mark.parametrize("text", ["", "\n", "{", "[1]\n", "{\n", '{"epoch": 1}', f'{{"text": "{TAIL * "x"}"}}\n'])
def test_a_file_without_a_whole_row_at_its_end_has_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "metrics.jsonl"
    assert newest_rows(path) == []
    path.write_text(text)
    assert newest_rows(path) == []


def test_a_damaged_row_or_one_that_is_being_written_does_not_hide_those_before_it(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"epoch": 1}\n{"epoch": "nan"}\nnot json\n{"epoch": 3')
    first, second = newest_rows(path, 5)
    assert first == {"epoch": 1}
    assert second["epoch"] != second["epoch"]
