"""Appending to the journal of a search: each line once, whatever replies are lost, and no line of another worker lost."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.search.journal import Journal

LINE = b'{"op":1}\n'


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    found = Journal(tmp_path / "journal.log")
    found.append_logs([{"op": 0}])
    return found


def once(monkeypatch: pytest.MonkeyPatch, name: str, before: Callable[..., object]) -> None:
    """The next call of `os.<name>` calls `before` with its arguments, then fails as a shared folder does."""
    whole = getattr(os, name)

    def fails(*arguments: object, **_: object) -> object:
        monkeypatch.setattr(os, name, whole)
        before(*arguments)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, name, fails)


def test_a_line_whose_reply_was_lost_is_there_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    once(monkeypatch, "fsync", lambda _: None)
    journal.append_logs([{"op": 1}])
    assert journal.path.read_bytes() == b'{"op":0}\n' + LINE


def test_half_a_line_of_a_failed_try_is_replaced(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    once(monkeypatch, "write", lambda descriptor, data: write(descriptor, bytes(data)[:4]))
    journal.append_logs([{"op": 1}])
    assert journal.path.read_bytes() == b'{"op":0}\n' + LINE


def test_lines_of_a_worker_that_broke_the_lock_stay(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """This one slept with the lock for so long that it counts as dead."""
    append = journal._append

    def late(data: bytes, end: int) -> None:
        journal.path.write_bytes(journal.path.read_bytes() + b'{"op":2}\n')
        append(data, end)

    monkeypatch.setattr(journal, "_append", late)
    journal.append_logs([{"op": 1}])
    assert journal.path.read_bytes() == b'{"op":0}\n{"op":2}\n' + LINE


def test_a_lock_that_another_worker_took_after_a_lost_reply_is_left_to_it(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = journal._lock.link

    def removed_then_taken(*_: object) -> None:
        link.rename(link.with_name("removed"))
        link.symlink_to("1 another")

    assert journal._lock.acquire()
    once(monkeypatch, "unlink", removed_then_taken)
    journal._lock.release()
    assert str(link.readlink()) == "1 another"
