"""What an experiment file may hold at its top level: pydantic models, from which harness/schema.json is made too."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from harness.claims import Level
from harness.command.model import Program

MAX_VARIANTS = 500
MAX_SEEDS = 1000  # seeds of searches and tuning start there
LABEL = r"^(?![. ])[A-Za-z0-9 _.,=+-]{1,80}(?<! )$"
LABEL_WORDS = "letters, digits and ' _.,=+-', at most 80, no leading dot, no space at the ends"

Design = Literal["grid", "zip", "one_at_a_time", "leave_one_out", "add_one_in", "both"]
Text = Annotated[str, Field(min_length=1)]
Patch = Annotated[
    dict[str, Any] | None, Field(description="configuration keys, dotted for a leaf or whole blocks; empty: the base")
]
SeedCount = Annotated[int, Field(ge=1, le=MAX_SEEDS)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Looks(_Strict):
    """Numbers of seeds at which the claims are judged and training may stop."""

    looks: tuple[Annotated[int, Field(ge=2, le=MAX_SEEDS)], ...] = Field(min_length=1)

    @field_validator("looks")
    @classmethod
    def _increasing(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if any(later <= earlier for earlier, later in itertools.pairwise(value)):
            raise ValueError(f"{list(value)} does not increase; allowed: increasing numbers of seeds, such as [3, 5, 8, 12, 20]")
        return value


class Tune(_Strict):
    """Each variant gets its best setting first, by validation, on seeds of its own."""

    space: dict[str, Annotated[tuple[Level, ...], Field(min_length=2)]] = Field(min_length=1)
    seeds: Annotated[int, Field(ge=1, le=100)] = 1


class Profile(_Strict):
    """A partial file: what it names takes the place of the file's; its config is laid over the file's."""

    config: dict[str, Any] | None = None
    variants: dict[str, Patch] | None = Field(None, min_length=1)
    factors: dict[str, tuple[Any, ...] | dict[str, Patch]] | None = Field(None, min_length=1)
    components: dict[str, Patch] | None = Field(None, min_length=1)
    design: Design | None = None
    baseline: Text | None = None
    seeds: SeedCount | Looks | None = Field(None, description="a number of seeds, or looks")
    margin: float | None = Field(
        None, gt=0, description="a difference below this was declared not to matter, in the metric's unit"
    )
    alpha: float | None = Field(None, gt=0, lt=0.5)
    claims: tuple[Any, ...] | None = None
    tune: Tune | None = None


class ExperimentFile(Profile):
    """One experiment: a question, a design, seeds, claims."""

    question: Text | None = None
    source: Text | None = Field(None, description="the sentence that is put to the test, quoted")
    task: Text | Program | None = Field(None, description="default: cifar_resnet; package.module:Object; or a program")
    extends: Text | None = Field(None, description="a file whose task, config and profiles are inherited; relative to this one")
    profiles: Mapping[str, Profile] | None = None


DESIGN_KEYS = ("variants", "factors", "components")
