"""A command line -> the first part of it that only a shell would understand. Pure.

`shlex.split` forgets quotes, so `a '&&' b` and `a && b` are the same words for it. Here quotes count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

OPERATOR = re.compile(r"&&|\|\|?&?|;|&|\(|\)")  # as a whole word
REDIRECTION = re.compile(r"(\d*|&)(>[>|&]?|<[<&>]?)\S*")  # as the beginning of a word
EXPANSION = re.compile(r"\$[A-Za-z_{(]|`")
CODE = re.compile(r"-[A-Za-z]*c")  # the option of a shell or of Python before a program's text


@dataclass(frozen=True)
class Word:
    """A word of a command line as written, and what of it is unquoted, and what a shell would expand: all but '…' and \\x."""

    text: str
    unquoted: str
    expanded: str


def shell_syntax(line: str) -> str | None:
    """The first word with an operator, a redirection or a variable as in a shell; None: there is none.

    Quotes make it an ordinary argument: operators in '…' and "…", variables in '…'. The text after `-c` is left alone if it is
    quoted: whoever runs it is the shell.
    """
    before = ""
    for word in _words(line):
        operator = OPERATOR.fullmatch(word.text) or word.text.endswith((";", "&&", "||"))
        if (operator and word.unquoted == word.text) or REDIRECTION.match(word.text):
            return word.text
        quoted = word.text[:1] in "\"'" and CODE.fullmatch(before)
        if not quoted and EXPANSION.search(word.expanded):
            return word.text
        before = word.text
    return None


def _words(line: str) -> Iterator[Word]:
    """The words, split as `shlex.split` does. Raises ValueError for an open quote, which `shlex.split` reports better."""
    part = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|([^\s'"\\]+)""", re.DOTALL)
    place = 0
    while place < len(line):
        if line[place].isspace():
            place += 1
            continue
        begin, unquoted, expanded = place, "", ""
        while place < len(line) and not line[place].isspace():
            match = part.match(line, place)
            if match is None:
                raise ValueError("no closing quotation")
            if match[4] is not None:
                unquoted, expanded = unquoted + match[4], expanded + match[4]
            elif match[2] is not None:
                expanded += re.sub(r"\\.", "", match[2])
            place = match.end()
        yield Word(line[begin:place], unquoted, expanded)
