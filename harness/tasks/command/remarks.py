"""Warnings about a program before it is trained."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from harness.tasks.command.inputs import NO_INPUTS
from harness.tasks.command.model import Program
from harness.tasks.command.steps import parts, plain

NUMBERS = ("1", "0.5", "0.1234", "12.345678")
SPECIAL = ("nan", "9.8e-05")  # as programs print diverged and small values


def remarks(program: Program, data: Iterable[str]) -> Iterator[str]:
    """Sentences; `data` are the planned fingerprints."""
    if program.steps:
        found = [parts(program, one) for one in data]
        for name in program.steps:
            yield from (f"step {name}: {each}" for each in remarks(plain(program, name), (one[name] for one in found)))
        return
    if set(data) == {NO_INPUTS}:
        yield "run ids do not depend on any file of the program: name inputs, or old results are reused after the program changed"
    for name, measure in program.metrics.items():
        if measure.pattern is not None and (unmatched := not_matched(measure.pattern)):
            yield f"the pattern of {name} does not match {' or '.join(unmatched)}; (?P<value>\\S+) matches every number"


def not_matched(pattern: str) -> tuple[str, ...]:
    """The texts of `SPECIAL` that the pattern's value group does not match although it matches ordinary numbers."""
    group = _value_group(pattern)
    if group is None or not any(map(group.fullmatch, NUMBERS)):
        return ()
    return tuple(text for text in SPECIAL if not group.fullmatch(text))


def _value_group(pattern: str) -> re.Pattern[str] | None:
    """The expression inside (?P<value>…), up to the first parenthesis that makes it valid; None if there is none."""
    flags, inside = re.compile(pattern).flags, pattern.partition("(?P<value>")[2]
    for end in re.finditer(r"\)", inside):
        try:
            return re.compile(inside[: end.start()], flags)
        except re.error:
            continue
    return None
