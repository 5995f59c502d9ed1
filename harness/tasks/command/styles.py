"""Settings as the words of a command line, in the style that the program reads: argparse's, Hydra's or absl's."""

from __future__ import annotations

import csv
import io
import json
import re

from harness.common.choices import Style
from harness.tasks.command.model import Knob, Scalar, Value

# Text that Hydra reads as it is; everything else is quoted, as it may be a number, a list or a sweep.
HYDRA_WORD = re.compile(r"(?!(?:null|true|false|nan|inf)\Z)[A-Za-z_/][\w/.-]*", re.ASCII | re.IGNORECASE)
BEFORE_QUOTE = re.compile(r"(\\*)('|\Z)")


def option(name: str, knob: Knob, value: Value, style: Style = "argparse") -> list[str]:
    """A setting as `{knobs}` writes it; its `flag` replaces the spelling of the name. A switch may be no word at all.

    argparse: `--name=value`, and a list as `--name 1 2`, as nargs="+" expects. hydra: `name=value` in the grammar of its
    overrides. absl: `--name=value`, a list as `--name=1,2`, a boolean as `--name` or `--noname`.
    """
    if is_switch(knob, style):
        on, _, off = (knob.flag or "").partition("/")
        chosen = on if value else off
        return [chosen] if chosen else []
    spelling = spelled(name, knob, style)
    if style == "absl" and isinstance(value, bool) and knob.flag is None and "." not in name:
        return [spelling if value else f"--no{name}"]
    if style == "argparse" and isinstance(value, tuple):
        return [spelling, *map(printed, value)]
    return [f"{spelling}={in_style(value, style)}"]


def spelled(name: str, knob: Knob, style: Style) -> str:
    """The option's spelling: the knob's flag, else its name as the style writes it."""
    return knob.flag or (name if style == "hydra" else f"--{name}")


def is_switch(knob: Knob, style: Style) -> bool:
    """Whether the flag is written without a value. Hydra's overrides always have one: there, a flag is `+name` or `++name`."""
    return isinstance(knob.default, bool) and knob.flag is not None and style != "hydra"


def in_style(value: Value, style: Style) -> str:
    """A value behind `name=`, so that the program gets this value with its type."""
    if style == "hydra":
        return _hydra(value)
    return _comma_separated(value) if style == "absl" and isinstance(value, tuple) else printed(value)


def printed(value: Value) -> str:
    """A value as one argument: a float as Python writes it (0.0, 0.001), a boolean as True or False, a list as JSON."""
    if isinstance(value, tuple):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return repr(value + 0.0) if isinstance(value, float) else str(value)


def _comma_separated(items: tuple[Scalar, ...]) -> str:
    """As absl's lists are read: a line of CSV."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(map(printed, items))
    return line.getvalue()


def _hydra(value: Value) -> str:
    """A value in the grammar of Hydra's overrides."""
    if isinstance(value, tuple):
        return f"[{','.join(map(_hydra, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if not isinstance(value, str):
        return printed(value)
    if HYDRA_WORD.fullmatch(value):
        return value
    # Backslashes are literal, except in front of a quote.
    escaped = BEFORE_QUOTE.sub(lambda found: found[1] * 2 + ("\\'" if found[2] else ""), value)
    return f"'{escaped}'"
