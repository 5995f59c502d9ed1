"""Reads the `task:` mapping of a program and checks what the models cannot."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic import ValidationError

from harness.common.undecodable import shown
from harness.common.validation import suggestion
from harness.common.yaml_nodes import Node, plain
from harness.errors import InputError, Problem
from harness.tasks.command import knobs, styles, template
from harness.tasks.command.cases import ARRAYS
from harness.tasks.command.code.repository import top_of
from harness.tasks.command.code.version import CODE
from harness.tasks.command.code.working_tree import leads_to_working_tree
from harness.tasks.command.files.followers import wrong_kind
from harness.tasks.command.files.place import wrong_path
from harness.tasks.command.inputs.words import parts_of
from harness.tasks.command.model import Program, ProgramStep
from harness.tasks.command.reading.finder import Finder
from harness.tasks.command.reading.output import RESERVED_KEYS
from harness.tasks.command.shell import shell_syntax
from harness.tasks.command.steps import requests, with_own_requests
from harness.tasks.protocol import RESULT_METRICS
from harness.tasks.resources import IN_COMMANDS, field_of

# As programs write them: val/loss, eval.acc, top-1, hits@10.
METRIC = re.compile(r"(?=.{1,60}\Z)[A-Za-z]\w*(?:[./@-]\w+)*", re.ASCII)
METRIC_NAMES = "use letters, digits and _, a letter first, parts divided by one of . / @ -; column: or key: for other spellings"
RESERVED_METRICS = RESERVED_KEYS | set(RESULT_METRICS)
STEP = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,59}")
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=")  # of an environment variable, before the program
EVERYWHERE = (*knobs.RESERVED, *IN_COMMANDS, *template.OF_THE_START)  # placeholders of every program
ALWAYS = tuple(name for name in EVERYWHERE if name != "knobs")  # placeholders of every command line


def read_program(node: Node) -> tuple[Program | None, list[Problem]]:
    """The program, with its directory made absolute, or None and the problems.

    Problems of structure are reported with the file: then neither a program nor a problem is returned.
    """
    try:
        program = Program.model_validate(plain(node))
    except ValidationError:
        return None, []
    if not program.steps and not program.command:
        message = "missing; expected the command line, or steps: several of them by name"
        return None, [Problem((node.get("command") or node).at, f"{node.path}.command", message)]
    problems = [*_names(node, program), *_steps(node, program), *_unused_knobs(node, program)]
    problems += [*_limits(node, program), *_others(node, program), *_version_problems(node, program)]
    problems += _requests(node, program)
    if problems:
        return None, problems
    program = with_own_requests(program)
    folder = str((Path(node.at.file).parent / Path(program.repository or program.directory).expanduser()).resolve())
    if shown(folder) != folder:
        return None, [Problem(node.at, node.path, f"the path of the program's folder is not UTF-8: {folder}; rename the folder")]
    if program.repository is not None:
        return _with_repository(node, program)
    return Program.model_validate({**dict(program), "directory": folder}), []


def _with_repository(node: Node, program: Program) -> tuple[Program | None, list[Problem]]:
    """The program with the top level of its repository, and its directory relative to that."""
    assert program.repository is not None
    try:
        top = top_of(Path(node.at.file).parent / Path(program.repository).expanduser())
    except InputError as error:
        return None, [_at(node, "repository", None, str(error))]
    problems = [*_not_linked(node, program, top), *_absolute_paths(node, program, top)]
    found = Program.model_validate({**dict(program), "repository": str(top), "directory": os.path.normpath(program.directory)})
    return (None, problems) if problems else (found, [])


def _version_problems(node: Node, program: Program) -> Iterator[Problem]:
    if program.repository is None:
        for key in ("link", "prepare"):
            if getattr(program, key):
                yield _at(node, key, None, "has no effect without repository; add repository: a folder in a git repository")
        return
    if CODE in program.knobs:
        message = f"{CODE!r} is the version of the code in a program with repository; use another name, and flag: for the option"
        yield _at(node, "knobs", CODE, message, key=True)
    directory = Path(program.directory)
    if directory.is_absolute() or ".." in directory.parts:
        yield _at(node, "directory", None, f"{program.directory!r}: use a folder relative to the top of the repository")
    if program.prepare is not None:
        yield from _line(node, "prepare", program.prepare, ["python"])


def _not_linked(node: Node, program: Program, top: Path) -> Iterator[Problem]:
    for name in program.link:
        if not (top / name).exists():
            yield _at(node, "link", None, f"{name!r} not found: {top / name}; use files and folders relative to {top}")


def _absolute_paths(node: Node, program: Program, top: Path) -> Iterator[Problem]:
    """Paths to files of the working tree, instead of those of a version; ones that git ignores, such as .venv, are allowed."""
    lines = [(node, "command", program.command), (node, "prepare", program.prepare or "")]
    lines += [(node.entries["steps"].node.entries[name].node, "command", step.command) for name, step in program.steps.items()]
    for own, key, line in lines:
        for part in (part for word in template.words_of(line) for part in parts_of(word)):
            if leads_to_working_tree(part, top, program.link):
                yield _at(own, key, None, f"{part} leads to the working tree, not to a version; use a path relative to directory")
    for name, value in program.environment.items():
        for part in str(value).split(os.pathsep):
            if leads_to_working_tree(part, top, program.link):
                message = f"{part} leads to the working tree, not to a version; use a path relative to directory"
                yield _at(node, "environment", name, message)


def _names(node: Node, program: Program) -> Iterator[Problem]:
    for name in program.knobs:
        if wrong := knobs.wrong_name(name):
            yield _at(node, "knobs", name, f"{name!r} {wrong}", key=True)
    for name in program.steps:
        if not STEP.fullmatch(name):
            message = f"invalid name of a step {name!r}; use letters, digits, _ and -, a letter first"
            yield _at(node, "steps", name, message, key=True)


def _requests(node: Node, program: Program) -> Iterator[Problem]:
    for name in requests(program):
        if field_of(name) in program.knobs:
            message = f"{field_of(name)!r} is the setting for {{{name}}}; use another name, and flag: for the option"
            yield _at(node, "knobs", field_of(name), message, key=True)


def _steps(node: Node, program: Program) -> Iterator[Problem]:
    """Problems of each step, or of the one command."""
    if not program.steps:
        yield from _step(node, program, program, ())
        return
    mapping, earlier = node.entries["steps"].node, list[str]()
    owners: dict[str, str] = {}  # metric -> its step
    for name, step in program.steps.items():
        own = mapping.entries[name].node
        yield from _step(own, program, step, earlier)
        for metric in step.metrics:
            if (other := owners.setdefault(metric, name)) != name:
                yield _at(own, "metrics", metric, f"the step {other} has a metric {metric!r}, too; use another name", key=True)
        earlier.append(name)
    used = {one for step in program.steps.values() for one in template.steps_in(step.command)}
    for name in earlier[:-1]:
        if name not in used:
            message = f"no later step uses it; add {{steps.{name}}}, the folder of its files, to a later command, or remove it"
            yield Problem(mapping.entries[name].key_at, mapping.entries[name].node.path, message)


def _step(node: Node, program: Program, step: ProgramStep, earlier: Sequence[str]) -> Iterator[Problem]:
    """Problems of a step of `program`, which is read from `node`; `earlier`: the steps before it."""
    for name in step.metrics:
        if not METRIC.fullmatch(name):
            yield _at(node, "metrics", name, f"invalid metric name {name!r}; {METRIC_NAMES}", key=True)
        elif name in RESERVED_METRICS or name.endswith("_fluctuation"):
            yield _at(node, "metrics", name, f"{name!r} is reserved for the harness; use another name", key=True)
    yield from _sources(node, step)
    yield from _cases(node, step)
    if not step.metrics and len(earlier) + 1 >= len(program.steps):
        given = node.get("metrics")
        what = "missing" if given is None else "invalid value {}"
        message = f"{what}; expected what is measured, such as accuracy: {{goal: maximize, text: 'accuracy {{value}}'}}"
        yield Problem((given or node).at, f"{node.path}.metrics", message)
    known = [
        *EVERYWHERE,
        *(name for name in program.knobs if name not in EVERYWHERE),
        *(f"{template.STEP}{name}" for name in earlier),
    ]
    yield from _line(node, "command", step.command, known)
    if step.resume is not None:
        named = template.placeholders(step.command)
        own = known if not program.steps else [name for name in known if name in named or name in ALWAYS or "knobs" in named]
        yield from _line(node, "resume", step.resume, own)
    yield from _resume_problems(node, step)


def _line(node: Node, key: str, line: str, known: Sequence[str]) -> Iterator[Problem]:
    """Problems of a command line; `known`: the placeholders that it may have."""
    try:
        words = template.words_of(line)
        syntax = shell_syntax(line)
    except ValueError as error:
        yield _at(node, key, None, f"cannot be split into words: {error}; close all quotes, as in a shell")
        return
    if not words:
        yield _at(node, key, None, "is empty; expected a program and its arguments, such as python train.py --seed={seed}")
    if words and (variable := ASSIGNMENT.match(words[0])):
        message = f"begins with {words[0]}, but there is no shell; use environment: with {variable[1]}: and its value"
        yield _at(node, key, None, message)
    if syntax is not None:
        literal = f"{shlex.quote(template.words_of(syntax)[0])} for the text itself"
        yield _at(node, key, None, f"has {syntax}, but there is no shell; use steps, or bash -c '...' ({literal})")
    dotted = any(_has_parts(name) for name in known if name not in EVERYWHERE and not name.startswith(template.STEP))
    for name in dict.fromkeys(template.placeholders(line)):
        # {a.b} may be meant as it stands.
        if name not in known and (dotted or not _has_parts(name) or name.startswith(template.STEP)):
            message = f"unknown placeholder {{{name}}}; {suggestion(name, known)} (literal text: {{{{{name}}}}})"
            yield _at(node, key, None, message)
    if any("{knobs}" in word and word != template.ALL_KNOBS for word in words):
        yield _at(node, key, None, "{knobs} is part of a word; use {knobs} on its own, or single knobs as {name}")


def _unused_knobs(node: Node, program: Program) -> Iterator[Problem]:
    lines = [step.command for step in program.steps.values()] or [program.command]
    named = {name for line in lines for name in template.placeholders(line)}
    for name in program.knobs:
        if "knobs" not in named and name not in named:
            where = "the command of a step" if program.steps else "the command"
            yield _at(node, "knobs", name, f"is not in {where}; add {{knobs}} or {{{name}}} to it", key=True)


def _resume_problems(node: Node, step: ProgramStep) -> Iterator[Problem]:
    if step.checkpoint is not None and step.resume is None:
        message = "has no effect without resume; add resume: the arguments to resume with"
        yield _at(node, "checkpoint", None, message)
    printed = [Finder(name, measure) for name, measure in step.metrics.items() if measure.source in ("pattern", "text")]
    if step.resume is not None and not all(finder.has_step for finder in printed):
        message = "needs the step of each row, because a resumed program may repeat some"
        advice = "add {step} to each text, and (?P<step>\\d+) to each pattern"
        yield _at(node, "resume", None, f"{message}; {advice}")


def _sources(node: Node, step: ProgramStep) -> Iterator[Problem]:
    """Problems of where metrics are read, and of which values count."""
    for name, measure in step.metrics.items():
        if measure.at_best is not None and measure.at_best not in step.metrics:
            found = suggestion(measure.at_best, list(step.metrics))
            yield _at(node, "metrics", name, f"at_best: no metric {measure.at_best!r}; {found}")
        elif measure.at_best == name:
            yield _at(node, "metrics", name, f"at_best: {name!r} is the metric itself; use take: best")
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
        elif name in ("HARNESS_SEED", "HARNESS_METRICS", "HARNESS_CASES", "HARNESS_RUN_DIR", "HARNESS_DEVICE"):
            yield _at(node, "environment", name, f"{name} is set by the harness; use another name", key=True)


def _of_metric(node: Node, metric: str, key: str, message: str) -> Problem:
    inner = node.entries["metrics"].node.entries[metric].node.entries[key].node
    return Problem(inner.at, inner.path, message)


def _has_parts(name: str) -> bool:
    return "." in name or "/" in name


def _cases(node: Node, program: ProgramStep) -> Iterator[Problem]:
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
