"""The words of a command: which are files, modules, code, and values of options."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path, PurePath

from harness.tasks.command.inputs.files import Kind, is_file, is_folder, is_installed
from harness.tasks.command.inputs.shell import SHELLS, SOURCING

PYTHON = re.compile(r"(?:python|pypy)[\d.]*|\{python\}|\0python")  # or the placeholder, or what stands for it
INLINE = re.compile(r"-[a-z]*c")  # of a shell or Python: the next word is code
WRITTEN = re.compile(
    r"out|save|log|work|result|cache|checkpoint|ckpt|PYTHONPATH", re.IGNORECASE
)  # options whose folders are written
MODULE_OPTIONS = ("-m", "--module")


def named_files(words: Sequence[str], directory: Path) -> tuple[str, ...]:
    """The words, and parts of words after `=` or a leading `@`, that are files, each once; compiled programs are left out."""
    texts = (text for word in words for text in parts_of(word) if text and text[0] != "-")
    return tuple(dict.fromkeys(text for text in texts if is_file(directory / text) and not is_installed(text)))


def parts_of(word: str) -> tuple[str, ...]:
    """What may be the name of a file in a word: itself, what follows its `=`, or its leading `@`."""
    return word, word.partition("=")[2], at_file(word)


def at_file(word: str) -> str:
    """What follows a leading `@`, by which argparse reads arguments from a file; empty if there is none."""
    return word[1:] if word.startswith("@") else ""


def options_of(words: Sequence[str], names: Sequence[str]) -> list[tuple[str, str]]:
    """The options among `names` with their values, which are the next word or follow a `=`."""
    found = [(before, word) for before, word in pairwise(words) if before in names]
    return found + [(name, value) for name, equals, value in (word.partition("=") for word in words) if equals and name in names]


def data_folders(words: Sequence[str], directory: Path) -> Iterator[str]:
    """The folders that words name, but those for output, and those that contain `directory`."""
    for before, word in pairwise(("", *words)):
        name, equals, value = word.partition("=")
        option, text = (name, value) if equals else (before, word)
        if text and not WRITTEN.search(option) and is_folder(directory / text):
            contains = Path(os.path.normpath(directory)).is_relative_to(os.path.normpath(directory / text))
            yield from () if contains else (text,)


def modules_of(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """The parts of the names of modules that are started: `-m a.b`, `-ma.b`, `--module=a.b`."""
    names = [value for _, value in options_of(words, MODULE_OPTIONS)]
    names += [word[2:] for word in words if word.startswith("-m") and len(word) > 2]
    for parts in (name.split(".") for name in names):
        if all(part.isidentifier() for part in parts):
            yield tuple(parts)


def inline_code(words: Sequence[str]) -> Iterator[tuple[Kind, str]]:
    """The code of `bash -c CODE` and `python -c CODE`."""
    program = ""
    for place, (before, word) in enumerate(pairwise(words)):
        program = program if before.startswith("-") else before
        kind = _interpreted(program)
        if kind is not None and INLINE.fullmatch(word) and place + 2 < len(words):
            yield kind, words[place + 2]


def kind_by_interpreter(text: str, words: Sequence[str]) -> Kind | None:
    """What a file is that follows the name of its interpreter."""
    if text not in words:
        return None
    before = [word for word in words[: words.index(text)] if not word.startswith("-")]
    return _interpreted(before[-1]) if before else None


def has_arguments(path: Path, words: Sequence[str]) -> bool:
    """Whether a word says that arguments are read from the file: `@FILE`, `--flagfile=FILE`."""
    named = [at_file(word) for word in words] + [value for _, value in options_of(words, ("--flagfile",))]
    return path.name in {PurePath(each).name for each in named if each}


def _interpreted(program: str) -> Kind | None:
    name = PurePath(program).name or program
    return "shell" if name in SHELLS | SOURCING else "python" if PYTHON.fullmatch(name) else None
