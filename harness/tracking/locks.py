"""Run ids -> locks, so that one process at a time delivers a run to W&B."""

from __future__ import annotations

import fcntl
from typing import IO

from harness.errors import StoreError
from harness.store import atomic
from harness.store.paths import Paths


class RunLocks:
    """Locks on runs that are being delivered: byte locks on one file, released when the process ends."""

    def __init__(self, paths: Paths) -> None:
        self._path = paths.wandb / "runs.lock"
        self._file: IO[bytes] | None = None
        self._held: set[str] = set()

    def take(self, run_id: str) -> bool:
        """False: another process holds it. Always true on a file system without locks. `run_id`: 12 hex digits."""
        try:
            if self._file is None:
                atomic.make_folder(self._path.parent)
                self._file = self._path.open("ab")
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, int(run_id, 16))
            self._held.add(run_id)
        except (BlockingIOError, PermissionError):
            self.release(run_id)
            return False
        except (OSError, StoreError):
            self.release(run_id)
        return True

    def release(self, run_id: str) -> None:
        """Release the lock, if held."""
        self._held.discard(run_id)
        if self._file is not None and self._held:
            fcntl.lockf(self._file, fcntl.LOCK_UN, 1, int(run_id, 16))
        elif self._file is not None:
            self._file.close()
            self._file = None
