"""Pydantic models of the top level of an experiment file; harness/schema.json is generated from them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from harness.common.durations import PositiveDuration
from harness.experiment.claims import Levels
from harness.tasks.command.model import Program
from harness.tasks.resources import Resources

MAX_VARIANTS = 500
MAX_SEEDS = 100_000
TUNING_SEED = 1000  # first seed of tuning and searches; the evidence of an experiment that is tuned uses lower ones
LABEL = r"^(?![. ])[A-Za-z0-9 _.,=+/-]{1,80}(?<! )$"
LABEL_WORDS = "letters, digits and ' _.,=+-/', at most 80, no leading dot, no space at the ends"

Design = Literal["grid", "zip", "one_at_a_time", "leave_one_out", "add_one_in", "both"]
Text = Annotated[str, Field(min_length=1)]
Tag = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}$")]
Patch = Annotated[
    dict[str, Any] | None, Field(description="configuration keys, dotted for a leaf or whole blocks; empty: the base")
]
Real = Annotated[float, Field(allow_inf_nan=False)]
TrialSeeds = Annotated[int, Field(ge=1, le=100)]
SeedCount = Annotated[int, Field(ge=1, le=MAX_SEEDS)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Looks(_Strict):
    """Numbers of seeds at which the claims are judged and training may stop, or one number `n`; and which seeds they are."""

    looks: Annotated[tuple[Annotated[int, Field(ge=2, le=MAX_SEEDS)], ...], Field(min_length=1)] | None = Field(
        None, description="increasing numbers of seeds at which the claims are judged, such as [3, 5, 8, 12, 20]"
    )
    futility: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="close a claim whose probability of being decided by the last look is below this, such as 0.1"
    )
    n: SeedCount | None = Field(None, description="a number of seeds, instead of looks")
    values: Annotated[tuple[Annotated[int, Field(ge=0, lt=MAX_SEEDS)], ...], Field(min_length=1)] | None = Field(
        None, description="the seeds themselves, in the order of training; looks count the seeds of this list"
    )
    first: int = Field(0, ge=0, lt=MAX_SEEDS, description="the first seed, the others follow it; default: 0")

    @field_validator("looks")
    @classmethod
    def _increasing(cls, value: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if value and any(later <= earlier for earlier, later in itertools.pairwise(value)):
            raise ValueError(f"{list(value)} is not increasing; expected increasing numbers of seeds, such as [3, 5, 8, 12, 20]")
        return value

    # At keys where possible: a problem there hides those of the other types that `seeds` may have.
    @field_validator("n")
    @classmethod
    def _alone(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("looks") is not None:
            raise ValueError(f"{value} beside looks; use n, a number of seeds, or looks, an increasing list of numbers")
        return value

    @field_validator("values")
    @classmethod
    def _each_once(cls, value: tuple[int, ...] | None, info: ValidationInfo) -> tuple[int, ...] | None:
        if value is None:
            return value
        if len(set(value)) < len(value):
            twice = next(seed for seed, count in Counter(value).items() if count > 1)
            raise ValueError(f"{list(value)} lists {twice} twice; expected different seeds")
        if info.data.get("n") is not None:
            raise ValueError(f"{list(value)} beside n; remove n, the list gives the number of seeds")
        looks = info.data.get("looks")
        if looks is not None and looks[-1] != len(value):
            raise ValueError(f"{len(value)} seeds are listed, but the last look is at {looks[-1]}; list {looks[-1]} seeds")
        return value

    @field_validator("first")
    @classmethod
    def _last_below_maximum(cls, value: int, info: ValidationInfo) -> int:
        looks, n = info.data.get("looks", (0,)), info.data.get("n", 0)
        if info.data.get("values") is not None:
            raise ValueError(f"{value} beside values, which lists every seed; remove one of the two")
        if looks is None and n is None:
            raise ValueError(f"{value} without a number of seeds; add n, or looks, an increasing list of numbers of seeds")
        last = looks[-1] if looks is not None else n
        if value + last > MAX_SEEDS:
            most = MAX_SEEDS - last
            raise ValueError(f"{value} is out of range; must be at most {most}, as {last} seeds end below {MAX_SEEDS}")
        return value

    @model_validator(mode="after")
    def _some(self) -> Self:
        if self.looks is None and self.n is None and self.values is None:
            raise ValueError("expected n, a number of seeds, looks, an increasing list of numbers of seeds, or values, the seeds")
        return self


class Tune(_Strict):
    """First choose the best setting of each variant, by validation metric, on separate seeds."""

    space: dict[str, Annotated[tuple[Levels, ...], Field(min_length=2)]] = Field(
        min_length=1, description="the values to try by configuration path; a candidate is one combination of them"
    )
    seeds: TrialSeeds = Field(1, description="runs of each candidate, averaged")
    metric: Text | None = Field(None, description="the metric to choose by; default: the task's first of the validation split")


class Parameter(_Strict):
    """A parameter of a search: numbers in a range, or one of several choices."""

    range: tuple[Real, Real] | None = Field(None, description="least and largest value")
    log: bool = Field(False, description="sample on a logarithmic scale")
    int: bool = Field(False, description="integers only; automatic if the path takes only integers")
    step: Annotated[float, Field(gt=0)] | None = Field(None, description="step between the values of a range")
    choice: Annotated[tuple[Levels, ...], Field(min_length=2)] | dict[str, Patch] | None = Field(
        None, description="values, or named configuration keys"
    )
    path: Text | None = Field(None, description="the configuration path to set; default: the name of the parameter")
    when: dict[str, Levels] | None = Field(
        None, min_length=1, description="active only if an earlier choice has this value, or one of these"
    )


class Limit(_Strict):
    """A bound on a metric that is known before training."""

    at_most: float | None = Field(None, description="the largest value allowed")
    at_least: float | None = Field(None, description="the least value allowed")


class Confirm(_Strict):
    """Reruns the best trials on new seeds, then compares the winner with the base on further new seeds."""

    top: Annotated[int, Field(ge=1, le=50)] = Field(5, description="how many of the best trials are run again")
    seeds: Annotated[int, Field(ge=3, le=500)] = Field(5, description="at least 3: fewer never give a verdict")
    against: Literal["base"] = Field("base", description="what the winner is compared with: the configuration of the file")

    @field_validator("seeds", mode="before")
    @classmethod
    def _enough(cls, value: Any) -> Any:
        if value in (1, 2):
            raise ValueError(f"{value} is too few for a verdict; expected an integer from 3 to 500")
        return value


class Search(_Strict):
    """An Optuna study: space, objectives, and the confirmation of the winner."""

    space: dict[str, Parameter] | None = Field(None, min_length=1, description="the parameters to search, by name; required")
    objectives: Text | Annotated[tuple[Text, ...], Field(min_length=1, max_length=4)] | None = Field(
        None, description="metrics; default: the task's first metric of the validation split"
    )
    constraints: dict[str, Limit] | None = Field(None, description="bounds that are checked before training")
    sampler: Literal["tpe", "random", "cmaes", "nsga2"] | None = Field(None, description="how values are proposed; default: tpe")
    pruner: Literal["none", "median", "hyperband"] | None = Field(
        None, description="when a trial is stopped early; default: none"
    )
    prune_after: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        None, description="the first epoch at which a trial may be pruned; default: 1"
    )
    trials: Annotated[int, Field(ge=1, le=100_000)] | None = Field(None, description="total number of trials; default: 100")
    seeds: TrialSeeds | None = Field(None, description="runs per trial, averaged; default: 1")
    budget: PositiveDuration | None = Field(
        None, description="total training time after which no trial starts, such as 20h or a number of seconds"
    )
    first: tuple[Patch, ...] | None = Field(None, description="configurations to try first, after the base")
    confirm: Confirm | None = Field(None, description="how the winner is confirmed on new seeds; default: it is not")

    @field_validator("sampler", mode="before")
    @classmethod
    def _no_grid(cls, value: Any) -> Any:
        if value == "grid":
            raise ValueError("invalid sampler 'grid', which would lose cells with their trials; use factors: instead, or tpe")
        return value


class _Keys(_Strict):
    """The keys that files and profiles share."""

    config: dict[str, Any] | None = Field(
        None, description="changes to the configuration: to that of the file that it extends, else to the task's default"
    )
    resources: Resources | None = Field(
        None, description="what each run needs: {gpus: 2, cpus: 8, memory: 64G, nodes: 1}; variants may request more or less"
    )
    variants: dict[str, Patch] | None = Field(None, min_length=1, description="the changes that make each variant, by its name")
    factors: dict[str, tuple[Any, ...] | dict[str, Patch]] | None = Field(
        None, min_length=1, description="the levels of each factor, by its configuration path; or named levels with their changes"
    )
    components: dict[str, Patch] | None = Field(
        None, min_length=1, description="the changes that switch each component off, by its name"
    )
    design: Design | None = Field(
        None, description="how factors or components are combined into variants; default: grid for one factor"
    )
    baseline: Text | None = Field(
        None, description="the variant that others are compared with; default: the one that equals the base"
    )
    seeds: SeedCount | Looks | None = Field(
        None, description="a number of seeds, or looks; {n: 5, first: 20} sets the first seed"
    )
    margin: float | None = Field(None, gt=0, description="the smallest difference that matters, in the metric's unit")
    alpha: float | None = Field(None, gt=0, lt=0.5, description="significance level of the claims' tests; default: 0.05")
    claims: tuple[Any, ...] | None = Field(
        None, description="what you expect, registered before the runs; default: none, the differences are exploratory"
    )
    tune: Tune | None = Field(None, description="settings to choose for each variant before the comparison")
    search: Search | None = Field(None, description="an Optuna search, instead of a design, seeds and claims")


class Profile(_Keys):
    """A partial file: its keys replace those of the file; its config and resources are merged over the file's."""

    evidence: bool | None = Field(
        None, description="true: its results are evidence, as those of the file; default: false, a rehearsal"
    )


class ExperimentFile(_Keys):
    """One experiment: a question, a design, seeds, claims."""

    question: Text | None = Field(None, description="what the experiment asks; required")
    source: Text | None = Field(None, description="quotation of the statement to test")
    tags: Annotated[tuple[Tag, ...], Field(max_length=20)] | None = Field(
        None, description="words by which the scoreboard finds the experiment; run ids do not depend on them"
    )
    task: Text | Program | None = Field(
        None, description="what is trained: cifar_resnet (the default), package.module:Object, or a program"
    )
    extends: Text | None = Field(
        None,
        description="a file whose task, config, resources and profiles are inherited; relative to this one, or a shipped one",
    )
    scale_of: Text | None = Field(
        None, description="the experiment that this is a small version of: a path relative to this file, or a shipped file"
    )
    profiles: Mapping[str, Profile] | None = Field(
        None, description="partial files by name, such as smoke, chosen with --profile"
    )


DESIGN_KEYS = ("variants", "factors", "components")
NOT_BESIDE_SEARCH = (*DESIGN_KEYS, "design", "baseline", "seeds", "claims", "tune")
