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
Upload = Literal["weights", "predictions", "report"]


class Retry(StrEnum):
    """Results of runs that may be trained again. An enum, because typer does not accept a list of Literal."""

    FAILED = "failed"
    DIVERGED = "diverged"


def check_choice(option: str, value: str, choices: Iterable[str]) -> None:
    """Raises InputError when `value` is not among `choices`."""
    words = list(choices)
    if value not in words:
        raise InputError(f"invalid value for {option}: {value!r}; choose from: {', '.join(words)}")
