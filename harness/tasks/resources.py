"""What one run needs of a machine: GPUs, processors, memory, nodes. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator

MEMORY = re.compile(r"(\d+)([KMGT])", re.ASCII)
UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


class Resources(BaseModel):
    """What a run needs on each of its nodes. A field that is None is not requested: the place where it runs decides."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    gpus: Annotated[int, Field(ge=0, le=1024)] | None = Field(
        None, description="GPUs on each node; default: 1 where it trains on GPUs"
    )
    cpus: Annotated[int, Field(ge=1, le=65536)] | None = Field(
        None, description="processors on each node; default: an equal share"
    )
    memory: str | None = Field(None, description="memory on each node, such as 64G")
    nodes: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="nodes; more than 1 needs a cluster; default: 1"
    )

    @field_validator("memory", mode="before")  # also of a number, which lacks a unit
    @classmethod
    def _is_a_size(cls, value: object) -> object:
        if value is not None and (not (found := MEMORY.fullmatch(str(value))) or int(found[1]) == 0):
            raise ValueError(f"{value!r} is not an amount of memory; expected a number with K, M, G or T, such as 64G")
        return value

    @property
    def memory_bytes(self) -> int | None:
        """Bytes; None: not requested."""
        found = MEMORY.fullmatch(self.memory or "")
        return int(found[1]) * UNITS[found[2]] if found else None

    def over(self, below: Resources) -> Resources:
        """These, with what they do not request from `below`."""
        return Resources.model_validate({**below.requested, **self.requested})

    @property
    def requested(self) -> dict[str, int | str]:
        """Name -> value of what is requested."""
        return {name: value for name, value in self if value is not None}


NOTHING = Resources()
IN_COMMANDS = {
    "gpus": 1,
    "cpus": None,
    "nodes": 1,
}  # placeholder -> its value where nothing requests one; None: must be requested


@dataclass(frozen=True)
class Request:
    """Marks a field of a configuration that is a request, because the command line of the program contains its value."""


def requests_in(model: type[BaseModel]) -> tuple[str, ...]:
    """The names of the resources that are part of a configuration, as the fields `field_of(name)`."""
    fields = model.model_fields
    return tuple(
        name
        for name in IN_COMMANDS
        if (info := fields.get(field_of(name))) and any(isinstance(m, Request) for m in info.metadata)
    )


def field_of(name: str) -> str:
    """The field of a program's configuration that holds the resource `name`."""
    return f"resources.{name}"


def largest(of: Iterable[Resources]) -> Resources:
    """Of each resource the largest request: enough for each of them.

    Who requests no number of GPUs needs one where it trains on GPUs, so requests of 0 do not speak for it.
    """
    each = tuple(of)

    def most(name: str) -> int | None:
        return max((value for one in each if (value := getattr(one, name)) is not None), default=None)

    gpus = most("gpus") or None if any(one.gpus is None for one in each) else most("gpus")
    memory = max((one for one in each if one.memory is not None), key=lambda one: one.memory_bytes or 0, default=NOTHING).memory
    return Resources(gpus=gpus, cpus=most("cpus"), memory=memory, nodes=most("nodes"))
