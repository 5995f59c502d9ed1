"""Notices of workers to each other: short lines that may be lost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.store import notices
from harness.store.notices import Notice, Notices
from harness.store.paths import Paths
from harness.store.root import open_for_reading

RUN, OTHER = "0123456789ab", "ba9876543210"


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    (tmp_path / "results" / "cache").mkdir(parents=True)
    (tmp_path / "local").mkdir()
    monkeypatch.setattr(notices.tempfile, "gettempdir", lambda: str(tmp_path / "local"))
    return Paths(tmp_path / "results")


def of(paths: Paths, machine: str = "a") -> Notices:
    return Notices(paths, "toys", machine)


def test_each_reader_hears_every_notice_once_and_in_order(paths: Paths) -> None:
    one, two = of(paths), of(paths, "b")
    one.post(RUN, "taken")
    two.post(RUN, "left")
    one.post(OTHER, "completed")

    found = [(notice.run_id, notice.word) for notice in two.read()]
    assert found == [(RUN, "taken"), (RUN, "left"), (OTHER, "completed")]
    assert [notice.word for notice in one.read()] == ["taken", "left", "completed"]
    assert two.read() == one.read() == []


def test_a_reader_hears_what_is_posted_after_it_began(paths: Paths) -> None:
    of(paths).post(RUN, "taken")
    late = of(paths)
    assert late.read() == []
    of(paths).post(RUN, "alive")
    assert [notice.word for notice in late.read()] == ["alive"]


def test_notices_say_which_machine_they_come_from(paths: Paths) -> None:
    here, there = of(paths, "a"), of(paths, "b")
    here.post(RUN, "taken")
    there.post(OTHER, "taken")
    assert [notice.machine == here.here for notice in here.read()] == [True, False]


def test_a_line_that_is_being_written_is_read_when_it_is_complete(paths: Paths) -> None:
    reader = of(paths)
    of(paths).post(RUN, "taken")
    line = paths.notices("toys").read_bytes()
    paths.notices("toys").write_bytes(line + line[:20])
    assert len(reader.read()) == 1
    paths.notices("toys").write_bytes(line + line)
    assert reader.read() == [Notice(RUN, "taken", reader.here)]


def test_bytes_that_are_not_a_notice_are_skipped(paths: Paths) -> None:
    reader = of(paths)
    of(paths).post(RUN, "taken")
    with paths.notices("toys").open("ab") as file:  # as after appending over NFS from two machines at once
        file.write(b"\0\0\0\0 ab left\n" + b"x" * 40 + b"\n")
    of(paths).post(OTHER, "left")
    assert [notice.run_id for notice in reader.read()] == [RUN, OTHER]


@pytest.mark.parametrize("what", ["removed", "emptied"])
def test_a_file_that_is_removed_or_emptied_loses_notices_and_nothing_else(paths: Paths, what: str) -> None:
    reader, writer = of(paths), of(paths)
    for _ in range(3):
        writer.post(RUN, "alive")
    assert len(reader.read()) == 3
    if what == "removed":
        paths.notices("toys").unlink()
    else:
        os.truncate(paths.notices("toys"), 0)
    writer.post(OTHER, "left")
    assert [notice.run_id for notice in reader.read()] == [OTHER]


def test_a_large_file_is_emptied(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "LARGEST_BYTES", 100)
    reader = of(paths)
    for _ in range(20):
        reader.post(RUN, "alive")
        assert len(reader.read()) == 1
    assert paths.notices("toys").stat().st_size <= 100 + 40


def test_a_folder_that_went_away_is_neither_an_error_nor_made_again(paths: Paths) -> None:
    open_for_reading(paths.root)
    own = of(paths)
    own.post(RUN, "taken")
    paths.root.rename(paths.root.with_name("elsewhere"))
    own.post(RUN, "alive")
    assert own.read() == []
    assert not paths.root.exists()


def test_a_notice_from_this_machine_is_noticed_without_reading_the_shared_file(paths: Paths) -> None:
    waiting, posting = of(paths), of(paths)
    assert not waiting.has_new_here()
    posting.post(RUN, "completed")
    paths.notices("toys").unlink()
    assert waiting.has_new_here()
    waiting.read()
    assert not waiting.has_new_here()
