"""Command line with placeholders and values -> arguments. No shell: each word stays one argument, whatever its value."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from harness.tasks.command.model import Knob, Scalar

# `{name}` is replaced, `{{name}}` is a literal `{name}`; other braces are literal, as in JSON.
# `{steps.name}` is the folder of an earlier step.
NAME = r"(?:steps\.)?[A-Za-z][\w-]*"
PLACEHOLDER = re.compile(rf"\{{\{{({NAME})\}}\}}|\{{({NAME})\}}")
ALL_KNOBS = "{knobs}"
STEP = "steps."  # before the name of a step in a placeholder


def words_of(line: str) -> list[str]:
    """The words of a command line, quotes and backslashes as in a POSIX shell. Raises ValueError."""
    return shlex.split(line)


def placeholders(line: str) -> list[str]:
    """The names in braces, in order."""
    return [match[2] for match in PLACEHOLDER.finditer(line) if match[2]]


def steps_in(line: str) -> tuple[str, ...]:
    """The steps whose folders a command line names, each once."""
    return tuple(dict.fromkeys(name.removeprefix(STEP) for name in placeholders(line) if name.startswith(STEP)))


def arguments(line: str, knobs: Mapping[str, Knob], values: Mapping[str, Scalar], given: Mapping[str, str]) -> list[str]:
    """The command's words with the knobs' `values` and what the harness has `given` ({seed} and the like) filled in.

    `{knobs}` becomes an argument for each knob that the line does not name itself.
    """
    named = set(placeholders(line))
    texts = {**{name: printed(value) for name, value in values.items()}, **given}
    found: list[str] = []
    for word in words_of(line):
        if word == ALL_KNOBS:
            for name, knob in knobs.items():
                if name not in named:
                    found += option(name, knob, values[name])
        elif (only := PLACEHOLDER.fullmatch(word)) and only[2] in knobs and _is_switch(knobs[only[2]]):
            found += option(only[2], knobs[only[2]], values[only[2]])
        else:
            found.append(PLACEHOLDER.sub(lambda match: "{" + match[1] + "}" if match[1] else texts[match[2]], word))
    return found


def option(name: str, knob: Knob, value: Scalar) -> list[str]:
    """A knob as `{knobs}` writes it: `--name=value`, `flag=value`, or the bare flag of a boolean, which may be no word at all."""
    if _is_switch(knob):
        on, _, off = (knob.flag or "").partition("/")
        chosen = on if value else off
        return [chosen] if chosen else []
    return [f"{knob.flag or '--' + name}={printed(value)}"]


def printed(value: Scalar) -> str:
    """A value as an argument: a float as Python writes it (0.0, 0.001), a boolean as True or False."""
    return repr(value + 0.0) if isinstance(value, float) else str(value)


def _is_switch(knob: Knob) -> bool:
    return isinstance(knob.default, bool) and knob.flag is not None
