"""Options of `harness new` and `harness compare` -> drafts of a program, its metrics and settings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.common.choices import Style
from harness.common.yaml_nodes import plain, read_value
from harness.errors import InputError
from harness.tasks.command import template
from harness.tasks.command.frameworks import guessed_style, written_style
from harness.tasks.command.model import Value

LOWER_IS_BETTER = re.compile(
    r"loss|error|err$|perplexity|ppl|mse|mae|rmse|nll|distance|regret|seconds|time|latency|fid$|bpb|bpc|(?:^|[_ ])[wc]er$",
    re.IGNORECASE,
)
HIGHER_IS_BETTER = re.compile(
    r"acc|f1|auc|score|reward|return|bleu|rouge|precision|recall|r2|iou|map[\d@-]*$|ndcg|mrr|dice|ssim|psnr|"
    r"(?:^|[^a-z])top[-_@]?\d+$",
    re.IGNORECASE,
)
SPLITS = {
    **dict.fromkeys(("val", "valid", "validation", "eval", "dev"), "validation"),
    "test": "test",
    **dict.fromkeys(("train", "training"), "train"),
}
TABLE = re.compile(r"(.+\.(?:csv|tsv))(?::(.+))?", re.IGNORECASE)
JSON = re.compile(r"(.+\.(?:json|jsonl|ndjson))(?::(.+))?", re.IGNORECASE)
WHERE = (
    "printed text such as 'epoch {step}: ... loss {value}', a regular expression with (?P<value>…), results.csv:COLUMN, "
    "metrics.json:eval.acc, log.jsonl:KEY, tensorboard:val/loss or wandb:val/loss"
)


@dataclass(frozen=True)
class MetricDraft:
    """A metric; `where`: the fields of the YAML that say where it is read, none for JSON lines."""

    name: str
    goal: str
    unit: str = ""
    split: str | None = None
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KnobDraft:
    """A setting; with several levels it is a factor, whose first level is the default."""

    name: str
    levels: tuple[Value, ...]
    flag: str | None = None


@dataclass(frozen=True)
class ProgramDraft:
    """A command line, what it measures, and how it reads its settings; `files`: its words that may be files."""

    command: str
    metrics: tuple[MetricDraft, ...]
    style: Style
    files: tuple[str, ...]

    @property
    def has_seed(self) -> bool:
        """Whether the command line has {seed}; else the program must read $HARNESS_SEED."""
        return "seed" in template.placeholders(self.command)

    def with_all(self, knobs: Sequence[KnobDraft]) -> str:
        """The command line with {knobs} appended, if it does not name every setting."""
        named = template.placeholders(self.command)
        missing = "knobs" not in named and any(knob.name not in named for knob in knobs)
        return f"{self.command} {template.ALL_KNOBS}" if missing else self.command


def read_program(command: str, metrics: Sequence[str], style: Style | None, directory: Path) -> ProgramDraft:
    """--command and --metric; without a `style` it is guessed from the command and its scripts in `directory`.

    Raises InputError.
    """
    read = tuple(read_metric(text) for text in metrics)
    if not read:
        raise InputError(
            "missing option --metric; give one or more, such as --metric 'val_loss=val loss {value}' or --metric val_loss"
        )
    refuse_repeated("--metric", [metric.name for metric in read])
    try:
        words = template.words_of(command)
    except ValueError as error:
        raise InputError(f"--command {command!r}: cannot be split into words: {error}") from error
    files = tuple(word for word in words if not template.placeholders(word))
    return ProgramDraft(command, read, style or guessed_style(files, directory) or written_style(words) or "argparse", files)


def refuse_repeated(option: str, names: Sequence[str]) -> None:
    """Raises InputError if a name is given twice."""
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise InputError(f"{option} {twice[0]!r}: is given twice; use each name once")


def check_printable(*texts: str | None) -> None:
    """Raises InputError for text that has several lines or control characters."""
    if broken := [text for text in texts if text and not text.isprintable()]:
        raise InputError(f"{broken[0]!r}: contains unprintable characters; must be text on one line")


def read_metric(text: str) -> MetricDraft:
    """`NAME[:GOAL[:UNIT]][=WHERE]`, where WHERE is one of the forms of `WHERE`.

    In printed text, `{value}` stands for the number, `{step}` for the step, `...` for anything in between. A missing goal is
    guessed from the name, the split from its first part. Raises InputError.
    """
    head, equals, where = text.partition("=")
    name, _, rest = head.strip().partition(":")
    goal, _, unit = rest.partition(":")
    if not goal:
        guess = likely_goal(name)
        if guess is None:
            raise InputError(f"--metric {text!r}: unknown goal; use {name}:minimize or {name}:maximize")
        goal = guess
    if goal not in ("minimize", "maximize"):
        raise InputError(f"--metric {text!r}: invalid goal {goal!r}; choose from: minimize, maximize")
    fields = _where(text, where) if equals else {}
    parts = (name, *(fields[key] for key in ("tensorboard", "wandb", "column", "key") if key in fields))
    split = next((found for each in parts if (found := likely_split(each))), None)
    return MetricDraft(name, goal, unit, split, fields)


def likely_goal(name: str) -> str | None:
    """The goal that a metric's name suggests, rather by its last part; None if it suggests none, or both."""
    return _goal(re.split("[./]", name)[-1]) or _goal(name)


