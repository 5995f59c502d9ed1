"""Notices: what workers of a plan do, as short lines in one file that all of them read. Only hints: any of them may be lost.

Without them a worker would have to look at every run to learn what changed. A notice decides nothing: who trains a run is
decided by its lease, and whether it has finished by its result. Lines of two machines may overwrite each other, the file may be
removed or emptied at any time, and a shared file system may show it late.

On one machine, the time of a second, empty file in its temporary folder (the marker) shows that there is something new:
checking it costs the shared file system nothing.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from harness.common.results_root import may_be_away
from harness.store.paths import Paths

Word = Literal["taken", "alive", "left", "completed", "diverged", "failed"]
LINE = re.compile(rf"^([0-9a-f]{{12}}) ({'|'.join(get_args(Word))}) ([0-9a-f]{{8}})$".encode(), re.MULTILINE)
LARGEST_BYTES = 4 * 2**20  # a larger file is emptied: 100,000 lines


@dataclass(frozen=True)
class Notice:
    """A run was taken, is being trained, was left without a result, or has ended; by a worker on the machine with this mark."""

    run_id: str
    word: Word
    machine: str


class Notices:
    """The notices about the runs of one plan, of which each is read once, from now on. `machine`: as in `store.holder.Holder`."""

    def __init__(self, paths: Paths, plan: str, machine: str) -> None:
        self.path = paths.notices(plan)
        self.here = _digest(machine)
        self._marker = _marker_folder() / _digest(str(self.path.absolute()))
        self._offset = self._size()
        self._seen = self._marker_time()

    def post(self, run_id: str, word: Word) -> None:
        """Add a notice. Failures are ignored."""
        line = f"{run_id} {word} {self.here}\n".encode()
        with suppress(OSError):
            try:
                self._append(line)
            except FileNotFoundError:
                if not may_be_away(self.path):  # else a bare mount point
                    self.path.parent.mkdir(exist_ok=True)
                    self._append(line)
        if word == "alive":
            return  # nobody waits for it
        with suppress(OSError):
            try:
                self._mark()
            except FileNotFoundError:
                self._marker.parent.mkdir(mode=0o700, exist_ok=True)
                self._marker.touch(mode=0o600)
                self._mark()

    def read(self) -> list[Notice]:
        """The notices since the last call, those of this process included; none if they cannot be read."""
        self._seen = self._marker_time()
        size = self._size()
        if size == self._offset:
            return []
        if size < self._offset:  # emptied
            self._offset = 0
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                data = os.pread(descriptor, size - self._offset, self._offset)
            finally:
                os.close(descriptor)
        except OSError:
            return []
        data = data[: data.rfind(b"\n") + 1]  # a line that is being written is read next time
        self._offset += len(data)
        return [Notice(found[1].decode(), cast(Word, found[2].decode()), found[3].decode()) for found in LINE.finditer(data)]

    def has_new_here(self) -> bool:
        """Whether a worker on this machine has posted since the last `read`."""
        return self._marker_time() != self._seen

    def _mark(self) -> None:
        os.utime(self._marker, ns=(time.time_ns(), time.time_ns()))  # touch is only as exact as the kernel's tick

    def _append(self, line: bytes) -> None:
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            if self._offset > LARGEST_BYTES:
                os.ftruncate(descriptor, 0)
            os.write(descriptor, line)
        finally:
            os.close(descriptor)

    def _size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def _marker_time(self) -> int:
        try:
            return self._marker.stat().st_mtime_ns
        except OSError:
            return 0


def _digest(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:8]


def _marker_folder() -> Path:
    return Path(tempfile.gettempdir()) / f"harness-{os.getuid()}"
