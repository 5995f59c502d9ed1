"""Dotted keys in JSON: `eval.acc`, `log_history.-1.loss`, `log_history.*.eval_loss`, `results.arc_easy.acc,none`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.tasks.command.files.reading import Reading, unreadable
from harness.tasks.command.files.steps import step_name, whole_step
from harness.tasks.command.reading.numbers import Decimal, number

INDEX = re.compile(r"-?[0-9]+")
EACH = "*"  # every element of a list


@dataclass(frozen=True)
class Found:
    """A value: the numbers of the elements that * stood for, its path, and the innermost of these elements (or the document)."""

    elements: tuple[int, ...]
    path: tuple[str | int, ...]
    value: Any
    inside: Any


def find(document: Any, key: str) -> Iterator[Found]:
    """Every value at a key; keys of objects may contain dots."""

    def search(node: Any, parts: Sequence[str], found: Found) -> Iterator[Found]:
        if not parts:
            yield Found(found.elements, found.path, node, found.inside)
        elif isinstance(node, dict):
            for count in range(1, len(parts) + 1):
                if (name := ".".join(parts[:count])) in node:
                    yield from search(node[name], parts[count:], Found(found.elements, (*found.path, name), None, found.inside))
        elif isinstance(node, list) and parts[0] == EACH:
            for place, element in enumerate(node):
                inner = Found((*found.elements, place), (*found.path, place), None, element)
                yield from search(element, parts[1:], inner)
        elif isinstance(node, list) and INDEX.fullmatch(parts[0]) and -len(node) <= int(parts[0]) < len(node):
            place = int(parts[0]) % len(node)
            yield from search(node[place], parts[1:], Found(found.elements, (*found.path, place), None, found.inside))

    return search(document, key.split("."), Found((), (), None, document))


def readings(
    document: Any, keys: Mapping[str, str], *, step: str | None, decimal: Decimal | None, where: str, guess_step: bool
) -> list[Reading]:
    """What a document holds, a reading for each element that * stands for; null is not measured.

    Without `step` the step of an element is found by its name, that of a document only if `guess_step`. Raises TrainingFailed.
    """
    values: dict[tuple[int, ...], dict[str, float]] = {}
    inside: dict[tuple[int, ...], Any] = {}
    for metric, key in keys.items():
        paths: dict[tuple[int, ...], tuple[str | int, ...]] = {}
        for found in find(document, key):
            if (other := paths.setdefault(found.elements, found.path)) != found.path:
                raise unreadable(f"{where}: the key {key!r} is ambiguous: {_path(other)} and {_path(found.path)}; rename one")
            inside[found.elements] = found.inside
            if found.value is not None:
                values.setdefault(found.elements, {})[metric] = as_number(found.value, decimal, where, key)
    return [
        Reading(_step(inside[elements], step, where, guess=guess_step or bool(elements)), values[elements])
        for elements in sorted(values)
    ]


def as_number(value: Any, decimal: Decimal | None, where: str, key: str) -> float:
    """A JSON value as a number, which may be written as text. Raises TrainingFailed."""
    try:
        if isinstance(value, str):
            return number(value, decimal)
        if type(value) in (int, float):
            return float(value)
    except (ValueError, OverflowError) as error:
        raise unreadable(f"{where}: {key}: {error}") from error
    hint = f"; use {key}.{EACH} for all, {key}.-1 for the last" if isinstance(value, list) else ""
    raise unreadable(f"{where}: {key} is {json.dumps(value)[:60]}, which is not a number{hint}")


def names(document: Any) -> list[str]:
    """The keys of all numbers in a document, with * for the elements of lists."""

    def search(node: Any, path: str) -> Iterator[str]:
        if isinstance(node, dict):
            for name, inner in node.items():
                yield from search(inner, f"{path}.{name}" if path else name)
        elif isinstance(node, list):
            for inner in node[:1000]:
                yield from search(inner, f"{path}.{EACH}" if path else EACH)
        elif type(node) in (int, float):
            yield path

    return list(dict.fromkeys(search(document, "")))


def _step(inside: Any, step: str | None, where: str, *, guess: bool) -> int | None:
    if not isinstance(inside, dict):
        return None
    name = step if step is not None else step_name(inside) if guess else None
    if name is None:
        return None
    found = [item.value for item in find(inside, name)]
    if not found or found[0] is None:
        return None
    return whole_step(as_number(found[0], None, where, name), where, name)


def _path(path: Sequence[str | int]) -> str:
    return " > ".join(map(str, path))
