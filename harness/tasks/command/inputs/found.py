"""An input of a program, and how it was found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

# `by` is the file in whose text it was found; "" for the command itself.
How = Literal["listed", "setting", "named", "imported", "started", "hydra"]
YAML_BELOW = "/**/*.yaml"  # the end of the name of an input that stands for all YAML files below a folder


@dataclass(frozen=True)
class Found:
    """A file, a folder, or the YAML files below a folder (`FOLDER/**/*.yaml`); names as in a fingerprint."""

    name: str
    how: How
    by: str = ""

    @property
    def reason(self) -> str:
        """How it was found, in words."""
        by = self.by or "the command"
        match self.how:
            case "listed":
                return "listed in inputs"
            case "setting":
                return "named by a setting"
            case "hydra":
                return f"Hydra configuration of {by}" if self.by else f"configuration folder of {by}"
            case _:
                return f"{self.how} by {by}"


@dataclass(frozen=True)
class Unknown:
    """Something that could not be followed: `text` is a clause, `name` that of the file, if it is known."""

    text: str
    name: str = ""


@dataclass(frozen=True)
class Detected:
    """What a search for inputs found, in the order in which it was found, and what it could not follow."""

    found: tuple[Found, ...] = ()
    unknown: tuple[Unknown, ...] = ()


def merged(several: Iterable[Detected]) -> Detected:
    """All that was found in any of them, each once."""
    found: dict[str, Found] = {}
    unknown: dict[Unknown, None] = {}
    for each in several:
        for one in each.found:
            found.setdefault(one.name, one)
        unknown.update(dict.fromkeys(each.unknown))
    return Detected(tuple(found.values()), tuple(unknown))
