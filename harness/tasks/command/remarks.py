"""Warnings about a program before it is trained."""

from __future__ import annotations

import glob
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import regex

from harness.tasks.command import template
from harness.tasks.command.code.place import checkout_of
from harness.tasks.command.inputs.files import matching
from harness.tasks.command.inputs.fingerprint import NO_INPUTS, counted_by_any, covers, detected
from harness.tasks.command.inputs.found import Detected
from harness.tasks.command.inputs.words import named_files, parts_of
from harness.tasks.command.measure import Measure
from harness.tasks.command.model import Only, Program, Value
from harness.tasks.command.steps import parts, plain
from harness.tasks.protocol import optimistic

NUMBERS = ("1", "0.5", "0.1234", "12.345678")
SPECIAL = ("nan", "9.8e-05")  # as programs print diverged and small values


def remarks(program: Program, data: Sequence[str], variants: Sequence[Mapping[str, Value]]) -> Iterator[str]:
    """Sentences; `data` are the planned fingerprints, `variants` the values of the knobs."""
    if program.steps:
        found = [parts(program, one) for one in data]
        for name in program.steps:
            step = plain(program, name)
            own = [{knob: values[knob] for knob in step.knobs} for values in variants]
            yield from (f"step {name}: {each}" for each in remarks(step, [one[name] for one in found], own))
        return
    if set(data) == {NO_INPUTS}:
        yield "run ids do not depend on any file of the program: name inputs, or old results are reused after the program changed"
    yield from _about_inputs(program, counted_by_any(program, variants))
    yield from _about_version(program)
    yield from _about_metrics(program)


def _about_inputs(program: Program, counted: Detected) -> Iterator[str]:
    if isinstance(program.inputs, Only):
        for found in detected(program, template.words_of(program.command)).found:
            if found.how in ("named", "started") and not covers(program.listed, Path(program.directory), found.name):
                yield f"{found.name}, {found.reason}, is not among the inputs: after a change of it old results are reused"
    for text in _of_one_run(program):
        yield f"the files {text} do not count: list them in inputs, or old results are reused after they changed"
    for unknown in counted.unknown:
        yield f"{unknown.text}: list it in inputs, or old results are reused after it changed"


def _about_version(program: Program) -> Iterator[str]:
    directory = Path(program.directory)
    top = checkout_of(directory)
    if program.repository is None or top is None:
        return
    for name in named_files(template.words_of(program.command), Path(program.repository) / directory.relative_to(top)):
        if not (directory / name).exists():
            yield f"{name} is in the working tree, but not in the version {top.name[:7]}: commit it, or list it in link"


def _about_metrics(program: Program) -> Iterator[str]:
    metrics = {name: measure.metric for name, measure in program.metrics.items()}
    for name in metrics:
        if why := optimistic(name, metrics):
            yield f"OPTIMISTIC: {name} is {why}; use at_best: a validation metric"
    if "run_dir" not in template.placeholders(program.command):
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


def _of_one_run(program: Program) -> Iterator[str]:
    """Texts in the command that name existing files for some seed or device, such as data/{seed}.csv, unless they are listed."""
    directory = Path(program.directory)
    for text in (part for word in template.words_of(program.command) for part in parts_of(word)):
        literal = template.PLACEHOLDER.split(text)[::3]
        if set(template.placeholders(text)) and set(template.placeholders(text)) <= {"seed", "device"} and any(literal):
            found = [path for path in matching(directory, "*".join(map(glob.escape, literal))) if path.is_file()]
            if any(not covers(program.listed, directory, str(path)) for path in found):
                yield text


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
