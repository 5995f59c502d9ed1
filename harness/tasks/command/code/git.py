"""Calls git. No call runs hooks of the user, waits for input, or follows variables that a hook has set."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from harness.errors import InputError

LINK, SYMLINK = "160000", "120000"  # modes of submodules and links in a tree or an index
LEAST = (2, 30)  # has `worktree repair`
OPTIONS = (
    "--no-optional-locks",
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.splitIndex=false"),
    *("-c", "core.untrackedCache=false"),
    *("-c", "worktree.useRelativePaths=false"),
    *("-c", "core.sparseCheckout=false"),  # a version is checked out as a whole
    *("-c", "core.safecrlf=false"),
    *("-c", "core.ignoreStat=false"),
    *("-c", "core.quotePath=false"),
    *("-c", "submodule.recurse=false"),
    *("-c", "advice.detachedHead=false"),
    *("-c", "log.showSignature=false"),
    *("-c", "color.ui=false"),
    *("-c", "i18n.logOutputEncoding=UTF-8"),
)
# Set by git for its hooks, which may start the harness: where the repository of the hook is.
PLACES = re.compile(
    r"GIT_(DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|NAMESPACE|PREFIX|INTERNAL_\w+|"
    r"GRAFT_FILE|IMPLICIT_WORK_TREE|SHALLOW_FILE|QUARANTINE_PATH)"
)
# They change what git answers: `git -c`, what patterns of paths mean, what differs.
SETTINGS = re.compile(
    r"GIT_(CONFIG(_PARAMETERS|_COUNT|_KEY_\d+|_VALUE_\d+)?|NO_REPLACE_OBJECTS|REPLACE_REF_BASE|AUTHOR_\w+|COMMITTER_\w+|"
    r"\w+_PATHSPECS|ATTR_\w+|EXTERNAL_DIFF|DIFF_OPTS)"
)


class GitError(Exception):
    """A call of git failed; the text is what git says."""


def git(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None, data: bytes | None = None) -> str:
    """What git prints in `folder`, without the last line end; bytes that are not UTF-8 as surrogates.

    Raises GitError; InputError if git is missing or too old, or does not trust the folder.
    """
    _require()
    environment = variables_of_git() | {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    environment |= variables or {}
    try:
        process = subprocess.run(
            ["git", *OPTIONS, *arguments],
            cwd=folder,
            env=environment,
            input=b"" if data is None else data,
            capture_output=True,
            check=False,
        )
    except (FileNotFoundError, NotADirectoryError) as error:
        raise GitError(f"no such folder: {folder}") from error
    except OSError as error:
        raise GitError(f"{error.strerror or error}: {folder}") from error
    if process.returncode != 0:
        said = process.stderr.decode(errors="replace").strip()
        if "dubious ownership" in said:
            raise InputError(
                f"{folder}: git does not read this repository, as it belongs to another user; "
                f"use: git config --global --add safe.directory {folder}"
            )
        raise GitError(said or f"git {arguments[0]} ended with exit code {process.returncode}")
    return process.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


def without_places(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of a program that may call git, without those by which git would use the repository of a hook."""
    return {name: value for name, value in environment.items() if not PLACES.fullmatch(name)}


def variables_of_git() -> dict[str, str]:
    """The variables of this process with which git answers as without a hook and settings in variables."""
    return {name: value for name, value in without_places(os.environ).items() if not SETTINGS.fullmatch(name)}


def found(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> str | None:
    """What git prints; None if it fails."""
    try:
        return git(folder, *arguments, variables=variables)
    except GitError:
        return None


def listed(folder: Path, *arguments: str, variables: Mapping[str, str] | None = None) -> list[str]:
    """The entries that a command with `-z` prints. Raises as `git`."""
    return [entry for entry in git(folder, *arguments, variables=variables).split("\0") if entry]


def printable(text: str) -> str:
    """A name or text of git's as valid Unicode."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@cache
def _require() -> None:
    """Raises InputError without a usable git."""
    least = ".".join(map(str, LEAST))
    try:
        said = subprocess.run(["git", "version"], capture_output=True, text=True, check=False).stdout
    except OSError as error:
        raise InputError(f"versions of code need git {least} or later, which is not installed here; install git") from error
    numbers = re.search(r"(\d+)\.(\d+)", said)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < LEAST:
        raise InputError(f"versions of code need git {least} or later, not {said.strip() or 'an unknown one'}; update git")
