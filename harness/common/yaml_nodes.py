"""YAML -> values with their file, line, column and path.

Scalars follow the YAML 1.2 core schema (`1e-3` is a number; `off`, `1_000`, `1:30` are text; `010` is ten). Repeated keys, tags,
merge keys and several documents are errors, the expansion of aliases is limited, and any bytes give a `Node` or an `InputError`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import yaml
from yaml.events import (
    AliasEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from harness.common.near_names import files_near, meant
from harness.errors import InputError, Position, Problem

MAX_BYTES = 256 * 1024  # an experiment is a few KiB; PyYAML reads about 150 KiB a second
MAX_DEPTH = 40
MAX_NODES = 20_000  # with aliases expanded

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Node:
    """A value with the place it was read from; `value` is a scalar, a tuple of nodes, or a mapping of entries.

    `written`: the characters of a scalar in the file, where they are not its value: `3.10`, which is the number 3.1.
    """

    value: Scalar | tuple[Node, ...] | Mapping[str, Entry]
    at: Position
    path: str
    written: str | None = field(default=None, compare=False)

    @property
    def entries(self) -> Mapping[str, Entry]:
        """The entries of a mapping; empty for anything else."""
        return self.value if isinstance(self.value, Mapping) else {}

    def get(self, key: str) -> Node | None:
        """The value under `key`; None if this is not a mapping or lacks the key."""
        entry = self.entries.get(key)
        return entry.node if entry else None


@dataclass(frozen=True)
class Entry:
    """An entry of a mapping: the position of its key, and its value."""

    key_at: Position
    node: Node


def read_file(path: Path) -> Node:
    """The YAML document in a file. Raises InputError when it cannot be read or is not valid."""
    try:
        if not path.is_file():
            close = files_near(path, "*.y*ml")
            raise InputError(
                [Problem(Position(str(path)), "", "; ".join(["file not found", *([meant(close)] if close else [])]))]
            )
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError, RuntimeError) as error:  # invalid file name; circular links
        what = error.strerror if isinstance(error, OSError) else error
        raise InputError([Problem(Position(str(path)), "", f"cannot be read: {what}")]) from error
    return read_bytes(content, str(path))


def read_bytes(content: bytes, file: str) -> Node:
    """The YAML document in UTF-8 bytes; `file` is what messages call it. Raises InputError."""
    if len(content) > MAX_BYTES:
        message = f"larger than {MAX_BYTES // 1024} KiB; expected an experiment file, not data"
        raise InputError([Problem(Position(file), "", message)])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = _position_in(content[: error.start].decode("utf-8", "replace"), file)
        raise InputError([Problem(at, "", f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8")]) from error
    return read_text(text, file)


def read_text(text: str, file: str) -> Node:
    """The one YAML document in `text`. Raises InputError with every problem found."""
    unprintable = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if unprintable:
        at = _position_in(text[: unprintable.start()], file)
        raise InputError([Problem(at, "", f"character U+{ord(unprintable.group()):04X} is not allowed in YAML")])
    builder = _Builder(file)
    try:
        node = builder.document(yaml.parse(text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = Position(file, mark.line + 1, mark.column + 1) if mark else Position(file)
        what = " ".join(part for part in (error.context, error.problem) if part)
        raise InputError([*builder.problems, Problem(at, "", f"not valid YAML: {what}")]) from error
    # chr() and int() in PyYAML raise these on invalid escapes and directives.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise InputError([*builder.problems, Problem(Position(file), "", f"not valid YAML: {error}")]) from error
    if builder.problems:
        raise InputError(builder.problems)
    return node


def read_value(text: str, file: str, path: str) -> Node:
    """The value of a command-line setting such as `training.epochs=2`: a scalar, or YAML in flow style."""
    try:
        return _relocated(read_text(text, file), path, Position(file))
    except InputError as error:
        raise InputError([Problem(Position(file), path, problem.message) for problem in error.problems]) from error


def plain(node: Node) -> Any:
    """The bare value: scalars, tuples and dicts."""
    if isinstance(node.value, tuple):
        return tuple(plain(item) for item in node.value)
    if isinstance(node.value, Mapping):
        return {key: plain(entry.node) for key, entry in node.value.items()}
    return node.value


def from_plain(value: Any, at: Position, path: str = "") -> Node:
    """A node for values that were not read from a file (defaults of a configuration)."""
    if isinstance(value, Mapping):
        entries = {key: Entry(at, from_plain(item, at, join(path, key))) for key, item in value.items()}
        return Node(entries, at, path)
    if isinstance(value, list | tuple):
        return Node(tuple(from_plain(item, at, f"{path}[{index}]") for index, item in enumerate(value)), at, path)
    return Node(value, at, path)


def join(path: str, key: str) -> str:
    """`path.key`, with unprintable keys escaped."""
    shown = key if key.isprintable() else ascii(key)
    return f"{path}.{shown}" if path else shown


class _Builder:
    """Events -> nodes, by recursive descent within MAX_DEPTH; collects problems that do not stop the reading."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.count = 0

    def document(self, events: Iterator[Event]) -> Node:
        node = Node(None, Position(self.file, 1, 1), "")
        documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    self._stop(event, "", "a second document; use one document per file")
                node = self._node(next(events), events, "", 0)
            elif isinstance(event, StreamEndEvent):
                break
        return node

    def _node(self, event: Event, events: Iterator[Event], path: str, depth: int) -> Node:
        self._count(1, event, path)
        if depth > MAX_DEPTH:
            self._stop(event, path, f"nested deeper than {MAX_DEPTH} levels")
        if isinstance(event, AliasEvent):
            return self._alias(event, path)
        assert isinstance(event, CollectionStartEvent | ScalarEvent)  # YAML's grammar: nothing else starts a value
        if event.tag is not None:
            self._problem(
                event, path, f"tag {event.tag!r} is not supported; use a plain value (quote text that looks like a number)"
            )
        if isinstance(event, MappingStartEvent):
            node = self._mapping(event, events, path, depth)
        elif isinstance(event, SequenceStartEvent):
            items: list[Node] = []
            while not isinstance(following := next(events), SequenceEndEvent):
                items.append(self._node(following, events, f"{path}[{len(items)}]", depth + 1))
            node = Node(tuple(items), self._at(event), path)
        else:
            assert isinstance(event, ScalarEvent)  # likewise
            value = self._scalar(event, path)
            node = Node(value, self._at(event), path, None if isinstance(value, str) else event.value)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _mapping(self, event: Event, events: Iterator[Event], path: str, depth: int) -> Node:
        entries: dict[str, Entry] = {}
        while not isinstance(following := next(events), MappingEndEvent):
            if not isinstance(following, ScalarEvent) or following.tag is not None:
                self._stop(following, path, "invalid key; expected text")
            key, key_at = _paired(following.value) or "", self._at(following)
            key_path = join(path, key)
            node = self._node(next(events), events, key_path, depth + 1)
            if key in entries:
                first = entries[key].key_at
                self._problem(following, key_path, f"repeated key, first at line {first.line}; use each key once")
            elif key == "<<" and following.style is None:
                self._problem(following, key_path, "merge keys are not supported; use extends, or repeat the keys")
            elif not key:
                self._problem(following, key_path, f"invalid key {following.value!a}; expected text")
            else:
                entries[key] = Entry(key_at, node)
        return Node(entries, self._at(event), path)

    def _alias(self, event: AliasEvent, path: str) -> Node:
        target = self.anchors.get(event.anchor or "")
        if target is None:
            self._stop(event, path, f"alias *{event.anchor} has no anchor above it")
        self._count(_size(target), event, path)
        return _relocated(target, path)

    def _scalar(self, event: ScalarEvent, path: str) -> Scalar:
        text = _paired(event.value)
        if text is None:
            self._problem(event, path, f"{event.value!a} contains half a surrogate pair; expected Unicode text")
            return None
        if event.style is not None:
            return text
        for pattern, read in _CORE:
            if pattern.fullmatch(text):
                value = read(text)
                if value is _TOO_LARGE:
                    self._problem(event, path, f"{text[:40]} is too large; expected a 64-bit number")
                    return None
                return value
        return text

    def _count(self, nodes: int, event: Event, path: str) -> None:
        self.count += nodes
        if self.count > MAX_NODES:
            self._stop(event, path, f"more than {MAX_NODES:,} values (aliases expanded); expected an experiment file, not data")

    def _problem(self, event: Event, path: str, message: str) -> None:
        self.problems.append(Problem(self._at(event), path, message))

    def _stop(self, event: Event, path: str, message: str) -> NoReturn:
        raise InputError([*self.problems, Problem(self._at(event), path, message)])

    def _at(self, event: Event) -> Position:
        mark = event.start_mark
        return Position(self.file, mark.line + 1, mark.column + 1) if mark else Position(self.file)


