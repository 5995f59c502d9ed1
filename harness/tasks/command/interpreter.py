"""Words of a command -> which Python runs it, as far as the words and the first lines of scripts tell. Starts nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

PYTHON = re.compile(r"(?:python|pypy)[\d.]*t?")
PATH_FLAGS = re.compile(r"-[bBdEIisSuPvqxO]+")  # options of Python without a value; E, I, s, S and P change what it can import
WITH_VALUE = ("-W", "-X")
SHELLS = {"sh", "bash", "dash", "zsh", "ksh", "fish", "csh", "tcsh", "make"}
# Commands that choose an interpreter by rules of their own. Some are Python scripts themselves, of another environment.
LAUNCHERS = {
    *("uv", "uvx", "poetry", "pdm", "hatch", "pipenv", "pipx", "rye", "pixi", "conda", "mamba", "micromamba", "tox", "nox"),
    *("srun", "mpirun", "mpiexec", "horovodrun", "ssh", "sudo", "xvfb-run", "nix", "nix-shell", "guix"),
}
NO_PYTHON = {"--no-python", "--no_python"}  # of torchrun and accelerate: the script is not started by their interpreter
PIPS_SHEBANG = re.compile(r"'''exec' (\"[^\"]+\"|\S+) ")  # how pip starts an interpreter whose path is too long for `#!`
DEEPEST = 5  # scripts that name scripts


@dataclass(frozen=True)
class Start:
    """How a command starts. `python`: the words that start its interpreter, None if that is not known or not Python.

    Else `why` says so, `executable` is what runs, and `shell` whether that is a shell, which may start any python on PATH.
    """

    python: tuple[str, ...] | None = None
    why: str = ""
    executable: str | None = None
    shell: bool = False


def start_of(words: Sequence[str], directory: Path, path: str, depth: int = 0) -> Start:
    """Follow env, nice and nohup, and the `#!` of scripts, to an interpreter. `path`: the program's PATH."""
    name = Path(words[0]).name
    found = _find(words[0], directory, path)
    if NO_PYTHON & {*words}:
        return Start(why=f"started through {name}", executable=found)
    if PYTHON.fullmatch(name):
        return Start(python=(words[0], *_path_flags(words[1:])))
    if name == "env":
        return _through_env(words, directory, path, depth)
    if name in ("nice", "nohup") and (rest := _after_nice(words) if name == "nice" else words[1:]):
        return start_of(rest, directory, path, depth)
    if name in LAUNCHERS:
        return Start(why=f"started through {name}", executable=found)
    if name in SHELLS:
        return Start(why=f"started through {name}", executable=found, shell=True)
    line, second = _first_lines(found)
    if line.startswith("#!") and depth < DEEPEST:
        # As the kernel: one interpreter, at most one argument, the script.
        interpreter = [*line[2:].strip().split(maxsplit=1), found or words[0], *words[1:]]
        if pips := PIPS_SHEBANG.match(second):
            interpreter = [pips[1].strip('"'), *interpreter[1:]]
        inner = start_of(interpreter, directory, path, depth + 1)
        return replace(inner, why=f"{name} is started through {inner.why.rpartition(' ')[2]}") if inner.shell else inner
    return Start(why=f"{name} is not known to be Python", executable=found)


def _find(program: str, directory: Path, path: str) -> str | None:
    """The file that is started, as an absolute path."""
    found = shutil.which(str(directory / program) if os.sep in program else program, path=path)
    return None if found is None else os.path.abspath(directory / found)  # noqa: PTH100 - without resolving links


def _path_flags(words: Sequence[str]) -> list[str]:
    """The options between `python` and its script, without those that take values."""
    found, waiting = [], iter(words)
    for word in waiting:
        if word in WITH_VALUE:
            next(waiting, None)
        elif PATH_FLAGS.fullmatch(word):
            found.append(word)
        elif not word.startswith(WITH_VALUE):
            break
    return [word for word in found if set(word) & set("EIsSP")]


def _through_env(words: Sequence[str], directory: Path, path: str, depth: int) -> Start:
    """`env [OPTION]… [NAME=VALUE]… COMMAND`; as a `#!` also `env -S COMMAND`."""
    place = 1
    while place < len(words):
        word = words[place]
        if word in ("-S", "--split-string") or word.startswith(("-S", "--split-string=")):
            text = " ".join(words[place:]).removeprefix("--split-string").removeprefix("-S").lstrip("= ")
            return start_of(text.split(), directory, path, depth) if text.strip() else Start(why="started through env")
        if word in ("-u", "--unset", "-C", "--chdir"):
            place += 2
        elif word.startswith("-") or "=" in word:
            path = word.removeprefix("PATH=") if word.startswith("PATH=") else path
            place += 1
        else:
            inner = start_of(words[place:], directory, path, depth)
            # The interpreter of `env` gets the same variables when it is asked.
            return replace(inner, python=(*words[:place], *inner.python)) if inner.python else inner
    return Start(why="started through env")


def _after_nice(words: Sequence[str]) -> Sequence[str]:
    if words[1:2] in (["-n"], ["--adjustment"]):
        return words[3:]
    return words[2:] if len(words) > 1 and words[1].startswith("-") else words[1:]


def _first_lines(file: str | None) -> tuple[str, str]:
    try:
        with Path(file or "").open("rb") as stream:
            lines = stream.read(4096).decode(errors="replace").split("\n")
    except OSError:
        return "", ""
    return lines[0], lines[1] if len(lines) > 1 else ""
