"""Writes the text of a first experiment file for a training script, with comments that explain how to extend it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.common.yaml_nodes import plain, read_value
from harness.errors import InputError
from harness.experiment.claims import level_label
from harness.tasks.command import template
from harness.tasks.command.model import Scalar

LOWER_IS_BETTER = re.compile(
    r"loss|error|err$|perplexity|ppl|mse|mae|rmse|nll|distance|regret|seconds|time|latency|fid$", re.IGNORECASE
)
HIGHER_IS_BETTER = re.compile(r"acc|f1|auc|score|reward|return|bleu|rouge|precision|recall|r2|iou|map$|ssim|psnr", re.IGNORECASE)
SPLITS = {"val": "validation", "test": "test", "train": "train"}  # prefix of a metric's name -> split
NUMBER = r"[-+.\w]+"
PLAIN = re.compile(r"[A-Za-z][\w./-]*")
YAML_KEYWORDS = ("true", "false", "null")


@dataclass(frozen=True)
class MetricDraft:
    """A metric. `pattern`: a regular expression; None: read from JSON lines."""

    name: str
    goal: str
    unit: str = ""
    pattern: str | None = None


@dataclass(frozen=True)
class KnobDraft:
    """A parameter; with several levels it is a factor, whose first level is the default."""

    name: str
    levels: tuple[Scalar, ...]


@dataclass(frozen=True)
class Draft:
    """The content of the file."""

    name: str
    command: str
    directory: str  # relative to the file
    metrics: Sequence[MetricDraft]
    knobs: Sequence[KnobDraft] = ()
    inputs: Sequence[str] = ()
    resume: str | None = None
    question: str | None = None
    seeds: int = 5
    margin: float | None = None
    claims: Sequence[str] = field(default=())


def read_metric(text: str) -> MetricDraft:
    """`NAME[:GOAL[:UNIT]][=TEXT]`: TEXT as printed, with {value}, optionally {step}, and `...` for anything in between.

    A TEXT with (?P<value>…) is a regular expression. A missing goal is guessed from the name. Raises InputError.
    """
    head, equals, line = text.partition("=")
    name, _, rest = head.strip().partition(":")
    goal, _, unit = rest.partition(":")
    if not goal:
        guesses = [word for word, known in (("minimize", LOWER_IS_BETTER), ("maximize", HIGHER_IS_BETTER)) if known.search(name)]
        if len(guesses) != 1:
            raise InputError(f"--metric {text!r}: unknown goal; use {name}:minimize or {name}:maximize")
        goal = guesses[0]
    if goal not in ("minimize", "maximize"):
        raise InputError(f"--metric {text!r}: invalid goal {goal!r}; choose from: minimize, maximize")
    if not equals:
        return MetricDraft(name, goal, unit)
    if "(?P<value>" in line:
        return MetricDraft(name, goal, unit, line)
    if line.count("{value}") != 1 or line.count("{step}") > 1:
        example = f"{name}=epoch {{step}}: ... {name.replace('_', ' ')} {{value}}"
        raise InputError(f"--metric {text!r}: needs {{value}} once, in place of the number; such as {example!r}")
    parts = {r"\{value\}": f"(?P<value>{NUMBER})", r"\{step\}": r"(?P<step>\d+)", r"\.\.\.": ".*?"}
    pattern = re.escape(line)
    for escaped, group in parts.items():
        pattern = pattern.replace(escaped, group)
    return MetricDraft(name, goal, unit, re.sub(r"\\([ :,%=\"'@#/_~-])", r"\1", pattern))


def read_knob(text: str) -> KnobDraft:
    """`NAME=VALUE`, or `NAME=VALUE,VALUE,…`: a factor whose first level is the default. Raises InputError."""
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise InputError(f"--knob {text!r}: has no value; expected NAME=VALUE, or NAME=VALUE,VALUE for levels to compare")
    levels = [_value(value) for value in values.split(",")]
    if any(isinstance(level, float) for level in levels) and all(type(level) in (int, float) for level in levels):
        levels = [float(level) for level in levels]
    return KnobDraft(name.strip(), tuple(levels))


def _value(text: str) -> Scalar:
    """A number or boolean as in YAML, else text."""
    try:
        value = plain(read_value(text, "", ""))
    except InputError:
        return text
    return value if isinstance(value, bool | int | float) else text


def relative(directory: Path, folder: Path) -> str:
    """`directory` relative to `folder`."""
    return os.path.relpath(directory.resolve(), folder.resolve())


def text_of(draft: Draft) -> str:
    """The YAML text."""
    factors = [knob for knob in draft.knobs if len(knob.levels) > 1]
    lines = [
        f"question: {_text(draft.question or _question(factors, draft.name))}",
        "task:",
        f"  command: {_text(draft.command)}   # no shell: each word is one argument",
        "  # {seed}, {run_dir} (a folder for each run), {device} and {knobs} (--name=value for each knob) are filled in",
    ]
    if "seed" not in template.placeholders(draft.command):
        lines.append("  # without {seed}: the program must read its seed from $HARNESS_SEED")
    if draft.resume is None:
        lines.append("  # resume: --resume   # arguments to resume from {run_dir}; without them a killed run starts again")
    else:
        lines.append(f"  resume: {_text(draft.resume)}   # added if {{run_dir}} contains an earlier attempt")
        lines.append("  # checkpoint: '*.pt'   # which file in {run_dir} this needs; default: any file")
    lines += [f"  directory: {_text(draft.directory)}   # where it runs, relative to this file"]
    if draft.knobs:
        lines.append(
            "  knobs:   # the default gives the type (0.0 is a float, 0 an integer); {default: 0.1, from: 0, to: 1} limits it"
        )
        lines += [f"    {knob.name}: {_scalar(knob.levels[0])}" for knob in draft.knobs]
    else:
        lines.append("  # knobs: {learning_rate: 0.001}   # parameters, with their defaults")
    lines.append("  metrics:   # the first is the default of claims; a pattern is searched in each line of the output")
    for metric in draft.metrics:
        unit = f", unit: {_text(metric.unit)}" if metric.unit else ""
        split = next((f", split: {name}" for start, name in SPLITS.items() if metric.name.startswith(start)), "")
        pattern = f", pattern: {_quoted(metric.pattern)}" if metric.pattern else ""
        lines.append(f"    {metric.name}: {{goal: {metric.goal}{unit}{split}{pattern}}}")
    if any(metric.pattern is None for metric in draft.metrics):
        lines.append('    # without a pattern: the program appends lines such as {"step": 1, "loss": 0.5} to $HARNESS_METRICS')
    start = f"  inputs: [{', '.join(map(_text, draft.inputs))}]" if draft.inputs else "  # inputs: [data]"
    lines.append(f"{start}   # such as training data; the files of the command and their imports count by themselves")
    lines += _design(draft, factors)
    return "\n".join(lines) + "\n"


def _design(draft: Draft, factors: Sequence[KnobDraft]) -> Iterator[str]:
    if factors:
        levels = "; ".join(f"{knob.name}: {_scalar(knob.levels[0])}" for knob in factors)
        yield f"factors:   # what is compared; {levels} is the baseline"
        yield from (f"  {knob.name}: [{', '.join(map(_scalar, knob.levels))}]" for knob in factors)
        if len(factors) > 1:
            yield "design: one_at_a_time   # each level alone against the baseline; or grid: every combination"
    else:
        yield "# variants: {small: {}, large: {learning_rate: 0.01}}   # what is compared: different knobs"
        yield "# baseline: small"
    yield f"seeds: {draft.seeds}   # every variant is trained with each seed; comparisons are paired by seed"
    unit = draft.metrics[0].unit or f"the unit of {draft.metrics[0].name}"
    about = f"the smallest difference that matters, in {unit}"
    yield f"margin: {draft.margin:g}   # {about}" if draft.margin is not None else f"# margin: 0.1   # {about}"
    if draft.claims:
        yield "claims:   # what you expect, registered before results are known"
        yield from (f"  - {claim}" for claim in draft.claims)
        return
    yield "# claims:   # what you expect, registered before results are known (needs the margin); without claims: exploratory"
    label = f"{factors[0].name}={level_label(factors[0].levels[1])}" if factors else "large"
    others = "".join(f", {knob.name}={level_label(knob.levels[0])}" for knob in factors[1:])
    yield f"#   - improves: {_text(label + others)}"


def _question(factors: Sequence[KnobDraft], name: str) -> str:
    names = " and ".join(knob.name.replace("_", " ") for knob in factors)
    return f"What {'does' if len(factors) == 1 else 'do'} {names} change?" if names else f"How well does {name} do?"


def _scalar(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int | float) else _text(value)


def _text(value: str) -> str:
    """A YAML scalar, quoted if necessary."""
    return value if PLAIN.fullmatch(value) and value.lower() not in YAML_KEYWORDS else _quoted(value)


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
