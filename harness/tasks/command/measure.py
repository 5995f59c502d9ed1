"""The pydantic model of a program's metric: where its values are read, and which of them counts."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import regex
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from harness.tasks.command.reading import texts
from harness.tasks.protocol import Metric

Text = Annotated[str, Field(min_length=1)]
SOURCES = ("pattern", "text", "file", "tensorboard", "wandb")  # of which a metric has at most one
# Not part of a run id: how a metric is shown and compared.
ABOUT = ("unit", "resolution", "split")


class Strict(BaseModel):
    """The base of all models of a program: frozen, no unknown keys, no conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, populate_by_name=True)


class Measure(Strict):
    """One metric. Without any of `SOURCES` it is read from the JSON lines in $HARNESS_METRICS."""

    goal: Literal["minimize", "maximize"] = Field(description="whether less or more is better")
    unit: str = Field("", description="of its values, as shown beside them, such as nats")
    text: Text | None = Field(
        None, description="what the program prints: {value} for the number, {step} for the step, ... for anything in between"
    )
    pattern: Text | None = Field(
        None, description="a regular expression with (?P<value>…) and optionally (?P<step>…), searched in each line of the output"
    )
    file: Text | None = Field(
        None, description="a file in {run_dir}, which the program writes: .csv, .tsv, .json, .jsonl; * and ** are allowed"
    )
    column: Text | None = Field(None, description="of a CSV or TSV file: the column; default: the name of the metric")
    key: Text | None = Field(None, description="of a JSON file: the key, dotted if nested; default: the name of the metric")
    tensorboard: Text | None = Field(None, description="a tag of the TensorBoard files in {run_dir}, such as val/loss")
    wandb: Text | None = Field(None, description="a key that the program logs by wandb.log, such as val/loss")
    step: Text | None = Field(None, description="column or key of the step; default: step, epoch or iteration, if there is one")
    decimal: Literal[".", ","] | None = Field(
        None,
        description="the decimal sign of the numbers; default: a point; ambiguous numbers are errors",
    )
    take: Literal["last", "best"] = Field("last", description="which value is the result: the last, or the best of all")
    at_best: Text | None = Field(None, description="the result is the value where this metric is best, instead of the last")
    resolution: float | None = Field(None, gt=0, description="its smallest step, in its unit")
    split: Literal["train", "validation", "test"] | None = Field(
        None,
        description="the cases it is measured on: searches and tuning choose by validation metrics, and never use test metrics",
    )

    @field_validator("pattern")
    @classmethod
    def _has_a_value(cls, pattern: str | None) -> str | None:
        if pattern is None:
            return None
        try:
            groups = regex.compile(pattern).groupindex
        except regex.error as error:
            raise ValueError(f"invalid regular expression {pattern!r}: {error}") from error
        if "value" not in groups:
            raise ValueError(f"{pattern!r} has no group for the number; use (?P<value>\\S+) in its place")
        if unknown := sorted(set(groups) - {"value", "step"}):
            raise ValueError(f"{pattern!r} has an unknown group {unknown[0]!r}; use value and step only")
        return pattern

    @field_validator("text")
    @classmethod
    def _can_be_searched(cls, text: str | None) -> str | None:
        if text is not None and (wrong := texts.problem(text)):
            raise ValueError(f"{text!r} {wrong}")
        return text

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        given = [name for name in SOURCES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{given[0]} and {given[1]} are both given; use one of {', '.join(SOURCES)}")
        if self.file is None and (name := next((name for name in ("column", "key") if getattr(self, name)), None)):
            raise ValueError(f"{name} without file; add file: the file that has it")
        if self.column is not None and self.key is not None:
            raise ValueError("column and key are both given; use column for a table, key for JSON")
        if self.at_best is not None and self.take == "best":
            raise ValueError("take: best and at_best are both given; use one of them")
        return self

    @property
    def source(self) -> str | None:
        """Which of `SOURCES` it has; None: $HARNESS_METRICS."""
        return next((name for name in SOURCES if getattr(self, name) is not None), None)

    @property
    def metric(self) -> Metric:
        """The metric in the task protocol."""
        return Metric(self.unit, self.goal, self.resolution, split=self.split, take=self.take, at_best=self.at_best)

    @property
    def definition(self) -> dict[str, Any]:
        """What run ids depend on; fields with their default are left out, so that ids stay when fields are added."""
        fields = type(self).model_fields
        named = {name: getattr(self, name) for name in fields if name not in ABOUT}
        return {name: value for name, value in named.items() if name in ("goal", "pattern") or value != fields[name].default}
