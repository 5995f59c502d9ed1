"""The choices of command-line options and of the Python arguments of the same names."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from harness.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
Keep = Literal["weights"]
Requirement = Literal["supported", "not-refuted"]
Style = Literal["argparse", "hydra", "absl"]
Track = Literal["auto", "wandb", "none"]
Workers = int | Literal["auto"]
Upload = Literal["weights", "predictions", "report"]

MOST_WORKERS = 256  # of one command
MOST_SHARED = 64  # workers on one GPU


class Retry(StrEnum):
    """Results of runs that may be trained again. An enum, because typer does not accept a list of Literal."""

    FAILED = "failed"
    DIVERGED = "diverged"


def check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    """Raises InputError when `value` is not among `choices`."""
    words = list(choices)
    if value not in words:
        raise InputError(f"invalid value for {option}: {value!r}; choose from: {', '.join(words)}")


def check_workers(value: object) -> Workers:
    """A number of workers, `auto`, or the text of a number. Raises InputError for others."""
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    if number == "auto":
        return "auto"
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= MOST_WORKERS:
        return number
    raise InputError(f"invalid value for --workers: {value!r}; expected a number from 1 to {MOST_WORKERS}, or auto")
