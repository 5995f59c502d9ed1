"""A text file that grows or is rewritten -> its new rows.

Followed are programs that append, that write the whole file again after each epoch, in place or by renaming another file, and
that begin it again when they resume. What was read must still be there: else rows of two trainings would be mixed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol

from harness.common.shared_files import SharedFile
from harness.tasks.command.files.reading import Reading, refused, status_of, unreadable
from harness.tasks.protocol import TrainingFailed

CHUNK = 1 << 20  # bytes read by one `new`
LONGEST = 1 << 24  # bytes of a line
SAMPLE = 4096  # bytes at the beginning and the end of what was read, compared before more is


class Parser(Protocol):
    """Lines of a file from its first one -> rows, including those without values."""

    def line(self, text: str, number: int, *, whole: bool) -> Iterable[Reading]:
        """Read a line (from 1). The last one may lack its end (not `whole`), and may be incomplete."""


class Stream:
    """Follows one file, which may not exist yet. All methods raise TrainingFailed, StoreError.

    If an earlier attempt at the run has left it, nothing is read before the program writes to it.
    """

    def __init__(self, path: Path, name: str, parser: Callable[[], Parser], *, left: bool = False, chunk: int = CHUNK) -> None:
        self.path, self.name, self._parser, self._chunk = path, name, parser, chunk
        self._pass = _Pass(name, parser())
        self._state: tuple[int, ...] | None = None  # when it was read last
        self._more = False  # it was not read to its end
        self._doubtful = False  # `_pass` has seen lines of two versions of the file
        self._before = _Before.of(path) if left else None

    def new(self, *, abandoned: bool = False) -> list[Reading]:
        """The rows of whole lines since the last call, of about a chunk of bytes.

        `abandoned`: the program writes to another file now, so what an earlier attempt wrote to this one is read, too.
        """
        return self._read(whole=True, untouched=abandoned)

    def rest(self) -> list[Reading]:
        """All other rows; the file is complete. What was read before is compared with the file."""
        return self._read(whole=False, untouched=True)

    @property
    def has_more(self) -> bool:
        """Whether `new` has not reached the end of the file."""
        return self._more

    def _read(self, *, whole: bool, untouched: bool = False) -> list[Reading]:
        state = _state(self.path)
        if state is None or (whole and state == self._state and not self._more):
            return []
        if not untouched and self._before is not None and self._before.state == state:
            return []
        try:
            with SharedFile(self.path) as file:
                state = _of(file.status())
                found = self._rows(file, state, whole=whole)
        except FileNotFoundError:  # between two versions of it
            return []
        except OSError as error:
            raise refused(self.name, error) from error
        self._state = state
        return [row for row in found if row.values]

    def _rows(self, file: SharedFile, state: tuple[int, ...], *, whole: bool) -> list[Reading]:
        if self._before is not None:
            self._pass.seam = self._before.seam(file, state)
            self._before = None
        same_file = self._state is not None and self._state[:2] == state[:2]
        if not self._doubtful and self._pass.is_start_of(file, state[2], quickly=whole and same_file):
            reader, limit = self._pass, self._chunk if whole else None
        else:
            reader, limit = _Pass(self.name, self._parser()), None
        try:
            rows = reader.go_on(file, limit, whole=whole)
            added = rows if reader is self._pass else self._added(rows, whole=whole)
        except TrainingFailed:
            if whole and not self._is_unchanged(file, state):
                return self._doubt()
            raise
        if whole and not reader.is_start_of(file, file.status().st_size, quickly=True):
            return self._doubt()
        self._more = limit is not None and reader.offset + len(reader.rest) < state[2]
        if added is None:
            return []
        reader.count(rows)
        self._pass, self._doubtful = reader, False
        return added

    def _added(self, rows: Sequence[Reading], *, whole: bool) -> list[Reading] | None:
        """The new ones of the rows of a rewritten file; None: it is still being written."""
        if len(rows) >= self._pass.rows:
            return self._pass.added(rows)
        if whole:
            return None
        raise unreadable(f"{self.name} was rewritten with fewer rows: {self._pass.rows} were read before, now it has {len(rows)}")

    def _is_unchanged(self, file: SharedFile, state: tuple[int, ...]) -> bool:
        return _of(file.status()) == state

    def _doubt(self) -> list[Reading]:
        """The program rewrote the file while it was read: all of it is read again the next time."""
        self._doubtful = self._more = True
        return []


class _Pass:
    """One reading of a file from its beginning, and what is needed to recognise what was read."""

    def __init__(self, name: str, parser: Parser) -> None:
        self.name, self.parser = name, parser
        self.offset = 0  # of the first byte that is not part of `parser`'s lines
        self.rest = b""  # after the last line end, when it was read last
        self.rows = 0  # number of those that were counted
        self.seam: int | None = None  # where an earlier attempt was cut off inside a line
        self._line = 0
        self._bytes = hashlib.blake2b()  # of everything before `offset`
        self._start = self._end = b""
        self._digest = hashlib.blake2b()  # of all rows but the last, which may get more values
        self._last: Reading | None = None

    def is_start_of(self, file: SharedFile, size: int, *, quickly: bool) -> bool:
        """Whether the file still begins with what was read; quickly: by samples."""
        if size < self.offset:
            return False
        if quickly:
            file.seek(0)
            start = _exactly(file, len(self._start))
            file.seek(self.offset - len(self._end))
            return start == self._start and _exactly(file, len(self._end)) == self._end
        file.seek(0)
        found, left = hashlib.blake2b(), self.offset
        while left and (data := file.read(min(CHUNK, left))):
            found.update(data)
            left -= len(data)
        return not left and found.digest() == self._bytes.digest()

    def go_on(self, file: SharedFile, limit: int | None, *, whole: bool) -> list[Reading]:
        """The rows after `offset`, of about `limit` bytes, not counted yet."""
        rows: list[Reading] = []
        file.seek(self.offset)
        self.rest, done = b"", 0
        while data := file.read(CHUNK if limit is None else min(CHUNK, limit)):
            done += len(data)
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                self._line += 1
                rows += self.parser.line(self._text(line), self._line, whole=True)
                self.offset += len(line) + 1
            if lines:
                self._remember(b"\n".join([*lines, b""]))
            if len(self.rest) > LONGEST:
                raise unreadable(f"{self.name}, line {self._line + 1}: is longer than {LONGEST >> 20} MiB")
            if limit is not None and done >= limit and lines:
                break
        if not whole:
            rows += self.parser.line(self._text(self.rest), self._line + 1, whole=False)
        return rows

    def count(self, rows: Sequence[Reading]) -> None:
        """Remember what the rows were."""
        for row in rows:
            if self._last is not None:
                self._digest.update(_printed(self._last))
            self._last = row
        self.rows += len(rows)

    def added(self, rows: Sequence[Reading]) -> list[Reading]:
        """The new ones of all rows of a rewritten file. Raises TrainingFailed if the earlier ones are not those read before."""
        if self._last is None:
            return list(rows)
        known = hashlib.blake2b()
        for row in rows[: self.rows - 1]:
            known.update(_printed(row))
        last = rows[self.rows - 1]
        filled = {name: value for name, value in last.values.items() if name not in self._last.values}
        kept = {name: value for name, value in last.values.items() if name not in filled}
        same = known.digest() == self._digest.digest() and _printed(Reading(last.step, kept)) == _printed(self._last)
        if not same:
            raise unreadable(
                f"{self.name} was rewritten with other rows: of the {self.rows} read before some have changed;"
                " the program must not change rows that it has written"
            )
        return [Reading(last.step, filled), *rows[self.rows :]]

    def _text(self, line: bytes) -> str:
        if self.seam is not None and self.offset < self.seam < self.offset + len(line):
            line = line[self.seam - self.offset :]
        return line.removesuffix(b"\r").decode(errors="backslashreplace")

    def _remember(self, data: bytes) -> None:
        self._bytes.update(data)
        self._start = (self._start + data[:SAMPLE])[:SAMPLE]
        self._end = (self._end + data[-SAMPLE:])[-SAMPLE:]


class _Before:
    """A file as an earlier attempt left it."""

    def __init__(self, state: tuple[int, ...], end: bytes) -> None:
        self.state, self._end = state, end

    @classmethod
    def of(cls, path: Path) -> _Before | None:
        """None: there is no such file, or it cannot be read."""
        try:
            with SharedFile(path) as file:
                state = _of(file.status())
                file.seek(max(0, state[2] - SAMPLE))
                return cls(state, _exactly(file, SAMPLE))
        except OSError:
            return None

    def seam(self, file: SharedFile, state: tuple[int, ...]) -> int | None:
        """The size of the file then, if its last line was cut off and the program has appended to it."""
        size = self.state[2]
        if self._end.endswith(b"\n") or not self._end or state[:2] != self.state[:2] or state[2] <= size:
            return None
        file.seek(size - len(self._end))
        return size if _exactly(file, len(self._end)) == self._end else None


def _state(path: Path) -> tuple[int, ...] | None:
    status = status_of(path)
    return None if status is None else _of(status)


def _of(status: os.stat_result) -> tuple[int, ...]:
    """What changes when a file does: device, inode, size, time."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _exactly(file: SharedFile, count: int) -> bytes:
    """Up to `count` bytes; fewer only at the end of the file."""
    found = b""
    while len(found) < count and (data := file.read(count - len(found))):
        found += data
    return found


def _printed(row: Reading) -> bytes:
    return f"{row.step} {sorted(row.values.items())!r}\n".encode()
