import errno
import os
import subprocess
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from harness.common import patience
from harness.errors import StoreError
from harness.store import atomic


class Note(BaseModel):
    schema_version: Literal[1] = Field(1, alias="schema")
    text: str


@dataclass
class LaterHolder:
    """A fence that was taken over before its first check, as for a paused writer."""

    folder: os.PathLike
    number: int = 3
    checks: list[str] = field(default_factory=list)

    def check(self):
        self.checks.append("check")
        atomic.remove_temporaries(self.folder, atomic.names(self.folder), below=4)
        if len(self.checks) > 1:
            raise PermissionError("taken over")


@dataclass(frozen=True)
class Fence:
    number: int

    def check(self):
        """No other holder."""


def full_disk(_descriptor, _data):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_file_is_replaced_atomically_without_leftovers(tmp_path):
    path = tmp_path / "a.txt"
    atomic.write_text(path, "long before")
    atomic.write_text(path, "after")
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_short_writes_are_continued(tmp_path):
    atomic.write_bytes(tmp_path / "a", b"0123456789", write=lambda descriptor, data: os.write(descriptor, data[:3]))
    assert (tmp_path / "a").read_bytes() == b"0123456789"


def test_a_full_disk_leaves_the_old_file_and_no_temporary(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(StoreError, match="the disk is full; free some space"):
        atomic.write_bytes(path, b"new", write=full_disk)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_full_file_system_gives_an_error_with_advice(tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)], capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"no tmpfs here: {mounted.stderr.decode()}")
    try:
        atomic.write_bytes(tmp_path / "a", b"small")
        with pytest.raises(StoreError, match=r"a: cannot be written: No space left on device: the disk is full"):
            atomic.write_bytes(tmp_path / "a", bytes(200_000))
        assert (tmp_path / "a").read_bytes() == b"small"
        assert [path.name for path in tmp_path.iterdir()] == ["a"]
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_publishing_twice_keeps_the_first(tmp_path):
    path = tmp_path / "result.json"
    assert atomic.publish(path, b"first") is True
    assert atomic.publish(path, b"second") is False
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_was_replaced_after_its_check_changes_nothing(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"the new holder's")
    with pytest.raises(PermissionError, match="taken over"):
        atomic.write_bytes(path, b"the old holder's", LaterHolder(tmp_path))
    assert path.read_bytes() == b"the new holder's"
    assert list(tmp_path.iterdir()) == [path]


def test_only_temporaries_of_earlier_holders_are_removed(tmp_path):
    for number in (2, 3):
        (tmp_path / f".checkpoint.pt.{number}.0123456789abcdef.tmp").touch()
    (tmp_path / ".unlike.tmp").touch()
    atomic.remove_temporaries(tmp_path, atomic.names(tmp_path), below=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".checkpoint.pt.3.0123456789abcdef.tmp", ".unlike.tmp"]


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path):
    (tmp_path / "run").touch()
    with pytest.raises(StoreError, match=r"run: cannot be read: Not a directory"):
        atomic.names(tmp_path / "run")


def test_a_missing_folder_is_reported_with_the_path(tmp_path):
    with pytest.raises(StoreError, match=r"nowhere/a: cannot be written: No such file"):
        atomic.write_text(tmp_path / "nowhere" / "a", "text", Fence(1))


def test_nan_is_rejected_rather_than_written_as_invalid_json(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        atomic.write_json(tmp_path / "a", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b'{"schema": 1, "te', b"[]", b'{"schema": 1}', b"\xff\xfe"])
def test_damaged_json_gives_an_error_with_path_and_advice(tmp_path, content):
    path = tmp_path / "note.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"note.json: damaged .*restore it from a copy"):
        atomic.read_json(path, Note)


def test_json_of_a_newer_version_is_not_called_damaged(tmp_path):
    path = tmp_path / "note.json"
    path.write_text('{"schema": 2, "words": ["a"]}')
    with pytest.raises(StoreError, match=r"newer version \(schema 2, this one reads 1\)"):
        atomic.read_json(path, Note)


@pytest.mark.parametrize(("number", "times"), [(errno.ESTALE, 1), (errno.ESTALE, 2), (errno.EIO, 3)])
def test_a_read_is_repeated_while_the_folder_does_not_respond(tmp_path, monkeypatch, number, times):
    path = tmp_path / "note.json"
    path.write_text('{"schema": 1, "text": "there"}')
    calls, whole = count(1), os.read

    def read(descriptor, size):
        if next(calls) <= times:
            raise OSError(number, os.strerror(number))
        return whole(descriptor, size)

    monkeypatch.setattr(os, "read", read)
    assert atomic.read_json(path, Note).text == "there"
    calls = count(-100)
    with patience.waiting_up_to(0.0), pytest.raises(StoreError, match="does not respond"):
        atomic.read_json(path, Note)
