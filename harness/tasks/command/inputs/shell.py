"""Shell script -> the words of each of its commands, as far as they are known without running it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping

SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
SOURCING = frozenset({"source", "."})
ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^{}$]*))?\})")
# The script itself, and its folder, however they are spelled.
SELF = r"\"?\$\{?(?:0|BASH_SOURCE(?:\[0\])?)\}?\"?"
REAL = re.compile(rf"\$\(\s*(?:realpath|readlink\s+-f)\s+(?:--\s+)?{SELF}\s*\)")
HERE = re.compile(rf"\$\(\s*dirname\s+(?:--\s+)?\"?{SELF}\"?\s*\)|`\s*dirname\s+{SELF}\s*`|\$\{{0%/\*\}}")
PWD = re.compile(r"\$\(\s*cd\s+(?:--\s+)?\"?([^\"$();&|]*)\"?\s*(?:>\s*/dev/null\s*(?:2>&1)?\s*)?&&\s*pwd(?:\s+-P)?\s*\)")
MOST_LINES = 200  # of one quotation
END = re.compile(r"[;&|()]+")
OUTPUT = re.compile(r"&?>[>|&]*")
DESCRIPTORS = ("1", "2")  # before a redirection
DECLARING = frozenset({"export", "readonly", "local", "declare"})
WRITING = frozenset({"tee", "touch", "mkdir", "rm"})  # commands whose words are not inputs


def commands_of(text: str, folder: str, variables: Mapping[str, str] | None = None) -> Iterator[list[str]]:
    """The words of each simple command, without what it is redirected to; `folder` is that of the script.

    Variables that the script assigns before are substituted, as are `variables`; other $NAMES stay in the words.
    """
    known = dict(variables or {})
    for line in _lines(text):
        plain = PWD.sub(r"\1", HERE.sub(lambda _: folder, REAL.sub("$0", line)))
        for words in _split(plain):
            own = list(_expanded(words, known))
            if not own or own[0] in WRITING:
                continue
            start = 1 if own[0] in DECLARING else 0
            for word in own[start:]:
                if (assigned := ASSIGNMENT.fullmatch(word)) is None:
                    break
                known[assigned[1]] = assigned[2]
                if "$" in assigned[2]:
                    del known[assigned[1]]
            yield own


def _lines(text: str) -> Iterator[str]:
    """Lines with their continuations, and as many more as an open quote needs."""
    waiting = ""
    for line in text.replace("\\\n", " ").splitlines():
        waiting += line
        try:
            shlex.split(waiting, comments=True)
        except ValueError:  # an open quote
            waiting += "\n"
            if waiting.count("\n") < MOST_LINES:
                continue
        yield waiting
        waiting = ""
    yield from waiting.splitlines()  # what looked like a quote was none


def _split(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        tokens = list(lexer)
    except ValueError:
        tokens = re.sub(r"[\"'`]", " ", line).split()
    words: list[str] = []
    written = False
    for token in tokens:
        if written:
            written = False
        elif OUTPUT.fullmatch(token):
            written = True
            words = words[:-1] if words and words[-1] in DESCRIPTORS else words
        elif END.fullmatch(token):
            yield words
            words = []
        elif not token.startswith("<"):
            words.append(token)
    yield words


def _expanded(words: list[str], known: Mapping[str, str]) -> Iterator[str]:
    for word in words:
        text = VARIABLE.sub(lambda found: known.get(found[1] or found[2], found[0] if found[3] is None else found[3]), word)
        if text != word and not ASSIGNMENT.fullmatch(word):
            yield from text.split()  # a variable may hold several arguments
        else:
            yield text
