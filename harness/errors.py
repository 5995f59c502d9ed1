"""The error tree: what may go wrong, what it prints, and which exit code it ends with.

HarnessError                    a message for people; `exit_code` is what a command returns
├── InputError                  2   the YAML, a flag or a name: one or more `Problem`s, all found at once
├── DataError                   2   a data set that is missing, truncated or not what the plan names
├── StoreError                  2   a results folder that cannot be read or written, or a file in it that is damaged
├── PlanChanged                 2   the plan on disk and the one asked for differ; says how
├── DeviceError                 2   an accelerator or precision that this machine lacks
└── Interrupted                75   stopped on request; start it again and it goes on
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

EXIT_OK = 0
EXIT_RUNS_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 75
# What a worker says to whoever started it in the place of 1, with which Python itself ends when it cannot start.
EXIT_WORKER_RUNS_FAILED = 3
SEVERITY = (EXIT_OK, EXIT_RUNS_FAILED, EXIT_INTERRUPTED, EXIT_BAD_INPUT)  # the gravest last


@dataclass(frozen=True, order=True)
class Position:
    """A place in a text: file (as the user named it) with line and column from 1; line 0 for a command-line value."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong with the input: where, at which path, what, and what is allowed."""

    at: Position
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.at}: {self.path}: {self.message}" if self.path else f"{self.at}: {self.message}"


class HarnessError(Exception):
    """A message for people. Commands print it without a traceback and return `exit_code`."""

    exit_code = EXIT_BAD_INPUT


class InputError(HarnessError):
    """Bad input: every problem found, in the order of the file."""

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
    """The results folder cannot be used as it is; names the file and what to do."""


class PlanChanged(HarnessError):
    """The plan on disk was made from something else; shows the difference and the way on."""


class DeviceError(HarnessError):
    """The accelerator or precision that was asked for is not there."""


class Interrupted(HarnessError):
    """Stopped on request with everything kept."""

    exit_code = EXIT_INTERRUPTED
