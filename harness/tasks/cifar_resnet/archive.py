"""Reads tar files in one pass and in memory; nothing is extracted, unsafe or damaged archives raise DataError."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, Protocol, cast

from harness.errors import DataError

LARGEST_FILE = 256 * 2**20  # bytes; no image is larger
LARGEST_EXPANSION = 200  # images hardly compress: tars of tiny images, mostly padding, reach 10
EXPANSION_FROM = 64 * 2**20  # bytes; smaller archives are harmless
CHUNK = 2**20
BLOCK = 512  # of a tar

_DAMAGE = (tarfile.TarError, EOFError, lzma.LZMAError, zlib.error, OSError, ValueError)


class Digest(Protocol):
    """A hash object of hashlib."""

    def update(self, data: bytes, /) -> object: ...


@dataclass(frozen=True)
class ArchiveMember:
    """A file of the archive with its bytes, or a folder (`data` is None). `name` has no leading `./` and no trailing `/`."""

    name: str
    data: bytes | None


def read_tar(path: Path, digest: Digest) -> Iterator[ArchiveMember]:
    """Every file and folder of a tar (plain, gzip, xz or bzip2), in the archive's order.

    `digest` is fed the archive's own bytes and is complete once the iteration has ended.
    Raises DataError when the archive cannot be read, is cut short or damaged, contains links, devices or paths that leave it,
    or expands too much.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    with raw:
        packed = _Packed(raw, digest)
        content = _Content(path, _decompressed(raw, packed), packed)
        last = "the beginning"
        try:
            end = 0
            with tarfile.open(fileobj=cast(IO[bytes], content), mode="r|") as tar:
                for member in tar:
                    last = repr(member.name)
                    yield ArchiveMember(_safe_name(path, member), _data(path, tar, member))
                    end = member.offset_data + -(-member.size // BLOCK) * BLOCK
            while content.read(CHUNK):
                pass
            while packed.read(CHUNK):
                pass
        except _DAMAGE as error:
            raise DataError(f"{path}: not a tar file, damaged or truncated, at {last}: {error}; download it again") from error
        # tarfile takes an unreadable header or a missing end for the end of the archive
        if content.written > end or content.count < end + BLOCK:
            raise DataError(f"{path}: damaged or truncated after {last}; download it again")


class _Packed:
    """The archive's bytes before decompression: hashed and counted."""

    def __init__(self, raw: BinaryIO, digest: Digest) -> None:
        self._raw, self._digest = raw, digest
        self.count = 0

    def read(self, size: int = -1) -> bytes:
        data = self._raw.read(size)
        self._digest.update(data)
        self.count += len(data)
        return data


class _Content:
    """The decompressed bytes: counted, with the position of the last non-zero byte, and limited in size."""

    def __init__(self, path: Path, unpacked: Any, packed: _Packed) -> None:
        self._path, self._unpacked, self._packed = path, unpacked, packed
        self.count = 0
        self.written = 0

    def read(self, size: int = -1) -> bytes:
        data: bytes = self._unpacked.read(size)
        if trimmed := data.rstrip(b"\0"):
            self.written = self.count + len(trimmed)
        self.count += len(data)
        if self.count > max(EXPANSION_FROM, LARGEST_EXPANSION * self._packed.count):
            raise DataError(
                f"{self._path}: expands to over {LARGEST_EXPANSION} times its size, which images do not; use another archive"
            )
        return data


def _decompressed(raw: BinaryIO, packed: _Packed) -> Any:
    start = raw.read(6)
    raw.seek(0)
    source = cast(IO[bytes], packed)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=source)
    if start == b"\xfd7zXZ\0":
        return lzma.LZMAFile(source)
    if start.startswith(b"BZh"):
        return bz2.BZ2File(source)
    return packed


def _safe_name(path: Path, member: tarfile.TarInfo) -> str:
    parts = [part for part in member.name.split("/") if part not in ("", ".")]
    if member.name.startswith("/") or ".." in parts:
        raise DataError(f"{path}: member {member.name!r} leaves the archive; use an archive with relative paths")
    if not (member.isreg() or member.isdir()) or member.issparse():
        raise DataError(f"{path}: member {member.name!r} is a link, a device or sparse; use plain files and folders only")
    if member.size > LARGEST_FILE:
        raise DataError(f"{path}: member {member.name!r} has {member.size:,} bytes; must be at most {LARGEST_FILE:,}")
    return "/".join(parts)


def _data(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    file = tar.extractfile(member)
    if file is None:
        return None
    data = file.read()
    if len(data) != member.size:
        raise DataError(f"{path}: truncated in {member.name!r}; download it again")
    return data
