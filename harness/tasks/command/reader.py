"""Reads the `task:` mapping of a program and checks what the models cannot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from harness.common.validation import suggestion
from harness.common.yaml_nodes import Node, plain
from harness.errors import Problem
from harness.tasks.command import knobs, styles, template
from harness.tasks.command.files.followers import wrong_kind
from harness.tasks.command.files.place import wrong_path
from harness.tasks.command.model import Program
from harness.tasks.command.reading.finder import Finder
from harness.tasks.command.reading.output import RESERVED_KEYS
from harness.tasks.protocol import RESULT_METRICS

# As programs write them: val/loss, eval.acc, top-1, hits@10.
METRIC = re.compile(r"(?=.{1,60}\Z)[A-Za-z]\w*(?:[./@-]\w+)*", re.ASCII)
METRIC_NAMES = "use letters, digits and _, a letter first, parts divided by one of . / @ -; column: or key: for other spellings"
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
    problems += [*_limits(node, program), *_others(node, program), *_files(node, program)]
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
            yield _at(node, "metrics", name, f"invalid metric name {name!r}; {METRIC_NAMES}", key=True)
        elif name in RESERVED_METRICS or name.endswith("_fluctuation"):
            yield _at(node, "metrics", name, f"{name!r} is reserved for the harness; use another name", key=True)
    for name, measure in program.metrics.items():
        if measure.at_best is not None and measure.at_best not in program.metrics:
            found = suggestion(measure.at_best, list(program.metrics))
            yield _at(node, "metrics", name, f"at_best: no metric {measure.at_best!r}; {found}")
        elif measure.at_best == name:
            yield _at(node, "metrics", name, f"at_best: {name!r} is the metric itself; use take: best")


def _lines(node: Node, program: Program) -> Iterator[Problem]:
    known = [*knobs.RESERVED, *program.knobs]
    dotted = any(name not in knobs.RESERVED and _has_parts(name) for name in known)
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
            if name not in known and (dotted or not _has_parts(name)):  # {a.b} may be meant as it stands
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
    printed = [Finder(name, measure) for name, measure in program.metrics.items() if measure.source in ("pattern", "text")]
    if program.resume is not None and not all(finder.has_step for finder in printed):
        message = "needs the step of each row, because a resumed program may repeat some"
        advice = "add {step} to each text, and (?P<step>\\d+) to each pattern"
        yield _at(node, "resume", None, f"{message}; {advice}")


def _files(node: Node, program: Program) -> Iterator[Problem]:
    for name, measure in program.metrics.items():
        if measure.file is not None and (wrong := wrong_path(measure.file) or wrong_kind(measure)):
            yield _of_metric(node, name, "file", wrong)
        if measure.tensorboard is not None and measure.step is not None:
            yield _of_metric(node, name, "step", "has no effect on tensorboard, which has its own steps; remove step")


def _limits(node: Node, program: Program) -> Iterator[Problem]:
    for name in program.knobs:
        if wrong := knobs.wrong_default(program.knob(name)):
            yield _at(node, "knobs", name, wrong)
        elif knobs.has_null(program.knob(name)) and program.style != "hydra":
            yield _at(node, "knobs", name, "null cannot be passed to this program; use a value, or style: hydra")
    flags: dict[str, str] = {}
    for name in program.knobs:
        flag = styles.spelled(name, program.knob(name), program.style)
        if (other := flags.setdefault(flag, name)) != name:
            yield _at(node, "knobs", name, f"has the same flag {flag} as {other}; use another flag")


def _others(node: Node, program: Program) -> Iterator[Problem]:
    for name, value in program.environment.items():
        if not name or "=" in name or "\0" in name or "\0" in str(value):
            yield _at(
                node, "environment", name, f"invalid variable {name!r}; use a name without =, and text without NUL", key=True
            )
        elif name in ("HARNESS_SEED", "HARNESS_METRICS", "HARNESS_RUN_DIR", "HARNESS_DEVICE"):
            yield _at(node, "environment", name, f"{name} is set by the harness; use another name", key=True)


def _of_metric(node: Node, metric: str, key: str, message: str) -> Problem:
    inner = node.entries["metrics"].node.entries[metric].node.entries[key].node
    return Problem(inner.at, inner.path, message)


def _has_parts(name: str) -> bool:
    return "." in name or "/" in name


def _at(node: Node, block: str, name: str | None, message: str, *, key: bool = False) -> Problem:
    """The problem at a block of the mapping, or at the value or the key of its entry `name`."""
    entry = node.entries[block]
    inner = entry if name is None else entry.node.entries[name]
    return Problem(inner.key_at if key else inner.node.at, inner.node.path, message)
