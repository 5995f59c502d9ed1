"""Where a results folder is served on this machine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from harness.store import served
from harness.store.holder import Holder
from harness.store.served import address, announced


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))


def test_the_address_of_a_report_is_known_while_the_server_lives(tmp_path: Path) -> None:
    assert address(tmp_path, "toys") is None
    with announced(tmp_path, "http://127.0.0.1:8008"):
        assert address(tmp_path) == "http://127.0.0.1:8008/"
        assert address(tmp_path, "toys@smoke") == "http://127.0.0.1:8008/reports/toys%40smoke/index.html"
        assert address(tmp_path / "other", "toys") is None
    assert address(tmp_path, "toys") is None


def test_the_same_folder_has_one_address_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "linked").symlink_to("results")
    monkeypatch.chdir(tmp_path)
    with announced(tmp_path / "results", "http://127.0.0.1:1"):
        assert address("results") == address(tmp_path / "linked") == "http://127.0.0.1:1/"


def test_a_server_that_was_killed_has_no_address(tmp_path: Path) -> None:
    with announced(tmp_path, "http://127.0.0.1:8008"):
        path = served._file(tmp_path)
        dead = Holder.here().model_copy(update={"process_start": "1"})
        path.write_text(served._Served(holder=dead, url="http://127.0.0.1:8008").model_dump_json())
        assert address(tmp_path) is None


def test_of_two_servers_the_later_one_is_named_and_stays_when_the_first_ends(tmp_path: Path) -> None:
    first, second = announced(tmp_path, "http://127.0.0.1:1"), announced(tmp_path, "http://127.0.0.1:2")
    first.__enter__()
    with second:
        first.__exit__(None, None, None)
        assert address(tmp_path) == "http://127.0.0.1:2/"


def test_a_folder_into_which_others_can_write_is_not_trusted(tmp_path: Path) -> None:
    with announced(tmp_path, "http://127.0.0.1:8008"):
        served._file(tmp_path).parent.chmod(0o777)
        assert address(tmp_path) is None


def test_a_damaged_file_is_no_address(tmp_path: Path) -> None:
    with announced(tmp_path, "http://127.0.0.1:8008"):
        served._file(tmp_path).write_text("{")
        assert address(tmp_path) is None
