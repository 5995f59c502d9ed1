"""A program and its inputs' fingerprints -> what is allowed, and worth knowing before it is trained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harness.tasks.command.inputs import NOTHING
from harness.tasks.command.model import Program

NUMBERS = ("1", "0.5", "0.1234", "12.345678")
STRANGE = ("nan", "9.8e-05")  # as programs print what diverged, and what is small


def remarks(program: Program, data: Iterable[str]) -> Iterator[str]:
    """Sentences; `data` are the fingerprints of what is planned."""
    if set(data) == {NOTHING}:
        yield "nothing ties runs to the program's files: name inputs, or a changed program is served old results"
    for name, measure in program.metrics.items():
        if measure.pattern is not None and (unseen := not_taken(measure.pattern)):
            yield f"the pattern of {name} does not take {' or '.join(unseen)}; (?P<value>\\S+) takes every number"


def not_taken(pattern: str) -> tuple[str, ...]:
    """Of `STRANGE` what the pattern's group for the value does not take where it takes an ordinary number."""
    group = _value_group(pattern)
    if group is None or not any(map(group.fullmatch, NUMBERS)):
        return ()
    return tuple(text for text in STRANGE if not group.fullmatch(text))


def _value_group(pattern: str) -> re.Pattern[str] | None:
    """The expression inside (?P<value>…): up to the first closing parenthesis that leaves it whole. None: it needs the rest."""
    flags, inside = re.compile(pattern).flags, pattern.partition("(?P<value>")[2]
    for end in re.finditer(r"\)", inside):
        try:
            return re.compile(inside[: end.start()], flags)
        except re.error:
            continue
    return None
