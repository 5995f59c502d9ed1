"""Protocol buffers -> their fields, without the classes of any library, so that any version of W&B can have written them."""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED_64, BYTES, FIXED_32 = 0, 1, 2, 5
FIXED = {FIXED_64: 8, FIXED_32: 4}


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: an integer, or bytes (of text, messages and fixed numbers). Raises ValueError."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if kind == BYTES:
            size, place = _varint(data, place)
        elif kind in FIXED:
            size = FIXED[kind]
        else:
            raise ValueError(f"unknown kind {kind} of a field")
        if place + size > len(data):
            raise ValueError("a field is cut off")
        yield number, data[place : place + size]
        place += size


def messages(data: bytes, wanted: int) -> Iterator[bytes]:
    """The values of a field that are bytes. Raises ValueError."""
    for number, value in fields(data):
        if number == wanted and isinstance(value, bytes):
            yield value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            raise ValueError("a number is cut off")
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise ValueError("a number is too long")
