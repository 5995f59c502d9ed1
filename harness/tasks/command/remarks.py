"""Warnings about a program before it is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import regex

from harness.tasks.command.inputs import NO_INPUTS
from harness.tasks.command.measure import Measure
from harness.tasks.command.model import Program
from harness.tasks.command.template import placeholders
from harness.tasks.protocol import optimistic

NUMBERS = ("1", "0.5", "0.1234", "12.345678")
SPECIAL = ("nan", "9.8e-05")  # as programs print diverged and small values


def remarks(program: Program, data: Iterable[str]) -> Iterator[str]:
    """Sentences; `data` are the planned fingerprints."""
    if set(data) == {NO_INPUTS}:
        yield "run ids do not depend on any file of the program: name inputs, or old results are reused after the program changed"
    metrics = {name: measure.metric for name, measure in program.metrics.items()}
    yield from (
        f"{name} is optimistic: {why}; use at_best: a validation metric" for name in metrics if (why := optimistic(name, metrics))
    )
    if "run_dir" not in placeholders(program.command):
        for name in (name for name, measure in program.metrics.items() if in_a_file(measure)):
            yield f"{name} is read from a file in {{run_dir}}, which is not in the command; add it, or use $HARNESS_RUN_DIR"
    if program.resume is not None and program.checkpoint is None and any(map(in_a_file, program.metrics.values())):
        yield "the files that metrics are read from count as an earlier attempt, too; add checkpoint: what resuming needs"
    for name, measure in program.metrics.items():
        if measure.pattern is not None and (unmatched := not_matched(measure.pattern)):
            yield f"the pattern of {name} does not match {' or '.join(unmatched)}; (?P<value>\\S+) matches every number"


def in_a_file(measure: Measure) -> bool:
    """Whether the program chooses where in {run_dir} a metric is; W&B chooses it itself."""
    return measure.file is not None or measure.tensorboard is not None


def not_matched(pattern: str) -> tuple[str, ...]:
    """The texts of `SPECIAL` that the pattern's value group does not match although it matches ordinary numbers."""
    group = _value_group(pattern)
    if group is None or not any(map(group.fullmatch, NUMBERS)):
        return ()
    return tuple(text for text in SPECIAL if not group.fullmatch(text))


def _value_group(pattern: str) -> regex.Pattern[str] | None:
    """The expression inside (?P<value>…), up to the first parenthesis that makes it valid; None if there is none."""
    flags, inside = regex.compile(pattern).flags, pattern.partition("(?P<value>")[2]
    for end in regex.finditer(r"\)", inside):
        try:
            return regex.compile(inside[: end.start()], flags)
        except regex.error:
            continue
    return None
