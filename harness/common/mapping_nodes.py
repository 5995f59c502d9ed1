"""A mapping of Python values -> nodes, as `yaml_nodes` reads them from a file.

Numbers and arrays of NumPy, tuples, ranges and paths become plain values; anything else that YAML has no word for is refused with
its key.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from harness.common.yaml_nodes import MAX_DEPTH, MAX_NODES, Entry, Node, Scalar, join
from harness.errors import InputError, Position, Problem

LEAST, MOST = -(2**63), 2**63 - 1


def read_mapping(values: Mapping[Any, Any], name: str) -> Node:
    """The document that `values` would be in a file. `name` is what messages call it. Raises InputError with every problem."""
    builder = _Builder(Position(name))
    node = builder.node(values, "", 0)
    if builder.problems:
        raise InputError(builder.problems)
    return node


class _Builder:
    """Collects problems and continues."""

    def __init__(self, at: Position) -> None:
        self.at = at
        self.problems: list[Problem] = []
        self._count = 0

    def node(self, value: Any, path: str, depth: int) -> Node:
        self._count += 1
        if depth > MAX_DEPTH:  # also of a mapping that contains itself
            raise InputError([*self.problems, Problem(self.at, path, f"nested deeper than {MAX_DEPTH} levels")])
        if self._count > MAX_NODES:
            raise InputError([*self.problems, Problem(self.at, "", f"more than {MAX_NODES:,} values; expected an experiment")])
        value = _as_plain(value)
        if isinstance(value, Mapping):
            return Node(dict(self._entries(value, path, depth)), self.at, path)
        if isinstance(value, list | tuple | range):
            items = tuple(self.node(item, f"{path}[{place}]", depth + 1) for place, item in enumerate(value))
            return Node(items, self.at, path)
        return Node(self._scalar(value, path), self.at, path)

    def _entries(self, values: Mapping[Any, Any], path: str, depth: int) -> Iterator[tuple[str, Entry]]:
        seen: set[str] = set()
        for key, value in values.items():
            plain = _as_plain(key)
            if isinstance(plain, bool) or not isinstance(plain, str | int | float) or plain == "":
                self._problem(path, f"invalid key {key!r}; expected text (in YAML, put it in quotes)")
                continue
            text = str(plain)
            if text in seen:
                self._problem(join(path, text), "repeated key; use each key once")
            seen.add(text)
            yield text, Entry(self.at, self.node(value, join(path, text), depth + 1))

    def _scalar(self, value: Any, path: str) -> Scalar:
        if isinstance(value, str):
            if yaml.reader.Reader.NON_PRINTABLE.search(value) or not _is_unicode(value):
                self._problem(path, f"{value[:40]!a} contains characters that are not text")
        elif isinstance(value, int) and not LEAST <= value <= MOST:
            self._problem(path, f"{str(value)[:40]} is too large; expected a 64-bit number")
        elif value is not None and not isinstance(value, bool | int | float):
            kind = type(value).__name__
            self._problem(path, f"a value of type {kind} is not supported; use text, numbers, true or false, lists and mappings")
            return None
        scalar: Scalar = value
        return scalar

    def _problem(self, path: str, message: str) -> None:
        self.problems.append(Problem(self.at, path, message))


def _as_plain(value: Any) -> Any:
    """Values of NumPy, without importing it, and paths as plain values; others unchanged."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if type(value).__module__.partition(".")[0] == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    # Subclasses, such as text that knows its place and members of enumerations.
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, float):
        return float.__float__(value)
    return int.__int__(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    return True
