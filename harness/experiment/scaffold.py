"""Writes the text of a first experiment file for a training script, with comments that explain how to extend it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.common.choices import Style
from harness.experiment.claims import level_label
from harness.experiment.designs import short_names
from harness.experiment.draft import KnobDraft, MetricDraft
from harness.tasks.command import template
from harness.tasks.command.model import Value

PLAIN = re.compile(r"[A-Za-z][\w./=-]*", re.ASCII)
YAML_KEYWORDS = ("true", "false", "null")
WIDTH = 100  # columns of the file
IN_WORDS: dict[Style, str] = {
    "argparse": "--name=value for each knob, --name 1 2 for a list",
    "hydra": "name=value for each knob",
    "absl": "--name=value for each knob, --name or --noname for booleans",
}


@dataclass(frozen=True)
class Draft:
    """The content of the file."""

    name: str
    command: str
    directory: str  # relative to the file
    metrics: Sequence[MetricDraft]
    style: Style = "argparse"
    cases: Mapping[str, str] = field(default_factory=dict)  # file, case, group
    knobs: Sequence[KnobDraft] = ()
    inputs: Sequence[str] = ()
    resume: str | None = None
    question: str | None = None
    looks: Sequence[int] = (5,)  # numbers of seeds; one is a fixed number
    first_seed: int = 0
    futility: float | None = None
    alpha: float | None = None
    margin: float | None = None
    claims: Sequence[str] = field(default=())
    repository: str | None = None  # relative to the file; then `directory` is relative to its top
    link: Sequence[str] = ()
    prepare: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)  # label -> ref; the first is the baseline


def relative(directory: Path, folder: Path) -> str:
    """`directory` relative to `folder`."""
    return os.path.relpath(directory.resolve(), folder.resolve())


def text_of(draft: Draft) -> str:
    """The YAML text."""
    factors = [knob for knob in draft.knobs if len(knob.levels) > 1]
    lines = [
        *_entry("", "question", draft.question or _question(factors, draft.name)),
        "task:",
        *_entry("  ", "command", draft.command, "no shell: each word is one argument"),
        "  # {seed}, {run_dir} (a folder for each run), {device} and {knobs} are filled in;",
        f"  # {{knobs}}: {IN_WORDS[draft.style]}",
    ]
    if draft.style != "argparse":
        lines += _entry("  ", "style", draft.style, "how the program reads its settings: argparse, hydra or absl")
    if "seed" not in template.placeholders(draft.command):
        lines.append("  # without {seed}: the program must read its seed from $HARNESS_SEED")
    if draft.resume is None:
        lines.append("  # resume: --resume   # arguments to resume from {run_dir}; without them a killed run starts again")
    else:
        lines += _entry("  ", "resume", draft.resume, "added if {run_dir} contains an earlier attempt")
        lines.append("  # checkpoint: '*.pt'   # which file in {run_dir} this needs; default: any file")
    if draft.repository is None:
        lines += _entry("  ", "directory", draft.directory, "where it runs, relative to this file")
    else:
        lines += _repository(draft)
    lines += [*_knobs(draft.knobs), *_metrics(draft.metrics, by_cases=bool(draft.cases))]
    if draft.cases:
        parts = ", ".join(f"{key}: {_quoted(value)}" for key, value in draft.cases.items())
        lines.append(f"  cases: {{{parts}}}   # for claims with across: cases")
    about = "such as data; files of the command and their imports count by themselves"
    lines += _list("  ", "inputs", list(map(_text, draft.inputs)), about) if draft.inputs else [f"  # inputs: [data]   # {about}"]
    lines += _design(draft, factors)
    return "\n".join(lines) + "\n"


def _repository(draft: Draft) -> Iterator[str]:
    yield from _entry("  ", "repository", draft.repository or ".", "a git repository, whose versions are compared")
    yield from _entry("  ", "directory", draft.directory, "where it runs, relative to the top of the repository")
    if draft.link:
        about = "untracked files and folders that every version gets links to"
        yield from _list("  ", "link", list(map(_text, draft.link)), about)
    else:
        yield "  # link: [data, .venv]   # untracked files and folders that every version gets links to"
    if draft.prepare is not None:
        yield from _entry("  ", "prepare", draft.prepare, "run once in every version")


def _knobs(knobs: Sequence[KnobDraft]) -> Iterator[str]:
    if not knobs:
        yield "  # knobs: {learning_rate: 0.001}   # parameters, with their defaults"
        return
    yield "  knobs:   # the default gives the type (0.0: float); {default: 0.1, from: 0, to: 1} limits it"
    for knob in knobs:
        default, others = knob.levels[0], [level for level in knob.levels if level is None]
        parts = [f"default: {_value(default)}"]
        if others and default is not None:  # null is not a value of the default's type
            parts.append(f"choice: [{', '.join(map(_value, knob.levels))}]")
        if knob.flag is not None:
            parts.append(f"flag: {_text(knob.flag)}")
        value = f"{{{', '.join(parts)}}}" if len(parts) > 1 else _value(default)
        yield f"    {_text(knob.name)}: {value}"


def _metrics(metrics: Sequence[MetricDraft], by_cases: bool) -> Iterator[str]:
    yield "  metrics:   # the first is the default of claims; the last value counts, see take: and at_best:"
    for metric in metrics:
        fields = {"goal": metric.goal, "unit": metric.unit, "split": metric.split or "", **metric.where}
        parts = [f"{key}: {_quoted(text) if key in QUOTED else _text(text)}" for key, text in fields.items() if text]
        line = f"    {_text(metric.name)}: {{{', '.join(parts)}}}"
        yield from [line] if len(line) <= WIDTH else [f"    {_text(metric.name)}:", *(f"      {part}" for part in parts)]
    if any("text" in metric.where for metric in metrics):
        yield "    # text: what the program prints, {value} for the number, {step} for the step, ... for anything"
    if not by_cases and any(not metric.where for metric in metrics):
        yield '    # read from lines such as {"step": 1, "loss": 0.5} that the program appends to $HARNESS_METRICS'


QUOTED = ("text", "pattern")  # of the fields of a metric


def _design(draft: Draft, factors: Sequence[KnobDraft]) -> Iterator[str]:
    if draft.versions:
        yield "variants:   # what is compared; code: a branch, a tag, a commit, or . for the working tree"
        yield from (f"  {_text(label)}: {{code: {_text(ref)}}}" for label, ref in draft.versions.items())
        yield f"baseline: {_text(next(iter(draft.versions)))}"
    elif factors:
        yield "factors:   # what is compared; the first values together are the baseline"
        for knob in factors:
            yield from _list("  ", _text(knob.name), list(map(_value, knob.levels)))
        if len(factors) > 1:
            yield "design: one_at_a_time   # each level alone against the baseline; or grid: every combination"
    else:
        yield "# variants: {small: {}, large: {learning_rate: 0.01}}   # what is compared: different knobs"
        yield "# baseline: small"
    yield f"seeds: {_seeds(draft)}   # every variant is trained with each seed; comparisons are paired by seed"
    unit = draft.metrics[0].unit or f"the unit of {draft.metrics[0].name}"
    about = f"the smallest difference that matters, in {unit}"
    yield f"margin: {draft.margin!r}   # {about}" if draft.margin is not None else f"# margin: 0.1   # {about}"
    if draft.alpha is not None:
        yield f"alpha: {draft.alpha!r}   # the probability of a wrong verdict"
    if draft.claims:
        yield "claims:   # what you expect, registered before results are known"
        yield from (f"  - {claim}" for claim in draft.claims)
        return
    yield "# claims:   # what you expect, registered before results (needs the margin); without: exploratory"
    names = short_names([knob.name for knob in factors])
    yield f"#   - improves: {_text(f'{names[0]}={level_label(factors[0].levels[1])}' if factors else 'large')}"


def _seeds(draft: Draft) -> str:
    fields = {"first": draft.first_seed} if draft.first_seed else {}
    if len(draft.looks) > 1:
        return flow({**fields, "looks": tuple(draft.looks), **({} if draft.futility is None else {"futility": draft.futility})})
    return flow({**fields, "n": draft.looks[0]}) if fields else str(draft.looks[0])


def _question(factors: Sequence[KnobDraft], name: str) -> str:
    if not factors:
        return f"How well does {name} do?"
    *others, last = (short.replace("_", " ") for short in short_names([knob.name for knob in factors]))
    return f"What do {', '.join(others)} and {last} change?" if others else f"What does {last} change?"


def _entry(indent: str, key: str, text: str, comment: str = "") -> Iterator[str]:
    """A key with text; long text is folded at single spaces, which YAML joins again."""
    if len(line := f"{indent}{key}: {_text(text)}") <= WIDTH:
        yield from _commented(line, comment)
        return
    yield from _commented(f"{indent}{key}: >-", comment)
    line = f"{indent} "
    for word in re.split(r"(?<=[^ ]) (?=[^ ])", text):
        if len(line) + len(word) >= WIDTH and line.strip():
            yield line
            line = f"{indent} "
        line += f" {word}"
    yield line


def _commented(line: str, comment: str) -> Iterator[str]:
    """A line with a comment behind it, or above it if both are too long for a line."""
    if comment and len(f"{line}   # {comment}") > WIDTH:
        yield f"{line[: len(line) - len(line.lstrip())]}# {comment}"
        yield line
    else:
        yield f"{line}   # {comment}" if comment else line


def _list(indent: str, key: str, items: Sequence[str], comment: str = "") -> Iterator[str]:
    """A key with a list, one entry a line if it is long."""
    line = f"{indent}{key}: [{', '.join(items)}]"
    if len(line) <= WIDTH:
        yield from _commented(line, comment)
        return
    yield from _commented(f"{indent}{key}:", comment)
    yield from (f"{indent}  - {item}" for item in items)


def flow(value: Any) -> str:
    """A value of the file on one line: `{improves: muon, margin: 0.1}`."""
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_text(str(key))}: {flow(item)}' for key, item in value.items())}}}"
    return f"[{', '.join(map(flow, value))}]" if isinstance(value, tuple) else _value(value)


def _value(value: Value) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    return _text(value) if isinstance(value, str) else repr(value)


def _text(value: str) -> str:
    """A YAML scalar, quoted if necessary."""
    return value if PLAIN.fullmatch(value) and value.lower() not in YAML_KEYWORDS else _quoted(value)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
