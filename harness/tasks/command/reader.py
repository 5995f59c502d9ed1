"""Reads the `task:` mapping of a program and checks what the models cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from harness.common.validation import suggestion
from harness.common.yaml_nodes import Node, plain
from harness.errors import Problem
from harness.tasks.command import knobs, template
from harness.tasks.command.cases import ARRAYS
from harness.tasks.command.model import Program
from harness.tasks.command.rows import RESERVED_KEYS
from harness.tasks.protocol import RESULT_METRICS

METRIC = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,59}")
RESERVED_METRICS = RESERVED_KEYS | set(RESULT_METRICS)


def read_program(node: Node) -> tuple[Program | None, list[Problem]]:
    """The program, with its directory made absolute, or None and the problems.

    Problems of structure are reported with the file: then there is no program and no problem here.
    """
    try:
        program = Program.model_validate(plain(node))
    except ValidationError:
        return None, []
    problems = [*_names(node, program), *_lines(node, program), *_resume_problems(node, program)]
    problems += [*_limits(node, program), *_others(node, program), *_cases(node, program)]
    if problems:
        return None, problems
    folder = Path(node.at.file).parent / Path(program.directory).expanduser()
    return Program.model_validate({**dict(program), "directory": str(folder.resolve())}), []


def _names(node: Node, program: Program) -> Iterator[Problem]:
    for name in program.knobs:
        if wrong := knobs.wrong_name(name):
            yield _at(node, "knobs", name, f"{name!r} {wrong}", key=True)
    for name in program.metrics:
        if not METRIC.fullmatch(name):
            yield _at(node, "metrics", name, f"invalid metric name {name!r}; use letters, digits and _, a letter first", key=True)
        elif name in RESERVED_METRICS or name.endswith("_fluctuation"):
            yield _at(node, "metrics", name, f"{name!r} is reserved for the harness; use another name", key=True)


def _lines(node: Node, program: Program) -> Iterator[Problem]:
    known = [*knobs.RESERVED, *program.knobs]
    for key in ("command", "resume"):
        line = getattr(program, key)
        if line is None:
            continue
        try:
            words = template.words_of(line)
        except ValueError as error:
            yield _at(node, key, None, f"cannot be split into words: {error}; close all quotes, as in a shell")
            continue
        if not words:
            yield _at(node, key, None, "is empty; expected a program and its arguments, such as python train.py --seed={seed}")
        for name in dict.fromkeys(template.placeholders(line)):
            if name not in known:
                message = f"unknown placeholder {{{name}}}; {suggestion(name, known)} (literal text: {{{{{name}}}}})"
                yield _at(node, key, None, message)
        if any("{knobs}" in word and word != template.ALL_KNOBS for word in words):
            yield _at(node, key, None, "{knobs} is part of a word; use {knobs} on its own, or single knobs as {name}")
    named = template.placeholders(program.command)
    for name in program.knobs:
        if "knobs" not in named and name not in named:
            message = f"is not in the command; add {{knobs}} or {{{name}}} to it"
            yield _at(node, "knobs", name, message, key=True)


def _resume_problems(node: Node, program: Program) -> Iterator[Problem]:
    if program.checkpoint is not None and program.resume is None:
        message = "has no effect without resume; add resume: the arguments to resume with"
        yield _at(node, "checkpoint", None, message)
    patterns = [measure.pattern for measure in program.metrics.values() if measure.pattern is not None]
    have_step = all("step" in re.compile(pattern).groupindex for pattern in patterns)
    if program.resume is not None and not have_step:
        message = "needs the step of each row, because a resumed program may repeat some; add (?P<step>\\d+) to each pattern"
        yield _at(node, "resume", None, message)


def _limits(node: Node, program: Program) -> Iterator[Problem]:
    for name in program.knobs:
        if wrong := knobs.wrong_default(program.knob(name)):
            yield _at(node, "knobs", name, wrong)
    flags: dict[str, str] = {}
    for name in program.knobs:
        flag = program.knob(name).flag or f"--{name}"
        if (other := flags.setdefault(flag, name)) != name:
            yield _at(node, "knobs", name, f"has the same flag {flag} as {other}; use another flag")


def _others(node: Node, program: Program) -> Iterator[Problem]:
    for name, value in program.environment.items():
        if not name or "=" in name or "\0" in name or "\0" in str(value):
            yield _at(
                node, "environment", name, f"invalid variable {name!r}; use a name without =, and text without NUL", key=True
            )
        elif name in ("HARNESS_SEED", "HARNESS_METRICS", "HARNESS_CASES", "HARNESS_RUN_DIR", "HARNESS_DEVICE"):
            yield _at(node, "environment", name, f"{name} is set by the harness; use another name", key=True)


def _cases(node: Node, program: Program) -> Iterator[Problem]:
    if program.cases is None:
        return
    for name in program.cases.values:
        if name not in program.metrics:
            yield _at(node, "cases", "values", f"no metric {name!r}; {suggestion(name, program.metrics)}")
        elif source := program.metrics[name].source:
            message = f"{name} is measured by cases, but has {source}: too; use one of them"
            yield _at(node, "cases", "values", message)
        elif name in ARRAYS:
            yield _at(node, "metrics", name, f"{name!r} cannot be measured by cases; use another name", key=True)
    if not program.measured_by_cases:
        yield _at(node, "cases", None, "measures nothing, as every metric has another source; remove it, or such a source")


def _at(node: Node, block: str, name: str | None, message: str, *, key: bool = False) -> Problem:
    """The problem at a block of the mapping, or at the value or the key of its entry `name`."""
    entry = node.entries[block]
    inner = entry if name is None else entry.node.entries[name]
    return Problem(inner.key_at if key else inner.node.at, inner.node.path, message)