_TOO_LARGE = object()


def _integer(text: str) -> Any:
    if len(text) > 25:
        return _TOO_LARGE
    value = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
    return value if -(2**63) <= value < 2**63 else _TOO_LARGE


def _float(text: str) -> Any:
    value = float(text)
    return _TOO_LARGE if value in (float("inf"), float("-inf")) else value


_CORE = (
    (re.compile(r"|~|null|Null|NULL"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII), _integer),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII), _float),
    (re.compile(r"[-+]?\.(inf|Inf|INF)"), lambda text: float(text.replace(".", "").lower())),
    (re.compile(r"\.(nan|NaN|NAN)"), lambda _: float("nan")),
)


def _paired(text: str) -> str | None:
    """`text` with surrogate pairs (from JSON escapes) joined to characters; None for half a pair."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return None


def _position_in(text_before: str, file: str) -> Position:
    line_start = text_before.rfind("\n") + 1
    return Position(file, text_before.count("\n") + 1, len(text_before) - line_start + 1)


def _size(node: Node) -> int:
    if isinstance(node.value, tuple):
        return 1 + sum(_size(item) for item in node.value)
    return 1 + sum(_size(entry.node) for entry in node.entries.values())


def _relocated(node: Node, path: str, at: Position | None = None) -> Node:
    """The same value at another path; with `at`, at another place in another text."""
    place = at or node.at
    if isinstance(node.value, tuple):
        return Node(tuple(_relocated(item, f"{path}[{index}]", at) for index, item in enumerate(node.value)), place, path)
    if isinstance(node.value, Mapping):
        entries = {
            key: Entry(at or entry.key_at, _relocated(entry.node, join(path, key), at)) for key, entry in node.value.items()
        }
        return Node(entries, place, path)
    return replace(node, at=place, path=path)
