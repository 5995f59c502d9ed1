"""The exceptions, and the exit codes of commands.

HarnessError                    a message for users; `exit_code` is what a command returns
├── InputError                  2   invalid YAML, option or name: every `Problem` found
├── DataError                   2   a data set is missing, truncated or not the planned one
├── StoreError                  2   a results folder cannot be read or written, or a file in it is damaged
├── PlanChanged                 2   the plan on disk differs from the requested one; lists the differences
├── DeviceError                 2   this machine lacks the accelerator or precision
├── PackageError                2   an optional package is not installed, or cannot be imported
└── Interrupted                75   stopped on request; the same command resumes
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

EXIT_OK = 0
EXIT_RUNS_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_NOT_MET = 3  # of commands with --require: everything has finished, and a claim does not meet it
EXIT_INTERRUPTED = 75
# Between a worker and its parent, instead of 1: Python itself exits with 1 when it cannot start. Workers have no --require.
EXIT_WORKER_RUNS_FAILED = 3
SEVERITY = (EXIT_OK, EXIT_RUNS_FAILED, EXIT_INTERRUPTED, EXIT_BAD_INPUT)  # most severe last


@dataclass(frozen=True, order=True)
class Position:
    """File (as the user named it), line and column from 1; line 0: a command-line value."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, order=True)
class Problem:
    """One error in the input: position, configuration path, and a message with the fix."""

    at: Position
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.at}: {self.path}: {self.message}" if self.path else f"{self.at}: {self.message}"


class HarnessError(Exception):
    """A message for users. Commands print it without a traceback and return `exit_code`."""

    exit_code = EXIT_BAD_INPUT


class InputError(HarnessError):
    """Invalid input: every problem found, in the order of the file."""

    def __init__(self, problems: Iterable[Problem] | str) -> None:
        if isinstance(problems, str):
            self.problems: tuple[Problem, ...] = ()
            super().__init__(problems)
            return
        self.problems = tuple(sorted(dict.fromkeys(problems)))
        count = len(self.problems)
        lines = [str(problem) for problem in self.problems]
        lines.append(f"{count} problem{'s' if count != 1 else ''}; nothing was started")
        super().__init__("\n".join(lines))


class DataError(HarnessError):
    """A data set is missing, truncated, or not the one the plan was made for."""


class StoreError(HarnessError):
    """The results folder cannot be used; names the file and the fix."""


class PlanChanged(HarnessError):
    """The plan on disk differs from the requested one; lists the differences and the fix."""


class DeviceError(HarnessError):
    """The requested accelerator or precision is not available."""


class PackageError(HarnessError):
    """An optional package is not installed or cannot be imported; says what for, and what to install."""


class Interrupted(HarnessError):
    """Stopped on request; all progress is saved."""

    exit_code = EXIT_INTERRUPTED
