"""The words that an option, or the argument of the same name in Python, chooses from; and how another word is refused."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

from harness.errors import InputError

Device = Literal["auto", "cpu", "cuda"]
Keep = Literal["weights"]
Track = Literal["auto", "wandb", "none"]
Upload = Literal["weights", "predictions", "report"]


class Retry(StrEnum):
    """The results of runs that may be trained again. An enum, as typer takes no list of Literal."""

    FAILED = "failed"
    DIVERGED = "diverged"


def check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    """Raises InputError when `value` is not among `choices`."""
    words = list(choices)
    if value not in words:
        raise InputError(f"invalid value for {option}: {value!r}; choose from {', '.join(words)}")
