"""Binary files of records that only grow -> their new records: TensorBoard's event files, W&B's run files."""

from __future__ import annotations

import os
import struct
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from harness.common.patience import answered
from harness.common.shared_files import SharedFile
from harness.tasks.command.files.reading import refused, unreadable

BUDGET = 1 << 20  # bytes read by one `new`, at least one record
LARGEST = 1 << 30  # bytes of a record; more: the file is damaged


class Records(ABC):
    """Follows one file. All methods raise TrainingFailed, StoreError."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.offset = 0  # of the first record that was not read
        self._state: tuple[int, ...] | None = None
        self._more = False

    def new(self, *, all_of_it: bool = False) -> Iterator[bytes]:
        """The complete records since the last call; with `all_of_it` the file is complete, and must not end inside a record."""
        try:
            status = answered(self.path, self.path.stat)
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            if state == self._state and not self._more and not all_of_it:
                return
            if status.st_size < self.offset or (self._state is not None and state[0] != self._state[0]):
                raise unreadable(f"{self.name} was written anew; the program must write to a new file instead")
            with BufferedReader(SharedFile(self.path)) as file:
                file.seek(self.offset)
                begin = self.offset
                while (record := self._next(file)) is not None:
                    self.offset = file.tell()
                    yield record
                    if not all_of_it and self.offset - begin >= BUDGET:
                        break
                self._more = record is not None
                file.seek(self.offset)
                if all_of_it and any(file.read(1 << 16)):  # zeros only fill a block
                    raise unreadable(f"{self.name} ends inside a record, at byte {self.offset}: the program must close it")
            self._state = state
        except FileNotFoundError:
            return
        except OSError as error:
            raise refused(self.name, error) from error

    @abstractmethod
    def _next(self, file: BinaryIO) -> bytes | None:
        """The record at the file's position, which moves behind it; None if it is incomplete."""

    def _damaged(self, what: str) -> Exception:
        return unreadable(f"{self.name} is damaged after byte {self.offset}: {what}")


class EventFile(Records):
    """TensorFlow's record format: length, its checksum, data, its checksum."""

    HEADER = struct.Struct("<QI")

    def _next(self, file: BinaryIO) -> bytes | None:
        header = file.read(self.HEADER.size)
        if len(header) < self.HEADER.size:
            return None
        length: int = self.HEADER.unpack(header)[0]
        if length > LARGEST:
            raise self._damaged("a record has no valid length")
        data = file.read(length + 4)
        return data[:length] if len(data) == length + 4 else None


class RunFile(Records):
    """W&B's: a header of 7 bytes, then LevelDB's log format, in which no part of a record crosses a block's end."""

    BLOCK = 1 << 15
    PART = struct.Struct("<IHB")
    FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4
    START = b":W&B"
    START_SIZE = 7

    def _next(self, file: BinaryIO) -> bytes | None:
        if file.tell() == 0:
            start = file.read(self.START_SIZE)
            if not self.START.startswith(start[:4]):
                raise self._damaged("it is not a run file of W&B")
            if len(start) < self.START_SIZE:
                return None
        parts, begun = b"", False
        while (part := self._part(file)) is not None:
            kind, data = part
            if (kind in (self.FULL, self.FIRST)) == begun:
                raise self._damaged("its records are out of order")
            parts, begun = parts + data, True
            if kind in (self.FULL, self.LAST):
                return parts
        return None

    def _part(self, file: BinaryIO) -> tuple[int, bytes] | None:
        left = self.BLOCK - file.tell() % self.BLOCK
        if left < self.PART.size:
            file.seek(left, os.SEEK_CUR)
        header = file.read(self.PART.size)
        if len(header) < self.PART.size:
            return None
        checksum, length, kind = self.PART.unpack(header)
        data = file.read(length)
        if header == bytes(self.PART.size) or len(data) < length:
            return None
        if kind not in (self.FULL, self.FIRST, self.MIDDLE, self.LAST):
            raise self._damaged(f"unknown kind of record {kind}")
        if zlib.crc32(data, zlib.crc32(bytes([kind]))) != checksum:
            raise self._damaged("a checksum is wrong")
        return kind, data
