"""Command line with placeholders and values -> arguments. No shell: each word stays one argument, whatever its value."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping

from harness.common.choices import Style
from harness.tasks.command.model import Knob, Value
from harness.tasks.command.styles import in_style, is_switch, option, printed

# `{name}` is replaced, `{{name}}` is a literal `{name}`; other braces are literal, as in JSON.
# `{steps.name}` is the folder of an earlier step.
NAME = r"[A-Za-z][\w-]*(?:[./][\w-]+)*"
PLACEHOLDER = re.compile(rf"\{{\{{({NAME})\}}\}}|\{{({NAME})\}}")
OVERRIDE = re.compile(rf"[^-=][^=]*=\{{({NAME})\}}")  # key={name}: the placeholder is the whole value
ALL_KNOBS = "{knobs}"
STEP = "steps."  # before the name of a step in a placeholder
OF_THE_START = ("host", "port")  # known when the program starts; unless knobs have these names


def words_of(line: str) -> list[str]:
    """The words of a command line, quotes and backslashes as in a POSIX shell. Raises ValueError."""
    return shlex.split(line)


def placeholders(line: str) -> list[str]:
    """The names in braces, in order."""
    return [match[2] for match in PLACEHOLDER.finditer(line) if match[2]]


def filled(line: str, texts: Mapping[str, str]) -> str:
    """A command line with some of its placeholders replaced by `texts`, words without spaces and quotes."""
    return PLACEHOLDER.sub(lambda match: texts.get(match[2] or "", match[0]), line)


def steps_in(line: str) -> tuple[str, ...]:
    """The steps whose folders a command line names, each once."""
    return tuple(dict.fromkeys(name.removeprefix(STEP) for name in placeholders(line) if name.startswith(STEP)))


def arguments(
    line: str,
    knobs: Mapping[str, Knob],
    values: Mapping[str, Value],
    given: Mapping[str, str],
    style: Style = "argparse",
) -> list[str]:
    """The command's words with the knobs' `values` and what the harness has `given` ({seed} and the like) filled in.

    `{knobs}` becomes an option for each knob that the line does not name itself. A word that is one placeholder becomes as many
    words as the list has entries, if the style writes lists so. Hydra's quotes are added only where a placeholder is all that
    follows `key=`: elsewhere they would become part of the value.
    """
    named = set(placeholders(line))
    texts = {**{name: printed(value) for name, value in values.items()}, **given}
    found: list[str] = []
    for word in words_of(line):
        only = PLACEHOLDER.fullmatch(word)
        name = (only[2] if only else None) or ""
        if word == ALL_KNOBS:
            for each, knob in knobs.items():
                if each not in named:
                    found += option(each, knob, values[each], style)
        elif name in knobs and is_switch(knobs[name], style):
            found += option(name, knobs[name], values[name], style)
        elif name in knobs and style == "argparse" and isinstance(value := values[name], tuple):
            found += map(printed, value)
        else:
            found.append(_filled(word, texts, values, style))
    return found


def _filled(word: str, texts: Mapping[str, str], values: Mapping[str, Value], style: Style) -> str:
    override = OVERRIDE.fullmatch(word) if style == "hydra" else None

    def text(name: str) -> str:
        if name in values and (override or style == "absl"):
            return in_style(values[name], style)
        # A seed is a number; a path may need quotes.
        return in_style(texts[name], style) if override and not texts[name].isdecimal() else texts[name]

    def replaced(match: re.Match[str]) -> str:
        if match[1]:
            return f"{{{match[1]}}}"
        return text(match[2]) if match[2] in texts else match[0]  # {a.b} in a plan made before names had dots

    return PLACEHOLDER.sub(replaced, word)
