"""Optuna's journal in a file, with a lock that does not outlive its holder, and without torn lines."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.common.patience import repeat
from harness.errors import StoreError
from harness.store.holder import Holder

POLL_S, POLL_MAX_S = 0.0005, 0.02
LOCKED_S = 10.0  # longest wait for the shared folder with the lock, which others break after GONE_S
GONE_S = 30.0  # the lock is held for milliseconds: a holder on another machine that keeps it this long is dead


class Journal:
    """The backend of `optuna.storages.JournalStorage`: one line per event."""

    def __init__(self, path: Path) -> None:
        from optuna.storages.journal import JournalFileBackend

        self.path, self._lock = path, Lock(path)
        self._file = repeat(path, lambda: JournalFileBackend(str(path), lock_obj=self._lock))  # type: ignore[arg-type]  # not public

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """See Optuna."""
        data = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        self._lock.acquire()
        try:
            end = repeat(self.path, self.path.stat).st_size
            repeat(self.path, lambda: self._append(data, end), LOCKED_S)
        finally:
            self._lock.release()

    def read_logs(self, log_number_from: int) -> Generator[dict[str, Any], None, None]:
        """See Optuna. Raises StoreError for a damaged line."""
        try:
            yield from repeat(self.path, lambda: list(self._file.read_logs(log_number_from)))
        except ValueError as error:
            raise StoreError(
                f"{self.path}: damaged: {error}; restore it from a copy, or start a new search with --replan"
            ) from error

    def _append(self, data: bytes, end: int) -> None:
        """Append `data`, unless an earlier try did whose reply was lost. `end`: the size of the file before the first try.

        Other lines after `end` are those of a worker that has broken the lock meanwhile: they stay.
        """
        with self.path.open("rb+", buffering=0) as file:
            file.seek(end)
            earlier = file.read()
            if earlier.startswith(data):
                return
            if earlier and data.startswith(earlier):
                file.truncate(end)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        try:
            remaining = memoryview(data)
            while remaining:
                remaining = remaining[os.write(descriptor, remaining) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Lock:
    """A symbolic link beside the journal that names the holder. Acquiring it removes a torn last line.

    Creating a link is atomic, also over NFS. Optuna's own lock blocks for half a minute whenever a holder is killed; this one
    detects dead processes of the same machine immediately.
    """

    def __init__(self, journal: Path) -> None:
        self.journal, self.link = journal, journal.with_name(f"{journal.name}.lock")
        self._here = Holder.here()
        self._count = 0

    @property
    def _own_entry(self) -> str:
        return f"{self._count} {self._here.model_dump_json()}"

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._count += 1
        holder, since, pause = "", time.monotonic(), POLL_S
        while not self._try_link():
            now, seen = time.monotonic(), self._holder()
            if seen != holder:
                holder, since = seen, now
            if holder and (now - since > GONE_S or _is_dead(holder, self._here)):
                self._break(holder)
                continue
            time.sleep(pause)
            pause = min(2 * pause, POLL_MAX_S)
        repeat(self.journal, self._cut_torn_line)
        return True

    def release(self) -> None:
        """Does nothing if others have broken the lock as abandoned."""
        repeat(self.link, self._remove_own)  # each try reads the holder: after a lost reply, it may be another one

    def _remove_own(self) -> None:
        if self._holder() == self._own_entry:
            self.link.unlink(missing_ok=True)

    def _try_link(self) -> bool:
        try:
            repeat(self.link, lambda: self.link.symlink_to(self._own_entry))
        except FileExistsError:
            return self._holder() == self._own_entry  # over NFS, a request may be sent twice
        return True

    def _holder(self) -> str:
        try:
            return str(repeat(self.link, self.link.readlink))
        except FileNotFoundError:
            return ""

    def _break(self, holder: str) -> None:
        # One process of a machine at a time: a second one could break the lock that the first has acquired meanwhile.
        with self.link.with_name(f"{self.link.name}.broken").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            if self._holder() == holder:
                self.link.unlink(missing_ok=True)

    def _cut_torn_line(self) -> None:
        """Remove a half-written last line: its writer died before it reported success."""
        with self.journal.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(end - 1, 0))
            if file.read(1) in (b"", b"\n"):
                return
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def _is_dead(holder: str, here: Holder) -> bool:
    try:
        return Holder.model_validate_json(holder.partition(" ")[2]).is_dead_here(here)
    except ValidationError:
        return False  # created by another program, such as optuna-dashboard