def likely_split(name: str) -> str | None:
    """The split that the first part of a metric's name suggests; None if it suggests none."""
    return SPLITS.get(re.split("[_./-]", name)[0].lower())


def _goal(name: str) -> str | None:
    found = [goal for goal, known in (("minimize", LOWER_IS_BETTER), ("maximize", HIGHER_IS_BETTER)) if known.search(name)]
    return found[0] if len(found) == 1 else None


def _where(option: str, text: str) -> dict[str, str]:
    """Where a metric is read, as fields of the YAML."""
    if "(?P<value>" in text:
        return {"pattern": text}
    if "{value}" in text or "{step}" in text:
        if text.count("{value}") != 1 or text.count("{step}") > 1:
            raise InputError(f"--metric {option!r}: needs {{value}} once, in place of the number, and {{step}} at most once")
        return {"text": text}
    prefix, _, rest = text.partition(":")
    if prefix in ("tensorboard", "wandb") and rest:
        return {prefix: rest}
    for kind, key in ((TABLE, "column"), (JSON, "key")):
        if found := kind.fullmatch(text):
            return {"file": found[1], **({key: found[2]} if found[2] else {})}
    raise InputError(f"--metric {option!r}: {text!r} does not say where the number is; use {WHERE}")


def read_knob(text: str, style: Style = "argparse") -> KnobDraft:
    """`NAME=VALUE`, or `NAME=VALUE,VALUE,…`: a factor whose first level is the default; `[1,2]` is a list.

    In Hydra's style, `+NAME` adds a setting that the configuration lacks, and null is its null. Raises InputError.
    """
    written, equals, values = text.partition("=")
    if not equals or not values:
        raise InputError(f"--knob {text!r}: has no value; expected NAME=VALUE, or NAME=VALUE,VALUE for levels to compare")
    texts = _divided(values)
    levels = [_value(text, each, style) for each in texts]
    items = [item for level in levels for item in (level if isinstance(level, tuple) else (level,)) if item is not None]
    if any(isinstance(item, float) for item in items) and all(type(item) in (int, float) for item in items):
        levels = [_floats(level) for level in levels]
    elif any(isinstance(level, str) for level in levels) and style != "hydra":
        levels = list(texts)  # auto,3: the program gets text anyway
    name = written.strip()
    plain_name = name.lstrip("+") if style == "hydra" else name
    return KnobDraft(plain_name, tuple(levels), name if plain_name != name else None)


def read_setting(text: str, style: Style = "argparse") -> KnobDraft:
    """`NAME=VALUE` of `harness compare --set`. Raises InputError."""
    try:
        knob = read_knob(text, style)
    except InputError as error:
        raise InputError(str(error).replace("--knob", "--set", 1)) from error
    if len(knob.levels) > 1:
        raise InputError(
            f"--set {text!r}: has several values; give one, or compare settings with an experiment file: harness new"
        )
    return knob


def _divided(values: str) -> list[str]:
    """The values between commas; those inside brackets belong to a list."""
    found, depth = [""], 0
    for letter in values:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            found.append("")
        else:
            found[-1] += letter
    return found


def _value(option: str, text: str, style: Style) -> Value:
    """A number, a boolean or a list as in YAML, else text."""
    try:
        value = plain(read_value(text, "", ""))
    except InputError:
        return text
    if isinstance(value, tuple) and text.lstrip().startswith("["):
        if odd := [item for item in value if not isinstance(item, bool | int | float | str)]:
            raise InputError(f"--knob {option!r}: a list with {odd[0]!r}; use numbers, booleans or text")
        return value
    if value is None and text == "null" and style == "hydra":
        return None
    return value if isinstance(value, bool | int | float) else text


def _floats(value: Value) -> Value:
    """Numbers as floats."""
    if isinstance(value, tuple):
        return tuple(float(item) for item in value)
    return None if value is None else float(value)
