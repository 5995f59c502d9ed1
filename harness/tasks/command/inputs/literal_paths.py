"""A Python expression -> the path that it gives, if it is literal enough: strings, `__file__`, os.path and pathlib."""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SAME = frozenset({"Path", "PurePath", "str", "fspath", "abspath", "realpath", "normpath", "expanduser", "resolve", "absolute"})
SAME_METHODS = SAME | {"as_posix"}
DEEPEST = 30  # of nested expressions


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: the file, the working directory, and the module's names that are assigned once."""

    file: Path
    directory: Path
    names: Mapping[str, ast.expr]

    def path(self, node: ast.expr | None, depth: int = 0) -> str | None:
        """The path as text; None if it is not known before the program runs."""
        if depth > DEEPEST or node is None:
            return None

        def inner(part: ast.expr) -> str | None:
            return self.path(part, depth + 1)

        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id="__file__"):
                return str(self.file)
            case ast.Name(id=name) if name in self.names:
                return inner(self.names[name])
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return _joined("/", inner(left), inner(right))
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return _joined("", inner(left), inner(right))
            case ast.JoinedStr(values=parts):
                return _joined("", *map(inner, parts))
            case ast.FormattedValue(value=value, conversion=-1, format_spec=None):
                return inner(value)
            case ast.Attribute(value=value, attr="parent"):
                return _above(inner(value))
            case ast.Subscript(value=ast.Attribute(value=value, attr="parents"), slice=ast.Constant(value=int(number))):
                found = inner(value)
                for _ in range(min(number, DEEPEST) + 1):
                    found = _above(found)
                return found
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments):
                return self._call(name, node.func, [inner(each) for each in arguments], depth)
        return None

    def _call(self, name: str, function: ast.expr, arguments: list[str | None], depth: int) -> str | None:
        if name in ("getcwd", "cwd"):
            return str(self.directory)
        if name == "dirname":
            return _above(arguments[0]) if arguments else None
        if name == "join":
            return _joined("/", *arguments)
        if name in SAME and arguments:
            return _joined("/", *arguments)
        owner = self.path(function.value, depth + 1) if isinstance(function, ast.Attribute) else None
        if name == "joinpath":
            return _joined("/", owner, *arguments)
        return owner if name in SAME_METHODS and not arguments else None


def _joined(between: str, *parts: str | None) -> str | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts) or not known:
        return None
    return os.path.join(*known) if between else "".join(known)  # noqa: PTH118 - on text, as the program does


def _above(text: str | None) -> str | None:
    return None if text is None else os.path.dirname(text)  # noqa: PTH120
